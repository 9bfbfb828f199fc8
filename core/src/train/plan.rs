//! The plan of a run: its buffers and recordings. Plain data; nothing here touches a device.

use std::collections::HashSet;
use std::ops::Range;

use super::optimizer::Optimizer;
use crate::device::{AdapterSummary, Family, Fill};
use crate::nets::Network;
use crate::ops::{TileTarget, Tiles, flip_bit};
use crate::record::{BufferId, BufferTable, Command, Job, Kernel, Recording};

/// Choices that change speed and memory but no bit of the result. Tests force each of them.
#[derive(Clone, Debug, Default)]
pub struct Tuning {
    /// Tiles of the convolutions; by default the adapter's default tiles.
    pub tiles: Option<Tiles>,
    /// Most floating-point operations in one dispatch; by default the adapter's work of about 100 ms.
    pub dispatch_flops: Option<u64>,
    /// Most replicas that go through the network together; by default as many as memory and bindings allow.
    pub chunk_replicas: Option<usize>,
    /// Most steps that may be in flight while the host prepares the next; by default 2, and 0 on the processor and on software
    /// GPUs.
    pub in_flight: Option<usize>,
    /// Initial contents of buffers.
    pub fill: Fill,
}

/// NVIDIA's PCI vendor number.
const NVIDIA: u32 = 0x10de;

/// Default tiles of the convolutions on this adapter, chosen without measurement.
pub(crate) fn default_tiles(adapter: &AdapterSummary) -> Tiles {
    Tiles::default_for(match (adapter.family, adapter.vendor) {
        (Family::SoftwareGpu, _) => TileTarget::Software,
        (_, NVIDIA) => TileTarget::NvidiaGpu,
        _ => TileTarget::OtherGpu,
    })
}

/// Memory limits of an adapter.
#[derive(Clone, Copy, Debug)]
pub struct MemoryLimits {
    /// Most bytes in one storage binding.
    pub binding: u64,
    /// Most bytes in all buffers together, where known.
    pub total: Option<u64>,
}

/// Sizes of batches. The last batch of an epoch or an evaluation may be smaller than the others.
#[derive(Clone, Debug)]
pub struct BatchSizes {
    /// Numbers of samples in training batches, the full size first.
    pub train: Vec<u32>,
    /// Numbers of samples in evaluation batches, the full size first.
    pub evaluate: Vec<u32>,
}

impl BatchSizes {
    /// Number of samples in the largest batch.
    pub(super) fn largest(&self) -> u32 {
        self.train.iter().chain(&self.evaluate).copied().max().unwrap_or(0)
    }
}

/// Byte offsets in the upload buffer, which the host rewrites for every batch.
#[derive(Clone, Debug, Default)]
pub struct UploadLayout {
    /// The step's values, those of [`crate::ops::sgd`] or [`crate::ops::adamw`].
    pub step: u64,
    /// For each chunk, the `ReplicaValues` of its replicas.
    pub replicas: Vec<u64>,
    /// Labels, `[N]` u32.
    pub labels: u64,
    /// Crop and flip choices, `[N]` u32.
    pub choices: u64,
    /// Images, `[N][C][H][W]` bytes.
    pub images: u64,
    /// Length of the buffer in bytes.
    pub bytes: u64,
}

/// Byte offsets of a chunk's results in the metrics buffer, which the host reads back after every step.
#[derive(Clone, Copy, Debug, Default)]
pub struct MetricsLayout {
    /// Sum of losses and number of correct answers, `[R][2]` f32.
    pub totals: u64,
    /// Distances from the first replica, `[R][tensor]` of [`crate::ops::divergence::Distance`].
    pub divergence: u64,
    /// Fingerprints, `[R][2]` u32.
    pub fingerprints: u64,
    /// Bits of the traced weight, `[R]` u32.
    pub weights: u64,
    /// Index of the first running statistic that is not finite, or the arena's length, `[R]` u32.
    pub not_finite: u64,
}

/// Replicas that go through the network together. Chunks take turns and share all buffers except these arenas.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Positions of the replicas in the list of divisors.
    pub replicas: Range<usize>,
    /// Parameters of each replica, `[replica][parameter]`, tensors padded to 64 floats.
    pub parameters: BufferId,
    /// The optimiser's state: its arenas in order, each laid out as the parameters.
    pub optimizer: Vec<BufferId>,
    /// Running means and variances of each replica, tensors padded to 64 floats.
    pub running: BufferId,
    /// Where the chunk's results are in the metrics buffer.
    pub metrics: MetricsLayout,
}

impl Chunk {
    /// The buffers of the state of its replicas.
    pub fn state(&self) -> impl Iterator<Item = BufferId> {
        std::iter::once(self.parameters).chain(self.optimizer.iter().copied()).chain([self.running])
    }
}

/// What a recording computes, with its chunk and number of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordingKind {
    /// Converts the uploaded bytes to the batch's planes, which all chunks share.
    Input(u32),
    /// One training step: forward pass, backward pass, perturbed update.
    Train(usize, u32),
    /// Loss and correct answers on a batch, with running statistics.
    Evaluate(usize, u32),
    /// Divergence of every tensor from the run's first replica, and the first running statistic that is not finite.
    Measure(usize),
    /// Fingerprints of the replicas.
    Fingerprint(usize),
    /// Loss and gradient of a training batch, without an update. Only a [`Probe`](super::Probe) has it.
    Gradient(usize, u32),
    /// A forward pass with the batch's own statistics, which updates the running ones. Only a [`Probe`](super::Probe) has it.
    Statistics(usize, u32),
}

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlanUse {
    /// Training.
    Training,
    /// Computing gradients at given weights.
    Gradients,
    /// Computing statistics of batch norms and logits at given weights.
    Evaluating,
}

/// What is done with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A training step.
    Train,
    /// A part of an evaluation.
    Evaluate,
}

impl Phase {
    /// The recording of a chunk on `samples` samples.
    #[must_use]
    pub fn recording(self, chunk: usize, samples: u32) -> RecordingKind {
        match self {
            Self::Train => RecordingKind::Train(chunk, samples),
            Self::Evaluate => RecordingKind::Evaluate(chunk, samples),
        }
    }
}

/// Buffers and recordings of a run.
pub struct Plan {
    /// The network.
    pub network: Network,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// Replicas by chunk.
    pub chunks: Vec<Chunk>,
    /// Layout of `upload`.
    pub upload_layout: UploadLayout,
    /// The buffer that the host writes for every batch.
    pub upload: BufferId,
    /// The buffer that the host reads back after every step.
    pub metrics: BufferId,
    /// The buffer with the logits of the last forward pass, `[R][N][K]` of its chunk.
    pub logits: BufferId,
    /// The buffer with the gradients of the last backward pass, laid out as the parameters of its chunk.
    pub gradients: BufferId,
    /// Constant buffers and their contents, written once.
    pub contents: Vec<(BufferId, Vec<u8>)>,
    pub(super) table: BufferTable,
    /// Buffers that rely on zeros where kernels do not write.
    pub(super) cleared: Vec<BufferId>,
    /// The recordings that a run repeats.
    pub(super) recordings: Vec<(RecordingKind, Recording)>,
    /// Template of every job.
    pub(super) job: Job,
}

impl Plan {
    /// All buffers.
    #[must_use]
    pub fn table(&self) -> &BufferTable {
        &self.table
    }

    /// The kinds of all recordings.
    pub fn kinds(&self) -> impl Iterator<Item = RecordingKind> {
        self.recordings.iter().map(|(kind, _)| *kind)
    }

    /// The recording of `kind`.
    ///
    /// # Panics
    /// If no batch of the run has the size in `kind`, or the chunk does not exist.
    #[must_use]
    pub fn recording(&self, kind: RecordingKind) -> &Recording {
        let found = self.recordings.iter().find(|(known, _)| *known == kind);
        &found.unwrap_or_else(|| panic!("the run has no recording {kind:?}")).1
    }

    /// The recordings of a training step on `samples` samples, in order, whose upload is already written.
    pub fn training(&self, samples: u32) -> impl Iterator<Item = RecordingKind> {
        let chunks = (0..self.chunks.len()).map(move |chunk| RecordingKind::Train(chunk, samples));
        std::iter::once(RecordingKind::Input(samples)).chain(chunks)
    }

    /// The recordings that measure the replicas after a step, in order; fingerprints only if `layers`.
    pub fn measuring(&self, layers: bool) -> impl Iterator<Item = RecordingKind> {
        let chunks = 0..self.chunks.len();
        let fingerprints = chunks.clone().filter(move |_| layers).map(RecordingKind::Fingerprint);
        chunks.map(RecordingKind::Measure).chain(fingerprints)
    }

    /// Floating-point operations of the recordings `kind(chunk)` of all chunks.
    #[must_use]
    pub fn flops(&self, kind: impl Fn(usize) -> RecordingKind) -> u64 {
        (0..self.chunks.len()).map(|chunk| self.recording(kind(chunk)).flops()).sum()
    }

    /// The distinct kernels of a run, in the order of their first use.
    #[must_use]
    pub fn kernels(&self) -> Vec<&Kernel> {
        let mut seen = HashSet::new();
        let dispatches = self.recordings.iter().flat_map(|(_, recording)| recording.dispatches());
        dispatches.map(|dispatch| &dispatch.kernel).filter(|kernel| seen.insert(*kernel)).collect()
    }

    /// Clears the buffers that rely on zeros. Runs once, before the first weights are written.
    #[must_use]
    pub fn clear(&self) -> Recording {
        let mut rec = Recording::new(1, self.job);
        rec.commands = self.cleared.iter().map(|id| Command::Clear(*id)).collect();
        rec
    }

    /// The fault injector: flips the last bit of one element of a replica's parameter arena.
    #[must_use]
    pub fn flip(&self, element: u32, replica: usize) -> Recording {
        let chunk = &self.chunks[self.chunk_of(replica)];
        let mut rec = Recording::new(chunk.replicas.len() as u32, self.job);
        let parameters = self.table.whole(chunk.parameters);
        flip_bit::flip(&mut rec, parameters, element, (replica - chunk.replicas.start) as u32);
        rec
    }

    /// Index of the chunk that a replica belongs to.
    #[must_use]
    pub fn chunk_of(&self, replica: usize) -> usize {
        self.chunks.iter().position(|c| c.replicas.contains(&replica)).unwrap_or(0)
    }
}
