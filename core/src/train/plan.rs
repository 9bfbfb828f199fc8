//! The plan of a run: which buffers there are and what is recorded into them. Plain data; nothing here touches a GPU.

use std::collections::HashMap;
use std::ops::Range;

use super::lowering::{Arenas, Lowering, PackedAt, output_name};
use super::memory::{Memory, PlanePool};
use crate::device::{DeviceError, Fill};
use crate::nets::{Network, Operation};
use crate::ops::pack::{Direction, PackTable};
use crate::ops::sgd::{self, Perturbation};
use crate::ops::{Tiles, batch_input, divergence, fingerprint, flip_bit, not_finite};
use crate::record::{Binding, BufferId, BufferTable, Command, Job, Recording};

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

/// What the adapter allows.
#[derive(Clone, Copy, Debug)]
pub struct MemoryLimits {
    /// Bytes that one storage binding may span.
    pub binding: u64,
    /// Bytes in all, where known.
    pub total: Option<u64>,
}

/// Sizes of the batches.
#[derive(Clone, Copy, Debug)]
pub struct BatchSizes {
    /// Samples of a training batch.
    pub train: u32,
    /// Samples of an evaluation batch.
    pub evaluate: u32,
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
    /// Contents of buffers that are written once.
    pub contents: Vec<(BufferId, Vec<u8>)>,
    tables: Tables,
    memory: Memory,
    packs: PackTable,
    packed_at: HashMap<usize, PackedAt>,
    perturbation: Perturbation,
    pad_byte: u8,
    tiles: Tiles,
    sizes: BatchSizes,
}

/// Buffers that are written once.
#[derive(Clone, Copy, Default)]
struct Tables {
    /// `[C]` pairs: mean and standard deviation.
    normalization: BufferId,
    /// `[tensors]`: first block, blocks, elements, 0.
    tensors: BufferId,
    /// `[blocks]`: tensor, first element, elements, 0.
    blocks: BufferId,
    /// Contents of [`PackTable`].
    packed_layers: BufferId,
    /// Contents of [`PackTable`].
    packed_tiles: BufferId,
}

/// Bindings begin at multiples of this (WebGPU's default limit).
const ALIGNMENT: u64 = 256;

fn appended(end: &mut u64, bytes: u64) -> u64 {
    let at = *end;
    *end = (at + bytes).next_multiple_of(ALIGNMENT);
    at
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
        sizes: BatchSizes,
        (normalization, pad_byte): (&[[f32; 2]], u8),
        tuning: &Tuning,
        limits: MemoryLimits,
    ) -> Result<Self, DeviceError> {
        let most = tuning.chunk_replicas.unwrap_or(replicas).clamp(1, replicas);
        let mut n_chunks = replicas.div_ceil(most);
        loop {
            let mut plan = Self {
                network: network.clone(),
                chunks: Vec::new(),
                upload_layout: UploadLayout::default(),
                upload: BufferId::default(),
                metrics: BufferId::default(),
                contents: Vec::new(),
                tables: Tables::default(),
                memory: Memory::default(),
                packs: PackTable::default(),
                packed_at: HashMap::new(),
                perturbation,
                pad_byte,
                // Without an adapter any will do for an estimate; the digest of a run's kernels needs the same everywhere.
                tiles: tuning.tiles.clone().unwrap_or_else(|| Tiles::usual(false)),
                sizes,
            };
            plan.lay_out(replicas, n_chunks, normalization);
            let table = &plan.memory.table;
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

    fn lay_out(&mut self, replicas: usize, n_chunks: usize, normalization: &[[f32; 2]]) {
        for node in &self.network.nodes {
            let weights = match node.operation {
                Operation::Conv { conv, weight } => vec![(weight, conv.weight_dims())],
                Operation::ConvDown { conv, weight, shortcut: Some(shortcut) } => {
                    [weight, shortcut.weight].into_iter().zip(conv.weight_dims()).collect()
                }
                _ => continue,
            };
            for (weight, dims) in weights {
                let source = self.network.parameters[weight].offset;
                let forward = self.packs.add(dims, source, Direction::Forward);
                let dinput = if node.input.0 == 0 { 0 } else { self.packs.add(dims, source, Direction::InputGradient) };
                self.packed_at.insert(weight, PackedAt { forward, dinput });
            }
        }
        self.add_tables(normalization);

        let per_chunk = replicas.div_ceil(n_chunks);
        let ranges: Vec<_> =
            (0..replicas).step_by(per_chunk).map(|first| first..(first + per_chunk).min(replicas)).collect();
        let n_tensors = self.network.parameters.len() as u64;
        let samples = u64::from(self.sizes.train.max(self.sizes.evaluate));
        let (mut up, mut back) = (0, 0);
        self.upload_layout.step = appended(&mut up, size_of::<sgd::StepValues>() as u64);
        for (index, range) in ranges.into_iter().enumerate() {
            let n = range.len() as u64;
            let arena = |elements: u32| n * u64::from(elements) * 4;
            let (parameters, running) = (arena(self.network.parameter_stride), arena(self.network.running_stride));
            self.chunks.push(Chunk {
                parameters: self.memory.arena(&format!("parameters {index}"), parameters),
                momenta: self.memory.arena(&format!("momenta {index}"), parameters),
                running: self.memory.arena(&format!("running statistics {index}"), running),
                metrics: MetricsLayout {
                    totals: appended(&mut back, n * 8),
                    divergence: appended(&mut back, n * n_tensors * size_of::<divergence::Distance>() as u64),
                    fingerprints: appended(&mut back, n * 8),
                    not_finite: appended(&mut back, n * 4),
                },
                replicas: range,
            });
            let values = appended(&mut up, n * size_of::<sgd::ReplicaValues>() as u64);
            self.upload_layout.replicas.push(values);
        }
        self.upload_layout.labels = appended(&mut up, samples * 4);
        self.upload_layout.choices = appended(&mut up, samples * 4);
        let images = batch_input::image_bytes(self.network.input(), samples as u32);
        self.upload_layout.images = appended(&mut up, images);
        self.upload_layout.bytes = up;
        self.upload = self.memory.named("upload", up);
        self.metrics = self.memory.named("metrics", back);

        // Making every recording once at its largest fixes all sizes.
        for index in 0..self.chunks.len() {
            let _ = (self.train(index, self.sizes.train), self.evaluate(index, self.sizes.evaluate));
            let _ = (self.measure(index), self.fingerprint(index));
        }
        let _ = (self.input(self.sizes.train), self.input(self.sizes.evaluate));
    }

    fn add_tables(&mut self, normalization: &[[f32; 2]]) {
        let blocks_of = |elements: u32| elements.div_ceil(divergence::BLOCK);
        let parameters = &self.network.parameters;
        let tensors: Vec<[u32; 4]> = parameters
            .iter()
            .map(|p| [p.offset / divergence::BLOCK, blocks_of(p.elements()), p.elements(), 0])
            .collect();
        let places: Vec<[u32; 4]> = parameters
            .iter()
            .enumerate()
            .flat_map(|(tensor, p)| {
                (0..p.elements())
                    .step_by(divergence::BLOCK as usize)
                    .map(move |first| [tensor as u32, first, (p.elements() - first).min(divergence::BLOCK), 0])
            })
            .collect();
        let mut add = |label: &str, bytes: &[u8]| {
            let id = self.memory.table.add(label, bytes.len() as u64);
            self.contents.push((id, bytes.to_vec()));
            id
        };
        self.tables = Tables {
            tensors: add("table of tensors", bytemuck::cast_slice(&tensors)),
            blocks: add("table of blocks", bytemuck::cast_slice(&places)),
            packed_layers: add("table of packed layers", self.packs.layer_bytes()),
            packed_tiles: add("table of packed tiles", self.packs.tile_bytes()),
            normalization: add("normalization", bytemuck::cast_slice(normalization)),
        };
    }

    /// All buffers.
    #[must_use]
    pub fn table(&self) -> &BufferTable {
        &self.memory.table
    }

    fn job(&self, samples: u32) -> Job {
        Job {
            samples,
            parameter_stride: self.network.parameter_stride,
            packed_stride: self.packs.stride(),
            running_stride: self.network.running_stride,
            ..Job::default()
        }
    }

    fn recording(&self, chunk: usize, samples: u32) -> Recording {
        Recording::new(self.chunks[chunk].replicas.len() as u32, self.job(samples))
    }

    fn part(&self, buffer: BufferId, offset: u64, bytes: u64) -> Binding {
        Binding { buffer, offset, bytes: bytes.max(16).next_multiple_of(16) }
    }

    fn batch(&mut self) -> Binding {
        let samples = self.sizes.train.max(self.sizes.evaluate);
        let bytes = self.network.input().plane_bytes(1, samples);
        let id = self.memory.arena("batch", bytes);
        self.memory.table.whole(id)
    }

    /// Zeros where zeros are relied upon. Runs once, before the first weights are written.
    #[must_use]
    pub fn clear(&self) -> Recording {
        let mut rec = Recording::new(1, self.job(0));
        rec.commands = self.memory.cleared().iter().map(|id| Command::Clear(*id)).collect();
        rec
    }

    /// Bytes of the upload to the batch's planes, shared by all chunks.
    pub fn input(&mut self, samples: u32) -> Recording {
        let mut rec = Recording::new(1, self.job(samples));
        let shape = self.network.input();
        let images = batch_input::image_bytes(shape, samples);
        let bindings = batch_input::Bindings {
            bytes: self.part(self.upload, self.upload_layout.images, images),
            choices: self.part(self.upload, self.upload_layout.choices, u64::from(samples) * 4),
            normalization: self.memory.table.whole(self.tables.normalization),
            x: self.batch(),
        };
        batch_input::forward(&mut rec, shape, self.pad_byte, bindings);
        rec
    }

    /// One training step of a chunk: forward, backward, perturbed update.
    pub fn train(&mut self, chunk: usize, samples: u32) -> Recording {
        let mut rec = self.recording(chunk, samples);
        let mut lowering = self.lowering(chunk, &mut rec);
        let values = lowering.forward(true);
        lowering.backward(values);
        let (parameters, momenta) = (self.chunks[chunk].parameters, self.chunks[chunk].momenta);
        let gradients = self.gradients(chunk);
        let n = self.chunks[chunk].replicas.len() as u64;
        let bindings = sgd::Bindings {
            gradients: self.memory.table.whole(gradients),
            step: self.part(self.upload, self.upload_layout.step, 16),
            replicas: self.part(self.upload, self.upload_layout.replicas[chunk], n * 16),
            parameters: self.memory.table.whole(parameters),
            momenta: self.memory.table.whole(momenta),
        };
        sgd::update(&mut rec, self.perturbation, bindings);
        rec
    }

    /// Loss and correct answers of a chunk on a batch, with running statistics.
    pub fn evaluate(&mut self, chunk: usize, samples: u32) -> Recording {
        let mut rec = self.recording(chunk, samples);
        self.lowering(chunk, &mut rec).forward(false);
        rec
    }

    /// Divergence of every tensor of a chunk from the run's first replica, and where its numbers are not finite.
    pub fn measure(&mut self, chunk: usize) -> Recording {
        let mut rec = self.recording(chunk, 0);
        let n_tensors = self.network.parameters.len() as u32;
        let n = self.chunks[chunk].replicas.len() as u64;
        let bytes = n * u64::from(n_tensors) * size_of::<divergence::Distance>() as u64;
        let results = self.part(self.metrics, self.chunks[chunk].metrics.divergence, bytes);
        let n_blocks = n * u64::from(self.network.parameter_stride / divergence::BLOCK);
        let blocks = self.memory.scratch("blocks", n_blocks * divergence::BLOCK_BYTES);
        let whole = |id| self.memory.table.whole(id);
        let parameters = whole(self.chunks[chunk].parameters);
        let reference = whole(self.chunks[0].parameters);
        divergence::measure(&mut rec, n_tensors, [parameters, reference, blocks, whole(self.tables.tensors), results]);
        if self.network.running_stride > 0 {
            let firsts = self.part(self.metrics, self.chunks[chunk].metrics.not_finite, n * 4);
            not_finite::search(&mut rec, [whole(self.chunks[chunk].running), firsts]);
        }
        rec
    }

    /// Fingerprints of a chunk.
    pub fn fingerprint(&mut self, chunk: usize) -> Recording {
        let mut rec = self.recording(chunk, 0);
        let n = self.chunks[chunk].replicas.len() as u64;
        let results = self.part(self.metrics, self.chunks[chunk].metrics.fingerprints, n * 8);
        let blocks = self.memory.scratch("blocks", n * u64::from(self.network.parameter_stride) / 64 * 16);
        let whole = |id| self.memory.table.whole(id);
        let (parameters, momenta) = (self.chunks[chunk].parameters, self.chunks[chunk].momenta);
        fingerprint::measure(&mut rec, [whole(parameters), whole(momenta), whole(self.tables.blocks), blocks, results]);
        rec
    }

    /// Flips the last bit of one parameter of one replica: the fault injector.
    #[must_use]
    pub fn flip(&self, element: u32, replica: usize) -> Recording {
        let chunk = self.chunk_of(replica);
        let mut rec = self.recording(chunk, 0);
        let parameters = self.memory.table.whole(self.chunks[chunk].parameters);
        flip_bit::flip(&mut rec, parameters, element, (replica - self.chunks[chunk].replicas.start) as u32);
        rec
    }

    /// Where a forward pass leaves the logits, `[R][N][K]`, of the chunk that it ran last.
    pub fn logits(&mut self) -> BufferId {
        let name = output_name(self.network.nodes.last().map_or("", |node| &node.name));
        self.memory.named(&name, 0)
    }

    /// The chunk that a replica is in.
    #[must_use]
    pub fn chunk_of(&self, replica: usize) -> usize {
        self.chunks.iter().position(|c| c.replicas.contains(&replica)).unwrap_or(0)
    }

    fn gradients(&mut self, chunk: usize) -> BufferId {
        let n = self.chunks[chunk].replicas.len() as u64;
        self.memory.arena("gradients", n * u64::from(self.network.parameter_stride) * 4)
    }

    /// A lowering into `rec`, which begins with the packing of the weights.
    fn lowering<'a>(&'a mut self, chunk: usize, rec: &'a mut Recording) -> Lowering<'a> {
        let (n, samples) = (u64::from(rec.replicas), rec.job.samples);
        let x = self.batch();
        let gradients = self.gradients(chunk);
        let packed = self.memory.named("packed weights", n * u64::from(self.packs.stride()) * 4);
        let Chunk { parameters, running, metrics, .. } = self.chunks[chunk];
        let arenas = Arenas {
            parameters,
            gradients,
            running,
            packed,
            x,
            labels: self.part(self.upload, self.upload_layout.labels, u64::from(samples) * 4),
            totals: self.part(self.metrics, metrics.totals, n * 8),
        };
        if !self.packed_at.is_empty() {
            let Tables { packed_layers, packed_tiles, .. } = self.tables;
            let table = &self.memory.table;
            let bindings = [parameters, packed_layers, packed_tiles, packed].map(|id| table.whole(id));
            self.packs.forward(rec, bindings);
        }
        Lowering {
            network: &self.network,
            arenas,
            packed_at: &self.packed_at,
            tiles: &self.tiles,
            pool: PlanePool::new(&mut self.memory, rec.replicas, samples),
            rec,
        }
    }
}
