//! A run in a browser: it is opened from a config, advanced in small pieces between the worker's messages, and told what
//! to change. The step loop is the core's; nothing here computes.

use std::rc::Rc;
use std::time::Duration;

use lastbit_core::data::{Dataset, checkerboard, synthetic};
use lastbit_core::gpu::{AdapterChoice, Context};
use lastbit_core::nets::NetKind;
use lastbit_core::train::{DatasetKind, FlipBit, Peek, Start, TrainConfig, Trainer, Tuning};
use serde_json::json;
use wasm_bindgen::prelude::*;
use web_time::Instant;

use crate::events::Events;
use crate::fault::Fault;

/// Watched parameters are read no more often than this.
const PEEK_EVERY: Duration = Duration::from_millis(250);

/// A device, the data sets that the page holds, and at most one run.
#[wasm_bindgen]
#[derive(Default)]
pub struct Lab {
    context: Option<Rc<Context>>,
    synthetic: Option<Rc<Dataset>>,
    trainer: Option<Trainer>,
    watched: Vec<usize>,
    peek: Option<Peek>,
    /// Of the step that the newest peek is of.
    peeked: Option<(Instant, u64)>,
}

#[wasm_bindgen]
impl Lab {
    /// Nothing yet.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a run from a config (JSON with the keys of `config.toml`), in place of the one before. Returns JSON that
    /// describes it (`Opened` of `www/src/messages.ts`). The device and its pipelines are kept from run to run.
    ///
    /// # Errors
    /// A config that makes no run, a data set that is not there, or the GPU.
    pub async fn open(&mut self, config: String) -> Result<String, JsValue> {
        Ok(self.make(&config).await?)
    }

    /// Works for about `milliseconds`, at least one piece: a step, or a batch of an evaluation.
    ///
    /// # Errors
    /// The GPU.
    pub async fn advance(&mut self, milliseconds: f64) -> Result<Events, JsValue> {
        let end = Instant::now() + Duration::from_secs_f64(milliseconds / 1000.0);
        let mut events = Events::default();
        loop {
            let progress = self.trainer()?.advance().await.map_err(Fault::from)?;
            events.add(progress.events);
            events.finished = progress.finished;
            self.look(&mut events).await?;
            if events.finished || Instant::now() >= end {
                return Ok(events);
            }
        }
    }

    /// Takes exactly one step and waits for it.
    ///
    /// # Errors
    /// The GPU.
    pub async fn step(&mut self) -> Result<Events, JsValue> {
        let begun = self.trainer()?.begun();
        let mut events = Events::default();
        while self.trainer()?.begun() == begun && !events.finished {
            let progress = self.trainer()?.advance().await.map_err(Fault::from)?;
            events.add(progress.events);
            events.finished = progress.finished;
        }
        self.finish(events).await
    }

    /// Waits for what is under way.
    ///
    /// # Errors
    /// The GPU.
    pub async fn settle(&mut self) -> Result<Events, JsValue> {
        self.finish(Events::default()).await
    }

    /// Sets the learning rate from the next step on; returns that step.
    ///
    /// # Errors
    /// A rate that is not a positive number.
    pub fn set_lr(&mut self, lr: f64) -> Result<f64, JsValue> {
        Ok(self.trainer()?.set_lr(lr).map_err(Fault::from)? as f64)
    }

    /// Flips the last bit of one element of one parameter of one replica after the next step; returns that step.
    ///
    /// # Errors
    /// No such tensor, element or replica, or the GPU.
    pub async fn flip_bit(&mut self, tensor: String, index: u32, replica: usize) -> Result<f64, JsValue> {
        let trainer = self.trainer()?;
        let step = trainer.begun() + 1;
        trainer.flip_bit(FlipBit { tensor, index, step, replica }).await.map_err(Fault::from)?;
        Ok(step as f64)
    }

    /// Chooses the parameters that [`Events::peeked`] brings, by name; those that the network does not have are ignored.
    ///
    /// # Errors
    /// There is no run.
    pub fn watch(&mut self, names: Vec<String>) -> Result<(), JsValue> {
        let parameters = &self.trainer()?.network().parameters;
        let position = |name: &String| parameters.iter().position(|parameter| parameter.name == *name);
        self.watched = names.iter().filter_map(position).collect();
        (self.peek, self.peeked) = (None, None);
        Ok(())
    }

    /// Ends the run and gives its memory back.
    pub fn close(&mut self) {
        (self.peek, self.peeked, self.trainer) = (None, None, None);
        self.watched.clear();
    }
}

impl Lab {
    fn trainer(&mut self) -> Result<&mut Trainer, Fault> {
        self.trainer.as_mut().ok_or_else(|| Fault::config("there is no run"))
    }

    async fn make(&mut self, config: &str) -> Result<String, Fault> {
        let started = Instant::now();
        let config: TrainConfig = serde_json::from_str(config).map_err(Fault::config)?;
        config.validate().map_err(Fault::config)?;
        self.close();
        let dataset = self.dataset(&config)?;
        let context = match &self.context {
            Some(context) => Rc::clone(context),
            None => Rc::clone(self.context.insert(Rc::new(Context::new(&AdapterChoice::Best).await?))),
        };
        let controls = config.controls();
        let ks = config.ks.clone();
        let trainer = Trainer::new(Rc::clone(&context), config, dataset, Tuning::default(), Start::Fresh).await?;
        let network = trainer.network();
        let tensors = network.parameters.iter().map(|parameter| {
            json!({ "name": parameter.name, "shape": parameter.dims, "convolution": parameter.convolution })
        });
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
            "seconds": started.elapsed().as_secs_f64(),
        });
        self.trainer = Some(trainer);
        Ok(described.to_string())
    }

    fn dataset(&mut self, config: &TrainConfig) -> Result<Rc<Dataset>, Fault> {
        match (config.dataset, config.net) {
            (DatasetKind::Synthetic, NetKind::OneLayer) => Ok(Rc::new(checkerboard::dataset(checkerboard::SIDE))),
            (DatasetKind::Synthetic, _) => {
                let (seed, train, test) = synthetic::SET;
                Ok(Rc::clone(self.synthetic.get_or_insert_with(|| Rc::new(synthetic::dataset(seed, train, test)))))
            }
            (kind, _) => Err(Fault::data(format!("there are no files of {kind} yet: drop them on the page"))),
        }
    }

    /// Waits for what is under way, and for the watched parameters as they are now.
    async fn finish(&mut self, mut events: Events) -> Result<Events, JsValue> {
        let settled = self.trainer()?.settle().await.map_err(Fault::from)?;
        events.add(settled);
        self.look(&mut events).await?;
        if self.peeked.is_none_or(|(_, step)| self.trainer.as_ref().is_some_and(|trainer| trainer.step() != step)) {
            self.peeked = None;
            // The first look begins to copy, the second takes the copy up.
            self.look(&mut events).await?;
            self.look(&mut events).await?;
        }
        Ok(events)
    }

    /// Takes up a look at the watched parameters whose step is told, or begins one if the last is old enough.
    async fn look(&mut self, events: &mut Events) -> Result<(), Fault> {
        let Some(trainer) = &self.trainer else { return Ok(()) };
        match self.peek.take() {
            Some(peek) if trainer.step() >= peek.step() => {
                let step = peek.step();
                events.set_peeked(step, trainer.take_peek(peek).await?);
                self.peeked = Some((Instant::now(), step));
            }
            Some(peek) => self.peek = Some(peek),
            None if self.watched.is_empty() => {}
            None if self.peeked.is_some_and(|(when, step)| when.elapsed() < PEEK_EVERY || step == trainer.begun()) => {}
            None => self.peek = Some(trainer.peek(&self.watched)),
        }
        Ok(())
    }
}
