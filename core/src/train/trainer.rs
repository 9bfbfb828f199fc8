//! A run in progress: its start, its buffers and its programs. The steps are in `step_loop.rs`.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use super::batch::{Batches, SetSizes};
use super::config::{ConfigError, TrainConfig};
use super::curvature::Measurement;
use super::error::TrainError;
use super::events::Event;
use super::in_flight::{Evaluation, InFlight};
use super::plan::{MemoryLimits, Plan, RecordingKind, Tuning, default_tiles};
use super::probe::Probe;
use super::state::{EpochSums, ReplicaState, Reported, State, Weights};
#[cfg(feature = "processor")]
use super::team::Team;
use super::transfer;
use crate::data::{Dataset, Outline};
use crate::device::{Buffers, Context, DeviceError, Program, Readback, Submitter};
use crate::nets::Network;
use crate::ops::sgd::Perturbation;
use crate::record::Recording;

/// What a run starts from.
#[derive(Clone, Debug, Default)]
pub enum Start {
    /// Weights drawn from the seed.
    #[default]
    Fresh,
    /// Given weights.
    Weights(Weights),
    /// The state in which another run stopped.
    State(State),
}

/// The fault injector: flips the last bit of one element of one tensor of one replica after one step's update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlipBit {
    /// Name of the parameter.
    pub tensor: String,
    /// Index of the element, row-major.
    pub index: u32,
    /// Step after whose update the bit flips, from 1.
    pub step: u64,
    /// Position of the replica in the list of divisors.
    pub replica: usize,
}

impl FlipBit {
    /// Index of the element in a replica's parameter arena. `replicas` is the number of replicas.
    ///
    /// # Errors
    /// [`ConfigError`] if the tensor, the element or the replica does not exist.
    pub fn offset(&self, network: &Network, replicas: usize) -> Result<u32, ConfigError> {
        let Self { tensor, index, replica, .. } = self;
        let refuse = |problem: String| Err(ConfigError::new("flip-bit", problem));
        let Some(parameter) = network.parameters.iter().find(|p| p.name == *tensor) else {
            return refuse(format!("{} has no tensor '{tensor}'", network.name));
        };
        if *index >= parameter.elements() {
            return refuse(format!("{tensor} has {} elements: element {index} does not exist", parameter.elements()));
        }
        if *replica >= replicas {
            return refuse(format!("replica {replica} does not exist: there are {replicas} replicas, numbered from 0"));
        }
        Ok(parameter.offset + index)
    }
}

/// A run in progress.
pub struct Trainer {
    pub(super) context: Rc<Context>,
    pub(super) config: TrainConfig,
    pub(super) network: Network,
    pub(super) plan: Plan,
    pub(super) buffers: Buffers,
    pub(super) programs: HashMap<RecordingKind, Program>,
    pub(super) dispatch_flops: u64,
    /// Most steps that may be in flight while the host prepares the next.
    pub(super) ahead: usize,
    pub(super) readback: Readback,
    pub(super) batches: Batches,
    pub(super) flip: Option<(FlipBit, Program)>,
    /// Number of submitted steps.
    pub(super) submitted: u64,
    /// Number of steps whose results are reported.
    pub(super) done: u64,
    pub(super) evaluated: bool,
    pub(super) sums: EpochSums,
    pub(super) in_flight: VecDeque<InFlight>,
    pub(super) evaluation: Option<Evaluation>,
    /// Evaluates gradients at other weights, for the curvature and for perturbations along a gradient.
    pub(super) probe: Option<Probe>,
    pub(super) measurement: Option<Measurement>,
    /// The step after which everything that is due has been measured.
    pub(super) measured: Option<u64>,
    pub(super) events: Vec<Event>,
    /// Those who train a part of the replicas.
    #[cfg(feature = "processor")]
    pub(super) team: Option<Team>,
}

/// The plan of `config` on `dataset`: what [`Trainer::new`] would allocate and record.
///
/// # Errors
/// [`TrainError::Config`] for an invalid value, [`TrainError::Net`] if the network cannot take the images,
/// [`TrainError::Gpu`] if not even one replica at a time fits into `limits`.
pub fn plan(
    config: &TrainConfig,
    dataset: &Dataset,
    tuning: &Tuning,
    limits: MemoryLimits,
) -> Result<Plan, TrainError> {
    plan_for(config, &dataset.outline(), tuning, limits)
}

/// Same as [`plan`], for a data set of which only the outline is here.
pub(super) fn plan_for(
    config: &TrainConfig,
    outline: &Outline,
    tuning: &Tuning,
    limits: MemoryLimits,
) -> Result<Plan, TrainError> {
    let network = network_of(config, outline)?;
    plan_of(&network, config, outline, tuning, limits)
}

/// The network of a valid config whose batches `outline` has images for.
pub(super) fn network_of(config: &TrainConfig, outline: &Outline) -> Result<Network, TrainError> {
    config.validate()?;
    config.check_batch(SetSizes::limited(config, [outline.train, outline.test]).train)?;
    Ok(config.network(outline.shape, outline.classes)?)
}

/// The plan of `network`, which may differ from the network in `config`.
pub(super) fn plan_of(
    network: &Network,
    config: &TrainConfig,
    outline: &Outline,
    tuning: &Tuning,
    limits: MemoryLimits,
) -> Result<Plan, TrainError> {
    let sizes = SetSizes::limited(config, [outline.train, outline.test]).batches(config.batch_size);
    let normalization: Vec<_> = outline.normalization.iter().map(|bits| bits.map(f32::from_bits)).collect();
    let images = (normalization.as_slice(), outline.pad_byte);
    Ok(Plan::new(network, config.ks.len(), config.update_rule(), &sizes, images, tuning, limits)?)
}

/// `tuning` with the tiles that [`Trainer::new`] chooses on the device of `context`, and that device's limits.
pub(super) fn tuned(context: &Context, tuning: Tuning) -> (Tuning, MemoryLimits) {
    let limits = MemoryLimits { binding: context.adapter().binding_bytes(), total: context.memory_budget() };
    let tiles = tuning.tiles.or_else(|| Some(default_tiles(context.adapter())));
    (Tuning { tiles, ..tuning }, limits)
}

/// Allocates the buffers of `plan` and writes what they have before the first step, but for the state.
pub(super) async fn allocated(context: &Context, plan: &Plan, tuning: &Tuning) -> Result<Buffers, DeviceError> {
    let buffers = Buffers::allocate(context, plan.table(), tuning.fill).await?;
    let clear = Program::build(context, &buffers, &plan.clear(), dispatch_flops(context, tuning)).await?;
    let mut submitter = Submitter::new(context);
    submitter.run(&clear, &buffers);
    submitter.submit();
    for (buffer, bytes) in &plan.contents {
        buffers.write(context, *buffer, 0, bytes);
    }
    Ok(buffers)
}

/// Most floating-point operations in one dispatch.
pub(super) fn dispatch_flops(context: &Context, tuning: &Tuning) -> u64 {
    tuning.dispatch_flops.unwrap_or_else(|| context.adapter().submit_flops())
}

impl Trainer {
    /// Allocates and compiles everything for a run.
    ///
    /// # Errors
    /// Those of [`plan`]. [`TrainError::Start`] if `start` does not fit the network and the divisors. [`TrainError::Gpu`] if the buffers
    /// do not fit in memory, the driver refuses a kernel, or the device is lost.
    pub async fn new(
        context: Rc<Context>,
        config: TrainConfig,
        dataset: Arc<Dataset>,
        tuning: Tuning,
        start: Start,
    ) -> Result<Self, TrainError> {
        let (tuning, limits) = tuned(&context, tuning);
        let plan = plan(&config, &dataset, &tuning, limits)?;
        for replica in 0..config.ks.len() {
            config.perturb(replica).map_or(Ok(()), |poke| poke.parameters(&plan.network).map(|_| ()))?;
        }
        let state = Self::start_state(&config, &plan.network, start)?;
        let probe = if config.needs_probe() {
            let (context, dataset, reserved) = (Rc::clone(&context), Arc::clone(&dataset), plan.table().total_bytes());
            Some(Probe::new(context, &config, dataset, tuning.clone(), Measurement::PROBE, reserved).await?)
        } else {
            None
        };
        let mut trainer = Self::allocate(context, config, dataset, tuning, plan, state).await?;
        trainer.probe = probe;
        let kinds = trainer.plan.kinds().collect();
        trainer.build_programs(kinds).await?;
        Ok(trainer)
    }

    /// A trainer with `state` in its buffers and without programs.
    pub(super) async fn allocate(
        context: Rc<Context>,
        config: TrainConfig,
        dataset: Arc<Dataset>,
        tuning: Tuning,
        plan: Plan,
        state: State,
    ) -> Result<Self, TrainError> {
        let network = plan.network.clone();
        let dispatch_flops = dispatch_flops(&context, &tuning);
        let ahead = tuning.in_flight.unwrap_or_else(|| context.adapter().steps_ahead());
        let buffers = allocated(&context, &plan, &tuning).await?;
        transfer::write_state(&context, &buffers, &plan, &state);
        let batches = Batches::new(&config, dataset);
        let mut trainer = Self {
            context,
            network,
            plan,
            buffers,
            programs: HashMap::new(),
            dispatch_flops,
            ahead,
            readback: Readback::default(),
            batches,
            flip: None,
            submitted: state.step,
            done: state.step,
            evaluated: false,
            sums: state.sums,
            in_flight: VecDeque::new(),
            evaluation: None,
            probe: None,
            measurement: None,
            measured: Some(state.step).filter(|_| state.reported.measurements),
            events: Vec::new(),
            #[cfg(feature = "processor")]
            team: None,
            config,
        };
        // A run that became longer has no evaluation at its former end. The measurements, which were reported after it, go with it.
        trainer.evaluated = state.reported.evaluation && trainer.is_evaluated_after(state.step);
        if state.reported.evaluation && !trainer.evaluated {
            trainer.measured = None;
        }
        Ok(trainer)
    }

    /// The state that a run of `config` starts from.
    pub(super) fn start_state(config: &TrainConfig, network: &Network, start: Start) -> Result<State, TrainError> {
        let seed = config.seed_init.unwrap_or(config.seed);
        let state = match start {
            Start::Fresh => Self::perturbed(config, network, seed, &Weights::initial(network, seed)),
            Start::Weights(weights) => Self::perturbed(config, network, seed, &weights),
            Start::State(state) => state,
        };
        let fits = |weights: &Weights| {
            weights.parameters.len() == network.parameters.len()
                && weights.running.len() == network.running.len()
                && network.parameters.iter().zip(&weights.parameters).all(|(p, v)| p.elements() as usize == v.len())
        };
        let has_arenas = |replica: &ReplicaState| {
            let names = replica.optimizer.iter().map(|arena| arena.name);
            let shapes =
                |values: &[Vec<f32>]| values.iter().map(Vec::len).eq(replica.weights.parameters.iter().map(Vec::len));
            names.eq(config.optimizer.arenas().iter().copied())
                && replica.optimizer.iter().all(|arena| shapes(&arena.values))
        };
        let replicas = &state.replicas;
        let fits = |replica: &ReplicaState| fits(&replica.weights) && has_arenas(replica);
        if replicas.len() != config.ks.len() || !replicas.iter().all(fits) {
            let (found, wanted) = (replicas.len(), config.ks.len());
            let message = format!(
                "the start state does not fit: it has {found} replicas for {wanted} divisors, or its tensors are not \
                 those of {}; use the flags with which it was saved",
                network.name
            );
            return Err(TrainError::Start(message));
        }
        Ok(state)
    }

    fn perturbed(config: &TrainConfig, network: &Network, seed: u64, weights: &Weights) -> State {
        let mut state = State::initial(weights, config.ks.len(), config.optimizer);
        if config.perturbation == Perturbation::Nextafter {
            for (replica, k) in state.replicas.iter_mut().zip(&config.ks) {
                replica.weights.move_one_ulp(network, seed, *k);
            }
        }
        state
    }

    /// Builds programs. Pipelines are compiled here and never inside the step loop.
    pub(super) async fn build_programs(&mut self, kinds: Vec<RecordingKind>) -> Result<(), TrainError> {
        for kind in kinds {
            let program = self.program(self.plan.recording(kind)).await?;
            self.programs.insert(kind, program);
        }
        Ok(())
    }

    async fn program(&self, recording: &Recording) -> Result<Program, DeviceError> {
        Program::build(&self.context, &self.buffers, recording, self.dispatch_flops).await
    }

    /// Installs the fault injector.
    ///
    /// # Errors
    /// [`TrainError::Config`] if the tensor, the element or the replica does not exist, [`TrainError::Gpu`] if the driver refuses
    /// the kernel.
    pub async fn flip_bit(&mut self, flip: FlipBit) -> Result<(), TrainError> {
        let at = flip.offset(&self.network, self.config.ks.len())?;
        let recording = self.plan.flip(at, flip.replica);
        let program = self.program(&recording).await?;
        self.flip = Some((flip, program));
        Ok(())
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The plan: buffers and recordings.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The config.
    #[must_use]
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// The adapter and its device.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Number of steps whose results have been reported.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.done
    }

    /// Number of launches that reach the driver in a step with a full batch, after long dispatches are split.
    #[must_use]
    pub fn launches_per_step(&self) -> usize {
        let samples = self.config.batch_size;
        (0..self.plan.chunks.len()).map(|chunk| self.programs[&RecordingKind::Train(chunk, samples)].launches()).sum()
    }

    /// Number of steps in the whole run.
    #[must_use]
    pub fn total_steps(&self) -> u64 {
        self.config.length(self.batches.train_images()).steps
    }

    /// Number of steps in an epoch.
    #[must_use]
    pub fn steps_per_epoch(&self) -> u64 {
        self.batches.per_epoch()
    }

    /// Number of submitted steps. The results of the last ones may be pending.
    #[must_use]
    pub fn submitted(&self) -> u64 {
        self.submitted
    }

    /// What follows the last submitted step and is already reported.
    #[must_use]
    pub fn reported(&self) -> Reported {
        Reported { evaluation: self.evaluated, measurements: !self.is_measurement_due() }
    }

    /// True if no evaluation and no measurement is due or in progress, so that the next call of [`Trainer::advance`] submits a step or finds
    /// the run finished. This is the place for a checkpoint, though a run may stop anywhere.
    #[must_use]
    pub fn is_between_steps(&self) -> bool {
        let reported = self.reported();
        (reported.evaluation || !self.is_evaluated_after(self.submitted)) && reported.measurements
    }
}
