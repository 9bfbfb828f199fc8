//! Small runs of real training for tests.

#![allow(dead_code, reason = "each test program uses a part of these helpers")]

use std::cell::OnceCell;
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::sync::Arc;

use lastbit_core::data::{Dataset, synthetic};
use lastbit_core::device::{AdapterChoice, Context, Family, Options, adapters};
use lastbit_core::nets::{NetKind, Network};
use lastbit_core::train::{DatasetKind, Event, Start, State, TrainConfig, Trainer, Tuning};

/// The results of a run.
pub struct Outcome {
    pub network: Network,
    pub events: Vec<Event>,
    pub state: State,
}

thread_local! {
    /// Never dropped: wgpu's own thread-locals may be gone by then.
    static DEVICE: OnceCell<ManuallyDrop<Rc<Context>>> = const { OnceCell::new() };
}

/// One device for all trainers of a test: a software GPU takes longer to compile their kernels than to run them.
fn shared_context() -> Rc<Context> {
    DEVICE.with(|device| Rc::clone(device.get_or_init(|| ManuallyDrop::new(context()))))
}

/// A device of its own: the adapter that `LASTBIT_ADAPTER` names, else the best one.
pub fn context() -> Rc<Context> {
    let choice = std::env::var("LASTBIT_ADAPTER").map_or(AdapterChoice::Best, AdapterChoice::Named);
    Rc::new(pollster::block_on(Context::new(&choice)).unwrap_or_else(|e| panic!("{e}")))
}

/// A GPU, which may be a software one: the adapter that `LASTBIT_ADAPTER` names, else the first GPU.
pub fn gpu() -> Rc<Context> {
    let found = pollster::block_on(adapters(Options::default())).into_iter().find(|a| a.family != Family::Processor);
    let named = std::env::var("LASTBIT_ADAPTER").ok().filter(|name| !name.starts_with("processor"));
    let name = named.or_else(|| found.map(|adapter| adapter.name)).expect("a GPU adapter, software will do");
    Rc::new(pollster::block_on(Context::new(&AdapterChoice::Named(name))).unwrap_or_else(|e| panic!("{e}")))
}

/// 36 training images (five batches of 8, the last one of 4) and 20 test images.
pub fn dataset() -> Arc<Dataset> {
    Arc::new(synthetic::dataset(1, 36, 20))
}

/// The paper's optimiser on a quarter-width ResNet-8.
pub fn small() -> TrainConfig {
    TrainConfig {
        net: NetKind::ResNet { depth: 8 },
        width: 0.25,
        dataset: DatasetKind::Synthetic,
        batch_size: 8,
        ..TrainConfig::default()
    }
}

pub async fn trainer(config: &TrainConfig, tuning: Tuning, start: Start) -> Trainer {
    let new = Trainer::new(shared_context(), config.clone(), dataset(), tuning, start).await;
    new.unwrap_or_else(|e| panic!("{e}"))
}

/// A trainer on `dataset`, from fresh weights.
pub async fn trainer_on(config: &TrainConfig, dataset: &Arc<Dataset>) -> Trainer {
    let new =
        Trainer::new(shared_context(), config.clone(), Arc::clone(dataset), Tuning::default(), Start::Fresh).await;
    new.unwrap_or_else(|e| panic!("{e}"))
}

/// Runs the trainer to its end and returns the events.
pub async fn finish(trainer: &mut Trainer) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let progress = trainer.advance().await.unwrap_or_else(|e| panic!("{e}"));
        events.extend(progress.events);
        if progress.finished {
            return events;
        }
    }
}

pub fn run_from(config: &TrainConfig, tuning: Tuning, start: Start) -> Outcome {
    pollster::block_on(async {
        let mut trainer = trainer(config, tuning, start).await;
        let events = finish(&mut trainer).await;
        let state = trainer.state().await.unwrap_or_else(|e| panic!("{e}"));
        Outcome { network: trainer.network().clone(), events, state }
    })
}

pub fn run_tuned(config: &TrainConfig, tuning: Tuning) -> Outcome {
    run_from(config, tuning, Start::Fresh)
}

pub fn run(config: &TrainConfig) -> Outcome {
    run_tuned(config, Tuning::default())
}
