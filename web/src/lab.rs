//! A run in a browser. The worker opens it from a config, advances it in small pieces between messages, and changes it
//! by commands. The step loop is the core's; nothing here computes.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use lastbit_core::arithmetic::{self, Arithmetic};
use lastbit_core::data::{AddedFile, Dataset, DatasetFiles, Origin, checkerboard, synthetic};
use lastbit_core::device::{AdapterChoice, Context, DeviceError};
use lastbit_core::nets::NetKind;
use lastbit_core::published;
use lastbit_core::train::{DatasetKind, FlipBit, Peek, PeekRange, Start, TrainConfig, TrainError, Trainer, Tuning};
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;
use web_time::Instant;

use crate::events::Events;
use crate::fault::Fault;
use crate::standing::Beginning;
#[cfg(feature = "processor")]
use crate::team;

/// Least time between two reads of the watched parameters.
const PEEK_EVERY: Duration = Duration::from_millis(250);
const NO_RUN: &str = "no run is open";

/// A device, the data sets that the page holds, and at most one run.
///
/// The `name` of an error is its kind (`fault.rs`). "A device error" below has one of the kinds `device-lost`,
/// `out-of-memory` (also a buffer over the adapter's limit) and `gpu` (all others).
#[wasm_bindgen]
#[derive(Default)]
pub struct Lab {
    context: Option<Rc<Context>>,
    /// Of the device in `context`, once it has been needed.
    arithmetic: Option<Arithmetic>,
    files: DatasetFiles,
    /// Data sets that were parsed from `files`.
    datasets: HashMap<DatasetKind, Arc<Dataset>>,
    trainer: Option<Trainer>,
    /// What the run in `trainer` began with.
    beginning: Option<Beginning>,
    watched: Vec<PeekRange>,
    peek: Option<Peek>,
    /// When the newest peek was read, and its step.
    peeked: Option<(Instant, u64)>,
}

#[wasm_bindgen]
impl Lab {
    /// A lab without a device, data sets or a run.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Closes the previous run and opens one from a config (JSON with the keys of `config.toml`). Returns JSON that
    /// describes it (`Opened` in `www/src/messages.ts`). The device and its pipelines are kept from run to run. With `one_at_a_time`
    /// the replicas train one after the other, so that `Lab.divide` can give some of them to other workers.
    ///
    /// # Errors
    /// `config` if the config is invalid, `data` if files of its data set are missing or contradict each other; a device
    /// error.
    pub async fn open(&mut self, config: String, one_at_a_time: bool) -> Result<String, JsValue> {
        Ok(self.open_run(&config, one_at_a_time).await?)
    }

    /// JSON: what members of a team need to know of the run's data set.
    ///
    /// # Errors
    /// `config` if no run is open.
    #[cfg(feature = "processor")]
    pub fn outline(&self) -> Result<String, JsValue> {
        Ok(serde_json::to_string(&self.beginning()?.outline()).map_err(Fault::config)?)
    }

    /// Divides the replicas among this worker and the members 1 to `size - 1` of `team`.
    ///
    /// # Errors
    /// `config` if no run is open.
    #[cfg(feature = "processor")]
    pub fn divide(&mut self, size: usize, team: team::Team) -> Result<(), JsValue> {
        self.trainer()?.divide(size, team::assign_to(team));
        Ok(())
    }

    /// Works for about `milliseconds`, at least one piece: a step, or a batch of an evaluation.
    ///
    /// # Errors
    /// `config` if no run is open; a device error.
    pub async fn advance(&mut self, milliseconds: f64) -> Result<Events, JsValue> {
        let end = Instant::now() + Duration::from_secs_f64(milliseconds / 1000.0);
        let mut events = Events::default();
        loop {
            let progress = self.trainer()?.advance().await;
            let progress = progress.map_err(|error| self.failed(error))?;
            events.add(progress.events);
            events.finished = progress.finished;
            self.poll_peek(&mut events).await?;
            if events.finished || Instant::now() >= end {
                return Ok(events);
            }
        }
    }

    /// Takes exactly one step and waits for it.
    ///
    /// # Errors
    /// `config` if no run is open; a device error.
    pub async fn step(&mut self) -> Result<Events, JsValue> {
        let begun = self.trainer()?.submitted();
        let mut events = Events::default();
        while self.trainer()?.submitted() == begun && !events.finished {
            let progress = self.trainer()?.advance().await;
            let progress = progress.map_err(|error| self.failed(error))?;
            events.add(progress.events);
            events.finished = progress.finished;
        }
        self.finish(events).await
    }

    /// Waits for the steps under way.
    ///
    /// # Errors
    /// `config` if no run is open; a device error.
    pub async fn settle(&mut self) -> Result<Events, JsValue> {
        self.finish(Events::default()).await
    }

    /// Sets the learning rate from the next step on; returns that step.
    ///
    /// # Errors
    /// `config` if no run is open or `lr` is not a positive number.
    pub fn set_lr(&mut self, lr: f64) -> Result<f64, JsValue> {
        Ok(self.trainer()?.set_lr(lr).map_err(Fault::from)? as f64)
    }

    /// Flips the last bit of one element of one parameter of one replica after `step`, by default the next step. Returns
    /// that step.
    ///
    /// # Errors
    /// `config` if no run is open or the tensor, the element or the replica does not exist; a device error.
    pub async fn flip_bit(
        &mut self,
        tensor: String,
        index: u32,
        replica: usize,
        step: Option<f64>,
    ) -> Result<f64, JsValue> {
        let trainer = self.trainer()?;
        let step = step.map_or(trainer.submitted() + 1, |step| step as u64);
        trainer.flip_bit(FlipBit { tensor, index, step, replica }).await.map_err(Fault::from)?;
        Ok(step as f64)
    }

    /// Chooses the ranges that [`Events::peeked`] returns: `counts[i]` elements of the parameter `names[i]`, from element
    /// `firsts[i]` on.
    ///
    /// # Errors
    /// `config` if no run is open, a parameter does not exist, or a range is empty or ends outside its parameter.
    pub fn watch(&mut self, names: Vec<String>, firsts: &[u32], counts: &[u32]) -> Result<(), JsValue> {
        let parameters = &self.trainer()?.network().parameters;
        let range = |((name, &first), &count): ((&String, &u32), &u32)| {
            let parameter = parameters.iter().position(|parameter| parameter.name == *name)?;
            let end = first.checked_add(count)?;
            (count > 0 && end <= parameters[parameter].elements()).then_some(PeekRange { parameter, first, count })
        };
        let ranges: Option<Vec<_>> = names.iter().zip(firsts).zip(counts).map(range).collect();
        let unknown = || Fault::config(format!("cannot watch {names:?}: a tensor or some elements do not exist"));
        self.watched = ranges.ok_or_else(unknown)?;
        (self.peek, self.peeked) = (None, None);
        Ok(())
    }

    /// Adds a file of a data set, or an archive of such files. Returns a JSON array with `dataset`, `file` and `items` of
    /// each file.
    ///
    /// # Errors
    /// `data` if a file is cut off, damaged or not part of a known data set.
    pub fn add_file(&mut self, name: &str, bytes: Vec<u8>) -> Result<String, JsValue> {
        let added = self.files.add(name, bytes).map_err(Fault::from)?;
        let listed = added
            .iter()
            .map(|AddedFile { dataset, file, items }| json!({ "dataset": dataset, "file": file, "items": items }));
        let listed = Value::Array(listed.collect()).to_string();
        for kind in [DatasetKind::Cifar10, DatasetKind::FashionMnist] {
            if added.iter().any(|file| file.dataset == kind.to_string()) {
                self.datasets.remove(&kind);
            }
        }
        Ok(listed)
    }

    /// The first file of `dataset` that is missing and without which it cannot be trained on; `undefined` for none.
    #[must_use]
    pub fn missing(&self, dataset: &str) -> Option<String> {
        self.files.missing(dataset).map(str::to_owned)
    }

    /// Whether the images are the published ones, as text; `undefined` while files are missing or contradict each other.
    #[must_use]
    pub fn origin(&mut self, dataset: &str) -> Option<String> {
        let kind: DatasetKind = dataset.parse().ok()?;
        if self.files.missing(dataset).is_some() {
            return None;
        }
        Origin::of(&*self.parsed(kind).ok()?).map(|origin| origin.to_string())
    }

    /// JSON: the first test images, without their pixels (`TestImages` in `www/src/messages.ts`).
    ///
    /// # Errors
    /// `config` if no run is open.
    pub fn test_images(&self) -> Result<String, JsValue> {
        Ok(self.beginning()?.images().to_string())
    }

    /// The pixels of [`Lab::test_images`]: bytes `[N][C][H][W]`.
    ///
    /// # Errors
    /// `config` if no run is open.
    pub fn test_pixels(&self) -> Result<Vec<u8>, JsValue> {
        Ok(self.beginning()?.pixels())
    }

    /// JSON: where the copies stand after the last submitted step (`Standing` in `www/src/messages.ts`). It waits for the device, and
    /// takes about as long as a step.
    ///
    /// # Errors
    /// `config` if no run is open; a device error.
    pub async fn standing(&mut self) -> Result<String, JsValue> {
        let (Some(trainer), Some(beginning)) = (&mut self.trainer, &self.beginning) else {
            return Err(Fault::config(NO_RUN).into());
        };
        match beginning.standing(trainer).await {
            Ok(standing) => Ok(standing.to_string()),
            Err(error) => Err(self.failed(error).into()),
        }
    }

    /// Closes the run and frees its memory.
    pub fn close(&mut self) {
        (self.peek, self.peeked, self.trainer, self.beginning) = (None, None, None, None);
        self.watched.clear();
    }
}

impl Lab {
    fn trainer(&mut self) -> Result<&mut Trainer, Fault> {
        self.trainer.as_mut().ok_or_else(|| Fault::config(NO_RUN))
    }

    fn beginning(&self) -> Result<&Beginning, Fault> {
        self.beginning.as_ref().ok_or_else(|| Fault::config(NO_RUN))
    }

    /// Turns `error` into a fault. A lost device closes the run, and the next run opens a new device.
    fn failed(&mut self, error: TrainError) -> Fault {
        if matches!(error, TrainError::Gpu(DeviceError::DeviceLost(_))) {
            self.close();
            (self.context, self.arithmetic) = (None, None);
        }
        error.into()
    }

    async fn open_run(&mut self, config: &str, one_at_a_time: bool) -> Result<String, Fault> {
        let started = Instant::now();
        let config: TrainConfig = serde_json::from_str(config).map_err(Fault::config)?;
        config.validate().map_err(Fault::config)?;
        self.close();
        let dataset = self.dataset(&config)?;
        // The device may have been lost while nothing ran.
        if self.context.as_ref().is_some_and(|context| context.check().is_err()) {
            (self.context, self.arithmetic) = (None, None);
        }
        let context = match &self.context {
            Some(context) => Rc::clone(context),
            None => Rc::clone(self.context.insert(Rc::new(Context::new(&AdapterChoice::Best).await?))),
        };
        let controls = config.controls();
        let ks = config.ks.clone();
        let published = self.published(&context, &config).await?;
        // Members have one replica at a time, and the lead has their chunks.
        let tuning = Tuning { chunk_replicas: one_at_a_time.then_some(1), ..Tuning::default() };
        let (its_context, images) = (Rc::clone(&context), Arc::clone(&dataset));
        let trainer = Trainer::new(its_context, config.clone(), images, tuning, Start::Fresh).await?;
        let network = trainer.network();
        self.beginning = Some(Beginning::new(network, &config, dataset));
        let tensors = network.parameters.iter().map(
            |parameter| json!({ "name": parameter.name, "shape": parameter.dims, "measured": parameter.measured }),
        );
        let adapter = context.adapter();
        let described = json!({
            "kind": "opened",
            "adapter": {
                "name": adapter.name, "driver": adapter.driver, "backend": adapter.backend, "software": adapter.software
            },
            "network": network.name,
            "tensors": tensors.collect::<Vec<_>>(),
            "parameters": network.parameter_count(),
            "ks": ks,
            "controls": controls,
            "totalSteps": trainer.total_steps(),
            "stepsPerEpoch": trainer.steps_per_epoch(),
            "published": published,
            "seconds": started.elapsed().as_secs_f64(),
        });
        self.trainer = Some(trainer);
        Ok(described.to_string())
    }

    /// What the device has to find in this run (`Published` in `www/src/messages.ts`); null if nothing is published for it.
    async fn published(&mut self, context: &Context, config: &TrainConfig) -> Result<Value, DeviceError> {
        let mut known = published::of_page().iter().chain(published::all());
        let Some(run) = known.find(|run| run.is_made_by(config)) else { return Ok(Value::Null) };
        let arithmetic = match self.arithmetic {
            Some(arithmetic) => arithmetic,
            None => *self.arithmetic.insert(arithmetic::probe(context).await?),
        };
        let Some(class) = arithmetic.class.known() else { return Ok(Value::Null) };
        let of_step =
            |found: &published::Fingerprints| json!({ "step": found.step, "fingerprints": found.fingerprints });
        let steps: Vec<_> = run.of(class).iter().map(of_step).collect();
        Ok(json!({ "class": class.name(), "subnormals": arithmetic.subnormals, "steps": steps }))
    }

    fn dataset(&mut self, config: &TrainConfig) -> Result<Arc<Dataset>, Fault> {
        if (config.dataset, config.net) == (DatasetKind::Synthetic, NetKind::OneLayer) {
            return Ok(Arc::new(checkerboard::dataset(checkerboard::SIDE)));
        }
        if config.dataset == DatasetKind::Synthetic {
            // A smaller set is the beginning of the whole one, and painting the whole one takes a second.
            let (seed, train, test) = synthetic::SET;
            let upto = |limit: Option<usize>, all: usize| limit.map_or(all, |limit| limit.min(all));
            let painted = synthetic::dataset(seed, upto(config.train_limit, train), upto(config.test_limit, test));
            return Ok(Arc::new(painted));
        }
        self.parsed(config.dataset)
    }

    /// The data set `kind`, from the added files.
    fn parsed(&mut self, kind: DatasetKind) -> Result<Arc<Dataset>, Fault> {
        if let Some(dataset) = self.datasets.get(&kind) {
            return Ok(Arc::clone(dataset));
        }
        let dataset = Arc::new(self.files.dataset(&kind.to_string())?);
        Ok(Arc::clone(self.datasets.entry(kind).or_insert(dataset)))
    }

    /// Waits for the steps under way, and for the watched parameters as they are after the last one.
    async fn finish(&mut self, mut events: Events) -> Result<Events, JsValue> {
        let flushed = self.trainer()?.flush().await;
        events.add(flushed.map_err(|error| self.failed(error))?);
        self.poll_peek(&mut events).await?;
        if self.peeked.is_none_or(|(_, step)| self.trainer.as_ref().is_some_and(|trainer| trainer.step() != step)) {
            self.peeked = None;
            // The first call starts the copy, the second reads it.
            self.poll_peek(&mut events).await?;
            self.poll_peek(&mut events).await?;
        }
        Ok(events)
    }

    /// Reads the pending peek if its step is reported. Without one, starts a peek if a step has begun since the last and
    /// [`PEEK_EVERY`] has passed.
    async fn poll_peek(&mut self, events: &mut Events) -> Result<(), Fault> {
        let Some(trainer) = &self.trainer else { return Ok(()) };
        match self.peek.take() {
            Some(peek) if trainer.step() >= peek.step() => {
                let step = peek.step();
                events.set_peeked(step, trainer.take_peek(peek).await?);
                self.peeked = Some((Instant::now(), step));
            }
            Some(peek) => self.peek = Some(peek),
            None if self.watched.is_empty() => {}
            None if self
                .peeked
                .is_some_and(|(when, step)| when.elapsed() < PEEK_EVERY || step == trainer.submitted()) => {}
            None => self.peek = Some(trainer.peek(&self.watched)),
        }
        Ok(())
    }
}
