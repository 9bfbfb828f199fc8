//! The start-up self-test: checks that the adapter keeps the promises on which a run's bits depend. It takes about a second
//! on a software GPU. The tests of the repository do not replace it: software GPUs do not show everything that a driver's
//! compiler may do to a kernel.

use std::rc::Rc;
use std::sync::Arc;

use bytemuck::bytes_of;

use super::plan::{RecordingKind, default_tiles};
use super::trainer::plan_of;
use super::{
    Difference, Event, FlipBit, MemoryLimits, State, StepEvent, TrainConfig, TrainError, Trainer, Tuning, Weights,
    difference,
};
use crate::data::{Dataset, ImageSet, Normalization};
use crate::device::{Buffers, Context, Fill, Program, Readback, Submitter};
use crate::nets::{GraphBuilder, Network};
use crate::ops::cross_entropy::Loss;
use crate::ops::sgd::{self, Perturbation, ReplicaValues, StepValues};
use crate::ops::{Activation, Shape, Tile, Tiles};
use crate::record::{BufferTable, Job, Recording};
use crate::rng::{Purpose, Stream};

/// A promise that the self-test checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The update divides as IEEE-754 requires (rule 5 of docs/RULES.md).
    Division,
    /// k = 2 gives the same bits as k = 1 (rule 4 of docs/RULES.md).
    Control,
    /// Tiles of other heights give the same bits (*tile-independent*).
    Tiles,
    /// A known network has the known loss on known images.
    Loss,
}

impl Check {
    /// All checks.
    pub const ALL: [Self; 4] = [Self::Division, Self::Control, Self::Tiles, Self::Loss];

    /// Name of the check in messages and flags.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Division => "division",
            Self::Control => "control",
            Self::Tiles => "tiles",
            Self::Loss => "loss",
        }
    }
}

/// A failed check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedCheck {
    /// The check.
    pub check: Check,
    /// What was observed.
    pub seen: String,
}

/// Steps of each small run.
const STEPS: u64 = 2;
/// Samples in a step.
const BATCH: u32 = 2;
const CLASSES: u32 = 4;
const SHAPE: Shape = Shape { channels: 3, height: 8, width: 8 };
/// Rows of the tiles in each run; `None` stands for the adapter's default tiles. `lastbit tune` compares the tiles that it chooses
/// itself.
const TILES: [Option<u32>; 3] = [None, Some(2), Some(1)];
/// Loss of the first batch, as a software adapter computed it; every sound adapter is within [`LOSS_TOLERANCE`] of it.
const KNOWN_LOSS: f32 = 1.368_974_9;
/// Relative tolerance. Adapters round each of a few hundred float32 sums slightly differently; a wrong kernel is far off.
const LOSS_TOLERANCE: f32 = 1e-4;

/// Tests the adapter and returns the failed checks: none if it keeps every promise. `fault` injects a fault for one check, to
/// show that the check can fail.
///
/// # Errors
/// [`TrainError::Gpu`] if the device is lost, runs out of memory or refuses a call.
pub async fn run(context: &Rc<Context>, fault: Option<Check>) -> Result<Vec<FailedCheck>, TrainError> {
    let mut broken = Vec::new();
    let mut add = |check: Check, seen: Option<String>| broken.extend(seen.map(|seen| FailedCheck { check, seen }));
    add(Check::Division, division(context, fault == Some(Check::Division)).await?);
    let mut reference: Option<SmallRun> = None;
    for (index, rows) in TILES.into_iter().enumerate() {
        let is_first = index == 0;
        let flip = match fault {
            Some(Check::Control) if is_first => Some(1),
            Some(Check::Tiles) if index == 1 => Some(0),
            _ => None,
        };
        let seed = if is_first && fault == Some(Check::Loss) { 2 } else { 1 };
        let run = SmallRun::new(context, rows, seed, flip).await?;
        match &reference {
            None => {
                add(Check::Control, run.control());
                add(Check::Loss, run.loss());
                reference = Some(run);
            }
            // A first run with an injected fault is not a reference.
            Some(_) if matches!(fault, Some(Check::Loss | Check::Control)) => {}
            Some(first) => add(Check::Tiles, first.difference(&run)),
        }
    }
    Ok(broken)
}

/// Reports quotients that the update kernel gets wrong. With p = 0, no momentum and a rate of -1, p becomes d / k.
async fn division(context: &Context, has_fault: bool) -> Result<Option<String>, TrainError> {
    const KS: [u32; 8] = [1, 3, 5, 7, 9, 11, 33, 63];
    const VALUES: usize = 1024;
    let mut stream = Stream::new(1, Purpose::Synthetic, 0);
    // Any sign and significand, exponents whose quotients are normal numbers.
    let value = |stream: &mut Stream| {
        let significand = stream.below(1 << 24);
        let exponent = 16 + stream.below(220);
        f32::from_bits((significand & 0x80_0000) << 8 | exponent << 23 | significand & 0x7f_ffff)
    };
    let values: Vec<f32> = (0..VALUES).map(|_| value(&mut stream)).collect();
    let job = Job { parameter_stride: VALUES as u32, ..Job::default() };
    let mut table = BufferTable::default();
    let arena = (KS.len() * VALUES * 4) as u64;
    let [gradients, parameters, momenta] = ["gradients", "parameters", "momenta"].map(|name| table.add(name, arena));
    let (step, replicas) = (table.add("step", 16), table.add("replicas", 16 * KS.len() as u64));
    let mut recording = Recording::new(KS.len() as u32, job);
    let whole = |id| table.whole(id);
    let bindings = sgd::Bindings {
        gradients: whole(gradients),
        step: whole(step),
        replicas: whole(replicas),
        parameters: whole(parameters),
        momenta: whole(momenta),
    };
    sgd::update(&mut recording, Perturbation::Divide, bindings);
    let buffers = Buffers::allocate(context, &table, Fill::Zero).await?;
    let all: Vec<f32> = KS.iter().flat_map(|_| values.iter().copied()).collect();
    buffers.write(context, gradients, 0, bytemuck::cast_slice(&all));
    let shared = StepValues { weight_decay: 0.0, momentum: 0.0, keep: 0.0, nesterov: 0.0 };
    buffers.write(context, step, 0, bytes_of(&shared));
    let of_replicas = KS.map(|k| {
        let k = if has_fault { 13 } else { k };
        ReplicaValues { rate: -1.0, ..ReplicaValues::new(k, 0.0, Perturbation::Divide) }
    });
    buffers.write(context, replicas, 0, bytemuck::cast_slice(&of_replicas));
    let program = Program::build(context, &buffers, &recording, u64::MAX).await?;
    let mut submitter = Submitter::new(context);
    submitter.run(&program, &buffers);
    let readback = Readback::default();
    let pending = readback.capture(context, submitter, &buffers, (parameters, 0, arena));
    let quotients: Vec<u32> = bytemuck::pod_collect_to_vec(&readback.take(context, pending).await?);
    let cases = KS.iter().flat_map(|k| values.iter().map(move |value| (*value, *k)));
    let wrong: Vec<_> =
        cases.zip(quotients).filter(|((value, k), quotient)| (value / *k as f32).to_bits() != *quotient).collect();
    Ok(wrong.first().map(|((value, k), quotient)| {
        let (n, value, expected) = (wrong.len(), value.to_bits(), (value / *k as f32).to_bits());
        format!("{n} quotients are wrong; the first is {value:#010x} / {k} = {quotient:#010x}, not {expected:#010x}")
    }))
}

/// Results of two steps of the small network with k = 1, 2 and 3.
struct SmallRun {
    first: StepEvent,
    last: StepEvent,
    state: State,
    network: Network,
    rows: Option<u32>,
}

impl SmallRun {
    async fn new(context: &Rc<Context>, rows: Option<u32>, seed: u64, flip: Option<usize>) -> Result<Self, TrainError> {
        let config = TrainConfig {
            ks: vec![1, 2, 3],
            batch_size: BATCH,
            log_every: Some(STEPS),
            augment: false,
            ..TrainConfig::default()
        };
        let tiles = rows.map_or_else(|| default_tiles(context.adapter()), |rows| Tiles::all(Tile::with_rows(rows)));
        let tuning = Tuning { tiles: Some(tiles), ..Tuning::default() };
        let (dataset, network) = (images(), network());
        let limits = MemoryLimits { binding: context.adapter().binding_bytes(), total: context.memory_budget() };
        let plan = plan_of(&network, &config, &dataset.outline(), &tuning, limits)?;
        let state = State::initial(&Weights::initial(&network, seed), config.ks.len(), config.optimizer);
        let mut trainer = Trainer::allocate(Rc::clone(context), config, Arc::new(dataset), tuning, plan, state).await?;
        let kinds = vec![
            RecordingKind::Input(BATCH),
            RecordingKind::Train(0, BATCH),
            RecordingKind::Measure(0),
            RecordingKind::Fingerprint(0),
        ];
        trainer.build_programs(kinds).await?;
        if let Some(replica) = flip {
            trainer.flip_bit(FlipBit { tensor: "conv1.weight".to_owned(), index: 0, step: 1, replica }).await?;
        }
        let mut events = Vec::new();
        while trainer.submitted() < STEPS {
            events.extend(trainer.advance().await?.events);
        }
        events.extend(trainer.flush().await?);
        let state = trainer.state().await?;
        let mut steps = events.into_iter().filter_map(|event| match event {
            Event::Step(step) => Some(step),
            _ => None,
        });
        let (Some(first), Some(last)) = (steps.next(), steps.next()) else {
            unreachable!("every step has its event");
        };
        Ok(Self { first, last, state, network, rows })
    }

    fn control(&self) -> Option<String> {
        let [_, of_2, of_3] = self.last.differing_anywhere[..] else { unreachable!("three replicas") };
        match (of_2, of_3) {
            (0, 1..) => None,
            (0, 0) => Some("k = 3 gives the same bits as k = 1: the division has no effect".to_owned()),
            (n, _) => Some(format!("{n} weights of k = 2 differ from those of k = 1")),
        }
    }

    fn loss(&self) -> Option<String> {
        let loss = self.first.loss[0];
        let is_known = (loss - KNOWN_LOSS).abs() <= LOSS_TOLERANCE * KNOWN_LOSS;
        (!is_known).then(|| format!("the loss of a known network is {loss}, not {KNOWN_LOSS}"))
    }

    /// The first difference from `other`, a run with other tiles.
    fn difference(&self, other: &Self) -> Option<String> {
        let mut pairs = self.state.replicas.iter().zip(&other.state.replicas);
        let Difference { tensor, index, .. } = pairs.find_map(|(a, b)| difference(&self.network, a, b))?;
        let rows = other.rows.map_or_else(String::new, |rows| format!(" of {rows} rows"));
        Some(format!("tiles{rows} give other bits than the default tiles: {tensor}[{index}]"))
    }
}

/// One block of a ResNet, with every kind of convolution, and batch norm with and without a shortcut.
fn network() -> Network {
    let mut g = GraphBuilder::new("self-test", SHAPE, Loss::SoftmaxCrossEntropy);
    let x = g.conv3x3("conv1", g.input(), 4);
    let x = g.norm_act("bn1", x, Activation::Relu);
    let [y, s] = g.conv_down(["conv2", "downsample"], x, 8);
    let y = g.norm_act("bn2", y, Activation::Relu);
    let y = g.conv3x3("conv3", y, 8);
    // `KNOWN_LOSS` depends on the order of the parameters.
    g.move_after("downsample.weight", "conv3.weight");
    let x = g.norm_add_act("bn3", y, s, Activation::Relu);
    let x = g.global_average_pool(x);
    g.dense("fc", x, CLASSES);
    g.finish()
}

/// Four training images and one test image of 3 x 8 x 8 random bytes.
fn images() -> Dataset {
    let set = |index: u64, n: usize| {
        let mut stream = Stream::new(1, Purpose::Synthetic, index);
        let pixels = (0..n * SHAPE.elements() as usize).map(|_| stream.below(256) as u8).collect();
        ImageSet { shape: SHAPE, pixels, labels: (0..n as u8).collect() }
    };
    Dataset {
        name: "self-test".into(),
        classes: CLASSES,
        class_names: (0..CLASSES).map(|class| class.to_string()).collect(),
        train: set(1, 4),
        test: set(2, 1),
        normalization: Normalization { mean: vec![0.5; 3], std: vec![0.25; 3] },
        pad_byte: 0,
        crop_and_flip: false,
    }
}
