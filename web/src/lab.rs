//! A run in a browser: it is opened from a config, advanced in small pieces between the worker's messages, and changed
//! by commands. The step loop is the core's; nothing here computes.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use lastbit_core::data::{Arrived, Dataset, Origin, Parcel, checkerboard, synthetic};
use lastbit_core::device::{AdapterChoice, Context, DeviceError};
use lastbit_core::nets::NetKind;
use lastbit_core::train::{DatasetKind, FlipBit, Peek, PeekRange, Start, TrainConfig, TrainError, Trainer, Tuning};
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
    parcel: Parcel,
    /// Data sets that were asked for.
    datasets: HashMap<DatasetKind, Arc<Dataset>>,
    trainer: Option<Trainer>,
    watched: Vec<PeekRange>,
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
            let progress = self.trainer()?.advance().await;
            let progress = progress.map_err(|error| self.failed(error))?;
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
            let progress = self.trainer()?.advance().await;
            let progress = progress.map_err(|error| self.failed(error))?;
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

    /// Flips the last bit of one element of one parameter of one replica after `step`, or after the next step; returns
    /// which one that is.
    ///
    /// # Errors
    /// No such tensor, element or replica, or the GPU.
    pub async fn flip_bit(
        &mut self,
        tensor: String,
        index: u32,
        replica: usize,
        step: Option<f64>,
    ) -> Result<f64, JsValue> {
        let trainer = self.trainer()?;
        let step = step.map_or(trainer.begun() + 1, |step| step as u64);
        trainer.flip_bit(FlipBit { tensor, index, step, replica }).await.map_err(Fault::from)?;
        Ok(step as f64)
    }

    /// Chooses what [`Events::peeked`] brings: names of parameters, first elements and numbers of elements.
    ///
    /// # Errors
    /// There is no run, or no such element.
    pub fn watch(&mut self, names: Vec<String>, firsts: &[u32], counts: &[u32]) -> Result<(), JsValue> {
        let parameters = &self.trainer()?.network().parameters;
        let range = |((name, &first), &count): ((&String, &u32), &u32)| {
            let parameter = parameters.iter().position(|parameter| parameter.name == *name)?;
            let end = first.checked_add(count)?;
            (count > 0 && end <= parameters[parameter].elements()).then_some(PeekRange { parameter, first, count })
        };
        let ranges: Option<Vec<_>> = names.iter().zip(firsts).zip(counts).map(range).collect();
        self.watched = ranges.ok_or_else(|| Fault::config(format!("there are no such elements of {names:?}")))?;
        (self.peek, self.peeked) = (None, None);
        Ok(())
    }

    /// Takes a file of a data set in, or an archive. Returns a JSON array of what it holds: `dataset`, `file`, `items`.
    ///
    /// # Errors
    /// A file that is cut off, damaged or of no data set.
    pub fn add_file(&mut self, name: &str, bytes: Vec<u8>) -> Result<String, JsValue> {
        let arrived = self.parcel.add(name, bytes).map_err(Fault::from)?;
        let told = arrived
            .iter()
            .map(|Arrived { dataset, file, items }| json!({ "dataset": dataset, "file": file, "items": items }));
        let told = serde_json::Value::Array(told.collect()).to_string();
        for kind in [DatasetKind::Cifar10, DatasetKind::FashionMnist] {
            if arrived.iter().any(|file| file.dataset == kind.to_string()) {
                self.datasets.remove(&kind);
            }
        }
        Ok(told)
    }

    /// What of a data set is still missing before it can be trained on; `undefined` for nothing.
    #[must_use]
    pub fn missing(&self, dataset: &str) -> Option<String> {
        self.parcel.missing(dataset).map(str::to_owned)
    }

    /// Whether the images that arrived are the published ones, in words; `undefined` while files are missing.
    #[must_use]
    pub fn origin(&mut self, dataset: &str) -> Option<String> {
        let kind: DatasetKind = dataset.parse().ok()?;
        if self.parcel.missing(dataset).is_some() {
            return None;
        }
        Origin::of(&*self.arrived(kind).ok()?).map(|origin| origin.to_string())
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

    /// A lost device takes everything on it along; the next run gets a new one.
    fn failed(&mut self, error: TrainError) -> Fault {
        if matches!(error, TrainError::Gpu(DeviceError::DeviceLost(_))) {
            self.close();
            self.context = None;
        }
        error.into()
    }

    async fn make(&mut self, config: &str) -> Result<String, Fault> {
        let started = Instant::now();
        let config: TrainConfig = serde_json::from_str(config).map_err(Fault::config)?;
        config.validate().map_err(Fault::config)?;
        self.close();
        let dataset = self.dataset(&config)?;
        // Lost while nothing ran.
        if self.context.as_ref().is_some_and(|context| context.check().is_err()) {
            self.context = None;
        }
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

    fn dataset(&mut self, config: &TrainConfig) -> Result<Arc<Dataset>, Fault> {
        if (config.dataset, config.net) == (DatasetKind::Synthetic, NetKind::OneLayer) {
            return Ok(Arc::new(checkerboard::dataset(checkerboard::SIDE)));
        }
        if config.dataset == DatasetKind::Synthetic {
            // Fewer images are the first of more, and painting them all takes a second.
            let (seed, train, test) = synthetic::SET;
            let upto = |limit: Option<usize>, all: usize| limit.map_or(all, |limit| limit.min(all));
            let painted = synthetic::dataset(seed, upto(config.train_limit, train), upto(config.test_limit, test));
            return Ok(Arc::new(painted));
        }
        self.arrived(config.dataset)
    }

    /// The images of a data set whose files have arrived.
    fn arrived(&mut self, kind: DatasetKind) -> Result<Arc<Dataset>, Fault> {
        if let Some(dataset) = self.datasets.get(&kind) {
            return Ok(Arc::clone(dataset));
        }
        let dataset = Arc::new(self.parcel.dataset(&kind.to_string())?);
        Ok(Arc::clone(self.datasets.entry(kind).or_insert(dataset)))
    }

    /// Waits for what is under way, and for the watched parameters as they are now.
    async fn finish(&mut self, mut events: Events) -> Result<Events, JsValue> {
        let settled = self.trainer()?.settle().await;
        events.add(settled.map_err(|error| self.failed(error))?);
        self.look(&mut events).await?;
        if self.peeked.is_none_or(|(_, step)| self.trainer.as_ref().is_some_and(|trainer| trainer.step() != step)) {
            self.peeked = None;
            // The first look begins to copy, the second takes the copy up.
            self.look(&mut events).await?;
            self.look(&mut events).await?;
        }
        Ok(events)
    }

    /// Takes up a look at the watched parameters whose step is reported, or begins one if the last is old enough.
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
