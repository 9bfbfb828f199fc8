//! The plan of a run: which buffers there are and what is recorded into them. Plain data; nothing here touches a GPU.

use std::collections::HashSet;
use std::ops::Range;

use super::recorder::Recorder;
use crate::device::{AdapterSummary, DeviceError, Family, Fill};
use crate::nets::Network;
use crate::ops::sgd::Perturbation;
use crate::ops::{TileTarget, Tiles, flip_bit};
use crate::record::{BufferId, BufferTable, Command, Job, Kernel, Recording};

/// Choices that change speed and memory but no bit of the result. Tests force each of them.
#[derive(Clone, Debug, Default)]
pub struct Tuning {
    /// Tiles of the convolutions; by default the usual ones of the adapter.
    pub tiles: Option<Tiles>,
    /// Most operations in one dispatch; by default what the adapter does in about 100 ms.
    pub dispatch_flops: Option<u64>,
    /// Most replicas that go through the network at once; by default as many as memory and bindings allow.
    pub chunk_replicas: Option<usize>,
    /// Steps that may be on the GPU while the host goes on; by default two, none on the processor and software GPUs.
    pub in_flight: Option<usize>,
    /// What fresh buffers hold.
    pub fill: Fill,
}

/// NVIDIA's PCI vendor number.
const NVIDIA: u32 = 0x10de;

/// Tiles of the convolutions on this adapter before anything is measured.
pub(crate) fn usual_tiles(adapter: &AdapterSummary) -> Tiles {
    Tiles::usual(match (adapter.family, adapter.vendor) {
        (Family::SoftwareGpu, _) => TileTarget::Software,
        (_, NVIDIA) => TileTarget::NvidiaGpu,
        _ => TileTarget::OtherGpu,
    })
}

/// What the adapter allows.
#[derive(Clone, Copy, Debug)]
pub struct MemoryLimits {
    /// Bytes that one storage binding may span.
    pub binding: u64,
    /// Bytes in all, where known.
    pub total: Option<u64>,
}

/// Sizes that batches have. The last one of an epoch, or of an evaluation, may be smaller than the others.
#[derive(Clone, Debug)]
pub struct BatchSizes {
    /// Samples of training batches, whole ones first.
    pub train: Vec<u32>,
    /// Samples of evaluation batches, whole ones first.
    pub evaluate: Vec<u32>,
}

impl BatchSizes {
    /// Samples of the largest batch.
    pub(super) fn largest(&self) -> u32 {
        self.train.iter().chain(&self.evaluate).copied().max().unwrap_or(0)
    }
}

/// Byte offsets in the buffer that is written anew for every batch.
#[derive(Clone, Debug, Default)]
pub struct UploadLayout {
    /// One `StepValues`.
    pub step: u64,
    /// For each chunk, one `ReplicaValues` for each of its replicas.
    pub replicas: Vec<u64>,
    /// `[N]` words.
    pub labels: u64,
    /// `[N]` words.
    pub choices: u64,
    /// `[N][C][H][W]` bytes.
    pub images: u64,
    /// Length of the buffer.
    pub bytes: u64,
}

/// Byte offsets of a chunk in the buffer that is read back after every step.
#[derive(Clone, Copy, Debug, Default)]
pub struct MetricsLayout {
    /// `[R]` pairs of f32: sum of losses, correct answers.
    pub totals: u64,
    /// `[R][tensors]` of [`divergence::Distance`].
    pub divergence: u64,
    /// `[R]` pairs of words.
    pub fingerprints: u64,
    /// `[R]` words: the first running statistic that is not finite.
    pub not_finite: u64,
}

/// Replicas that go through the network at once. Chunks take turns and share everything but these arenas.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Positions in the list of divisors.
    pub replicas: Range<usize>,
    /// `[R]` arenas.
    pub parameters: BufferId,
    /// `[R]` arenas.
    pub momenta: BufferId,
    /// `[R]` arenas.
    pub running: BufferId,
    /// Where its results are.
    pub metrics: MetricsLayout,
}

/// What a recording is of, by chunk and number of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Bytes of the upload to the batch's planes, shared by all chunks.
    Input(u32),
    /// One training step: forward, backward, perturbed update.
    Train(usize, u32),
    /// Loss and correct answers on a batch, with running statistics.
    Evaluate(usize, u32),
    /// Divergence of every tensor from the run's first replica, and where numbers are not finite.
    Measure(usize),
    /// Fingerprints.
    Fingerprint(usize),
}

/// Buffers and recordings of a run.
pub struct Plan {
    /// What is trained.
    pub network: Network,
    /// Groups of replicas.
    pub chunks: Vec<Chunk>,
    /// Offsets of what goes up for every batch.
    pub upload_layout: UploadLayout,
    /// What goes up for every batch.
    pub upload: BufferId,
    /// What comes back after every step.
    pub metrics: BufferId,
    /// Where a forward pass leaves the logits, `[R][N][K]`, of the chunk that it ran last.
    pub logits: BufferId,
    /// Contents of buffers that are written once.
    pub contents: Vec<(BufferId, Vec<u8>)>,
    pub(super) table: BufferTable,
    /// Buffers that rely on zeros outside of what kernels write.
    pub(super) cleared: Vec<BufferId>,
    /// Everything that a run does again and again.
    pub(super) recordings: Vec<(Kind, Recording)>,
    /// Template of every job.
    pub(super) job: Job,
}

impl Plan {
    /// The plan with the fewest chunks that `limits` and `tuning` allow. `normalization` holds mean and standard
    /// deviation of each channel, `pad_byte` what surrounds an image that is cropped.
    ///
    /// # Errors
    /// [`DeviceError::OverLimit`] or [`DeviceError::OutOfMemory`] if not even one replica at a time fits.
    pub fn new(
        network: &Network,
        replicas: usize,
        perturbation: Perturbation,
        sizes: &BatchSizes,
        (normalization, pad_byte): (&[[f32; 2]], u8),
        tuning: &Tuning,
        limits: MemoryLimits,
    ) -> Result<Self, DeviceError> {
        let most = tuning.chunk_replicas.unwrap_or(replicas).clamp(1, replicas);
        let mut n_chunks = replicas.div_ceil(most);
        // Without an adapter any will do for an estimate; the digest of a run's kernels needs the same everywhere.
        let usual = Tiles::usual(TileTarget::OtherGpu);
        let tiles = tuning.tiles.as_ref().unwrap_or(&usual);
        loop {
            let recorder = Recorder::new(network, tiles, perturbation, sizes, (normalization, pad_byte));
            let plan = recorder.plan(replicas, n_chunks);
            let table = &plan.table;
            let asked = table.total_bytes();
            let refused = match (table.first_over(limits.binding), limits.total) {
                (Some(spec), _) => {
                    DeviceError::OverLimit { label: spec.label.clone(), asked: spec.bytes, limit: limits.binding }
                }
                (None, Some(total)) if asked > total => DeviceError::OutOfMemory {
                    label: format!("{replicas} replicas, {} at a time", replicas.div_ceil(n_chunks)),
                    asked,
                    limit: Some(total),
                },
                _ => return Ok(plan),
            };
            if n_chunks == replicas {
                return Err(refused);
            }
            // The next number of chunks that makes them smaller.
            let smaller = replicas.div_ceil(n_chunks) - 1;
            n_chunks = replicas.div_ceil(smaller);
        }
    }

    /// All buffers.
    #[must_use]
    pub fn table(&self) -> &BufferTable {
        &self.table
    }

    /// What there are recordings of.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.recordings.iter().map(|(kind, _)| *kind)
    }

    /// One of the recordings.
    ///
    /// # Panics
    /// If no batch of the run has the size that `kind` names, or there is no such chunk.
    #[must_use]
    pub fn recording(&self, kind: Kind) -> &Recording {
        let found = self.recordings.iter().find(|(known, _)| *known == kind);
        &found.unwrap_or_else(|| panic!("the run has nothing like {kind:?}")).1
    }

    /// Operations of all chunks together in what `kind` makes of a chunk.
    #[must_use]
    pub fn flops(&self, kind: impl Fn(usize) -> Kind) -> u64 {
        (0..self.chunks.len()).map(|chunk| self.recording(kind(chunk)).flops()).sum()
    }

    /// The different kernels of a run, in the order of their first use.
    #[must_use]
    pub fn kernels(&self) -> Vec<&Kernel> {
        let mut seen = HashSet::new();
        let dispatches = self.recordings.iter().flat_map(|(_, recording)| recording.dispatches());
        dispatches.map(|dispatch| &dispatch.kernel).filter(|kernel| seen.insert(*kernel)).collect()
    }

    /// Zeros where zeros are relied upon. Runs once, before the first weights are written.
    #[must_use]
    pub fn clear(&self) -> Recording {
        let mut rec = Recording::new(1, self.job);
        rec.commands = self.cleared.iter().map(|id| Command::Clear(*id)).collect();
        rec
    }

    /// Flips the last bit of one parameter of one replica: the fault injector.
    #[must_use]
    pub fn flip(&self, element: u32, replica: usize) -> Recording {
        let chunk = &self.chunks[self.chunk_of(replica)];
        let mut rec = Recording::new(chunk.replicas.len() as u32, self.job);
        let parameters = self.table.whole(chunk.parameters);
        flip_bit::flip(&mut rec, parameters, element, (replica - chunk.replicas.start) as u32);
        rec
    }

    /// The chunk that a replica is in.
    #[must_use]
    pub fn chunk_of(&self, replica: usize) -> usize {
        self.chunks.iter().position(|c| c.replicas.contains(&replica)).unwrap_or(0)
    }
}
