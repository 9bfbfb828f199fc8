//! A run in several workers of a page: the worker with the run leads, and the others train replicas for it.

use std::rc::Rc;

use js_sys::{Promise, Uint8Array};
use lastbit_core::data::Outline;
use lastbit_core::device::{AdapterChoice, Context};
use lastbit_core::train::{Assign, Member, Phase, Results, Task, TrainConfig, Tuning};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::fault::Fault;

#[wasm_bindgen]
extern "C" {
    /// The members as the lead calls them (`Team` in `www/src/team.ts`).
    pub type Team;

    /// Sends a task. `upload` and `state` are views of this module's memory that must be copied before it returns.
    #[wasm_bindgen(method)]
    fn assign(
        this: &Team,
        chunk: usize,
        train: bool,
        samples: u32,
        upload: &[u8],
        state: Option<Uint8Array>,
    ) -> Promise;
}

/// Assigns tasks to `team`.
pub fn assign_to(team: Team) -> Assign {
    Box::new(move |tasks: Vec<Task>| -> Results {
        let assign = |Task { chunk, phase, samples, upload, state }| {
            let state = state.as_deref().map(Uint8Array::from);
            team.assign(chunk, phase == Phase::Train, samples, &upload, state)
        };
        let promises: Vec<Promise> = tasks.into_iter().map(assign).collect();
        Box::pin(async move {
            let mut results = Vec::with_capacity(promises.len());
            for promise in promises {
                let bytes = JsFuture::from(promise).await;
                let bytes = bytes.map_err(|error| String::from(js_sys::Error::from(error).message()))?;
                results.push(Uint8Array::from(bytes).to_vec());
            }
            Ok(results)
        })
    })
}

/// A worker that trains replicas of a run for the worker that leads it.
#[wasm_bindgen]
pub struct TeamMember {
    member: Member,
}

#[wasm_bindgen]
impl TeamMember {
    /// Member `member` of a team of `size` in a run of `config` (as for `Lab.open`) on a data set with `outline` (as from
    /// `Lab.outline`).
    ///
    /// # Errors
    /// `config` for a config or an outline that the lead would refuse; a device error.
    pub async fn open(config: String, outline: String, member: usize, size: usize) -> Result<Self, JsValue> {
        let config: TrainConfig = serde_json::from_str(&config).map_err(Fault::config)?;
        let outline: Outline = serde_json::from_str(&outline).map_err(Fault::config)?;
        let context = Context::new(&AdapterChoice::Best).await.map_err(Fault::from)?;
        let tuning = Tuning { chunk_replicas: Some(1), ..Tuning::default() };
        let member = Member::new(Rc::new(context), &config, &outline, tuning, (member, size)).await;
        Ok(Self { member: member.map_err(Fault::from)? })
    }

    /// Does a task and returns its results.
    ///
    /// # Errors
    /// A device error.
    pub async fn work(
        &self,
        chunk: usize,
        train: bool,
        samples: u32,
        upload: Vec<u8>,
        state: Option<Vec<u8>>,
    ) -> Result<Vec<u8>, JsValue> {
        let phase = if train { Phase::Train } else { Phase::Evaluate };
        let task = Task { chunk, phase, samples, upload: upload.into(), state };
        Ok(self.member.work(&task).await.map_err(Fault::from)?)
    }
}
