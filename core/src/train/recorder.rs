//! Builds plans: makes each recording of a run once. What the recordings ask for determines the buffers and their sizes.

use std::collections::{BTreeSet, HashMap};

use super::liveness::Liveness;
use super::lowering::{Arenas, Lowering, PackedAt, PassKind};
use super::memory::{Memory, PlanePool, whole};
use super::optimizer::{Optimizer, UpdateRule};
use super::plan::{BatchSizes, Chunk, MemoryLimits, MetricsLayout, Plan, PlanUse, RecordingKind, Tuning, UploadLayout};
use crate::device::DeviceError;
use crate::nets::{Network, Operation, ParameterId};
use crate::ops::pack::{Direction, PackTable};
use crate::ops::{TileTarget, Tiles, adamw, batch_input, divergence, fingerprint, not_finite, sgd};
use crate::record::{Binding, BufferId, Command, Job, Recording};

/// Builds a [`Plan`].
struct Recorder<'a> {
    network: &'a Network,
    tiles: &'a Tiles,
    rule: UpdateRule,
    sizes: &'a BatchSizes,
    pad_byte: u8,
    memory: Memory,
    packs: PackTable,
    packed_at: HashMap<ParameterId, PackedAt>,
    tables: Tables,
    contents: Vec<(BufferId, Vec<u8>)>,
    chunks: Vec<Chunk>,
    upload_layout: UploadLayout,
    upload: BufferId,
    metrics: BufferId,
    /// Logits of the forward pass that was recorded last; all forward passes write the same buffer.
    logits: BufferId,
}

/// Constant buffers, written once.
#[derive(Clone, Copy, Default)]
struct Tables {
    /// Mean and standard deviation of each channel, `[C][2]` f32.
    levels: BufferId,
    /// For each tensor, four u32: first block, number of blocks, number of elements, 0.
    tensors: BufferId,
    /// For each block, four u32: tensor, first element, number of elements, 0.
    blocks: BufferId,
    /// The layers of [`PackTable`].
    packed_layers: BufferId,
    /// The layer of each tile of [`PackTable`].
    packed_tiles: BufferId,
}

/// Bindings begin at multiples of this many bytes (WebGPU's default limit).
const ALIGNMENT: u64 = 256;

fn appended(end: &mut u64, bytes: u64) -> u64 {
    let at = *end;
    *end = (at + bytes).next_multiple_of(ALIGNMENT);
    at
}

impl Plan {
    /// The plan with the fewest chunks that `limits` and `tuning` allow. A [`Perturbation`](sgd::Perturbation) alone as `rule` is SGD.
    /// `normalization` holds mean and standard deviation of each channel, `pad_byte` fills the border around an image before it is
    /// cropped.
    ///
    /// # Errors
    /// [`DeviceError::OverLimit`] or [`DeviceError::OutOfMemory`] if not even one replica at a time fits.
    pub fn new(
        network: &Network,
        replicas: usize,
        rule: impl Into<UpdateRule>,
        sizes: &BatchSizes,
        (normalization, pad_byte): (&[[f32; 2]], u8),
        tuning: &Tuning,
        limits: MemoryLimits,
    ) -> Result<Self, DeviceError> {
        Self::of_use(
            PlanUse::Training,
            network,
            replicas,
            rule.into(),
            sizes,
            (normalization, pad_byte),
            tuning,
            limits,
        )
    }

    /// Same as [`Plan::new`], for a plan of any use.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn of_use(
        plan_use: PlanUse,
        network: &Network,
        replicas: usize,
        rule: UpdateRule,
        sizes: &BatchSizes,
        (normalization, pad_byte): (&[[f32; 2]], u8),
        tuning: &Tuning,
        limits: MemoryLimits,
    ) -> Result<Self, DeviceError> {
        let most = tuning.chunk_replicas.unwrap_or(replicas).clamp(1, replicas);
        let mut n_chunks = replicas.div_ceil(most);
        // Without an adapter: any tiles do for an estimate, and the hash of a run's kernels needs the same tiles everywhere.
        let default = Tiles::default_for(TileTarget::OtherGpu);
        let tiles = tuning.tiles.as_ref().unwrap_or(&default);
        loop {
            let recorder = Recorder::new(network, tiles, rule, sizes, (normalization, pad_byte));
            let plan = recorder.plan(plan_use, replicas, n_chunks);
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
            // The next number of chunks that makes the largest chunk smaller.
            let smaller = replicas.div_ceil(n_chunks) - 1;
            n_chunks = replicas.div_ceil(smaller);
        }
    }
}

impl<'a> Recorder<'a> {
    /// A recorder with the constant tables of the network and no buffers of replicas yet.
    fn new(
        network: &'a Network,
        tiles: &'a Tiles,
        rule: UpdateRule,
        sizes: &'a BatchSizes,
        (normalization, pad_byte): (&[[f32; 2]], u8),
    ) -> Self {
        let mut this = Self {
            network,
            tiles,
            rule,
            sizes,
            pad_byte,
            memory: Memory::default(),
            packs: PackTable::default(),
            packed_at: HashMap::new(),
            tables: Tables::default(),
            contents: Vec::new(),
            chunks: Vec::new(),
            upload_layout: UploadLayout::default(),
            upload: BufferId::default(),
            metrics: BufferId::default(),
            logits: BufferId::default(),
        };
        this.pack();
        this.add_tables(normalization);
        this
    }

    /// The plan of `replicas` replicas in at most `n_chunks` chunks.
    fn plan(mut self, plan_use: PlanUse, replicas: usize, n_chunks: usize) -> Plan {
        self.lay_out(plan_use, replicas, n_chunks);
        let BatchSizes { train, evaluate } = self.sizes;
        let mut recordings = Vec::new();
        for chunk in 0..self.chunks.len() {
            match plan_use {
                PlanUse::Training => {
                    recordings.extend(train.iter().map(|n| (RecordingKind::Train(chunk, *n), self.train(chunk, *n))));
                }
                PlanUse::Gradients => {
                    let gradients =
                        train.iter().map(|n| (RecordingKind::Gradient(chunk, *n), self.gradient(chunk, *n)));
                    recordings.extend(gradients);
                    continue;
                }
                PlanUse::Evaluating => {
                    let passes =
                        train.iter().map(|n| (RecordingKind::Statistics(chunk, *n), self.statistics(chunk, *n)));
                    recordings.extend(passes);
                }
            }
            recordings.extend(evaluate.iter().map(|n| (RecordingKind::Evaluate(chunk, *n), self.evaluate(chunk, *n))));
            if plan_use == PlanUse::Training {
                recordings.push((RecordingKind::Measure(chunk), self.measure(chunk)));
                recordings.push((RecordingKind::Fingerprint(chunk), self.fingerprint(chunk)));
            }
        }
        let mut samples = BTreeSet::new();
        samples.extend(train.iter().chain(evaluate));
        recordings.extend(samples.into_iter().map(|n| (RecordingKind::Input(n), self.input(n))));
        let job = self.job(0);
        let gradients = self.gradients(0);
        let (table, cleared) = self.memory.finish(recordings.iter_mut().map(|(_, recording)| recording));
        Plan {
            network: self.network.clone(),
            optimizer: self.rule.optimizer,
            chunks: self.chunks,
            upload_layout: self.upload_layout,
            upload: self.upload,
            metrics: self.metrics,
            logits: self.logits,
            gradients,
            contents: self.contents,
            table,
            cleared,
            recordings,
            job,
        }
    }

    /// Assigns places to the packed weights of every convolution.
    fn pack(&mut self) {
        for node in &self.network.nodes {
            let dims = match node.operation {
                Operation::Conv(conv) => vec![conv.weight_dims()],
                Operation::Conv1x1(conv) => vec![conv.weight_dims()],
                Operation::ConvDown(conv) => conv.weight_dims().to_vec(),
                _ => continue,
            };
            for (weight, dims) in node.parameters.iter().zip(dims) {
                let source = self.network.parameters[weight.0].offset;
                let forward = self.packs.add(dims, source, Direction::Forward);
                let dinput = if self.network.needs_gradient(node.input()) {
                    self.packs.add(dims, source, Direction::InputGradient)
                } else {
                    0
                };
                self.packed_at.insert(*weight, PackedAt { forward, dinput });
            }
        }
    }

    /// Adds the buffers whose size is known before anything is recorded.
    fn lay_out(&mut self, plan_use: PlanUse, replicas: usize, n_chunks: usize) {
        let per_chunk = replicas.div_ceil(n_chunks);
        let ranges: Vec<_> =
            (0..replicas).step_by(per_chunk).map(|first| first..(first + per_chunk).min(replicas)).collect();
        let n_tensors = self.network.parameters.len() as u64;
        let samples = u64::from(self.sizes.largest());
        let (mut up, mut back) = (0, 0);
        let optimizer_arenas = if plan_use == PlanUse::Training { self.rule.optimizer.arenas() } else { &[] };
        self.upload_layout.step = appended(&mut up, self.step_bytes());
        for (index, range) in ranges.into_iter().enumerate() {
            let n = range.len() as u64;
            let arena = |elements: u32| n * u64::from(elements) * 4;
            let (parameters, running) = (arena(self.network.parameter_stride), arena(self.network.running_stride));
            self.chunks.push(Chunk {
                parameters: self.memory.arena(&format!("parameters {index}"), parameters),
                optimizer: (optimizer_arenas.iter())
                    .map(|name| self.memory.arena(&format!("{name} {index}"), parameters))
                    .collect(),
                running: self.memory.arena(&format!("running statistics {index}"), running),
                metrics: MetricsLayout {
                    totals: appended(&mut back, n * 8),
                    divergence: appended(&mut back, n * n_tensors * size_of::<divergence::Distance>() as u64),
                    fingerprints: appended(&mut back, n * 8),
                    weights: appended(&mut back, n * 4),
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
            let id = self.memory.named(label, bytes.len() as u64);
            self.contents.push((id, bytes.to_vec()));
            id
        };
        self.tables = Tables {
            tensors: add("table of tensors", bytemuck::cast_slice(&tensors)),
            blocks: add("table of blocks", bytemuck::cast_slice(&places)),
            packed_layers: add("table of packed layers", self.packs.layer_bytes()),
            packed_tiles: add("table of packed tiles", self.packs.tile_bytes()),
            levels: add("levels of bytes", bytemuck::cast_slice(&batch_input::levels(normalization))),
        };
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
        let samples = self.sizes.largest();
        let bytes = self.network.input().plane_bytes(1, samples);
        let id = self.memory.arena("batch", bytes);
        whole(id)
    }

    /// Converts the uploaded bytes to the batch's planes, which all chunks share.
    fn input(&mut self, samples: u32) -> Recording {
        let mut rec = Recording::new(1, self.job(samples));
        let shape = self.network.input();
        let images = batch_input::image_bytes(shape, samples);
        let bindings = batch_input::Bindings {
            bytes: self.part(self.upload, self.upload_layout.images, images),
            choices: self.part(self.upload, self.upload_layout.choices, u64::from(samples) * 4),
            levels: whole(self.tables.levels),
            x: self.batch(),
        };
        batch_input::forward(&mut rec, shape, self.pad_byte, bindings);
        rec
    }

    /// Loss and gradient of a chunk on a training batch.
    fn gradient(&mut self, chunk: usize, samples: u32) -> Recording {
        let mut rec = self.recording(chunk, samples);
        let mut lowering = self.lowering(chunk, &mut rec, PassKind::Training);
        let values = lowering.forward_pass();
        let logits = values.at(lowering.network.logits()).binding().buffer;
        lowering.backward_pass(values);
        self.logits = logits;
        rec
    }

    /// A forward pass of a chunk with the batch's own statistics, which updates the running ones.
    fn statistics(&mut self, chunk: usize, samples: u32) -> Recording {
        let mut rec = self.recording(chunk, samples);
        let values = self.lowering(chunk, &mut rec, PassKind::Statistics).forward_pass();
        self.logits = values.at(self.network.logits()).binding().buffer;
        rec
    }

    /// One training step of a chunk: forward pass, backward pass, perturbed update.
    fn train(&mut self, chunk: usize, samples: u32) -> Recording {
        let mut rec = self.gradient(chunk, samples);
        self.update(chunk, &mut rec);
        rec
    }

    /// The perturbed update of a chunk.
    fn update(&mut self, chunk: usize, rec: &mut Recording) {
        let gradients = whole(self.gradients(chunk));
        let Chunk { parameters, optimizer, replicas, .. } = &self.chunks[chunk];
        let (parameters, arenas, n) = (whole(*parameters), optimizer, replicas.len() as u64);
        let step = self.part(self.upload, self.upload_layout.step, self.step_bytes());
        let replicas = self.part(self.upload, self.upload_layout.replicas[chunk], n * 16);
        let UpdateRule { optimizer, perturbation } = self.rule;
        match optimizer {
            Optimizer::Sgd => {
                let momenta = whole(arenas[0]);
                sgd::update(rec, perturbation, sgd::Bindings { gradients, step, replicas, parameters, momenta });
            }
            Optimizer::AdamW => {
                let means = [arenas[0], arenas[1]].map(whole);
                adamw::update(rec, perturbation, adamw::Bindings { gradients, step, replicas, parameters, means });
            }
        }
    }

    /// Length of the values of a step that all replicas share.
    fn step_bytes(&self) -> u64 {
        let bytes = match self.rule.optimizer {
            Optimizer::Sgd => size_of::<sgd::StepValues>(),
            Optimizer::AdamW => size_of::<adamw::StepValues>(),
        };
        bytes as u64
    }

    /// Loss and correct answers of a chunk on a batch, with running statistics.
    fn evaluate(&mut self, chunk: usize, samples: u32) -> Recording {
        let mut rec = self.recording(chunk, samples);
        let values = self.lowering(chunk, &mut rec, PassKind::Evaluation).forward_pass();
        self.logits = values.at(self.network.logits()).binding().buffer;
        rec
    }

    /// Divergence of every tensor of a chunk from the run's first replica, and the first running statistic of each replica
    /// that is not finite.
    fn measure(&mut self, chunk: usize) -> Recording {
        let mut rec = self.recording(chunk, 0);
        let n_tensors = self.network.parameters.len() as u32;
        let n = self.chunks[chunk].replicas.len() as u64;
        let bytes = n * u64::from(n_tensors) * size_of::<divergence::Distance>() as u64;
        let results = self.part(self.metrics, self.chunks[chunk].metrics.divergence, bytes);
        let n_blocks = n * u64::from(self.network.parameter_stride / divergence::BLOCK);
        let blocks = self.memory.scratch("blocks", n_blocks * divergence::BLOCK_BYTES);
        let parameters = whole(self.chunks[chunk].parameters);
        let reference = whole(self.chunks[0].parameters);
        divergence::measure(&mut rec, n_tensors, [parameters, reference, blocks, whole(self.tables.tensors), results]);
        if self.network.running_stride > 0 {
            let firsts = self.part(self.metrics, self.chunks[chunk].metrics.not_finite, n * 4);
            not_finite::search(&mut rec, [whole(self.chunks[chunk].running), firsts]);
        }
        rec
    }

    /// Fingerprints of a chunk's replicas, and the bits of their traced weight.
    fn fingerprint(&mut self, chunk: usize) -> Recording {
        let mut rec = self.recording(chunk, 0);
        let n = self.chunks[chunk].replicas.len() as u64;
        let results = self.part(self.metrics, self.chunks[chunk].metrics.fingerprints, n * 8);
        let blocks = self.memory.scratch("blocks", n * u64::from(self.network.parameter_stride) / 64 * 16);
        let parameters = self.chunks[chunk].parameters;
        let optimizer: Vec<Binding> = self.chunks[chunk].optimizer.iter().copied().map(whole).collect();
        let bindings = fingerprint::Bindings {
            parameters: whole(parameters),
            optimizer: &optimizer,
            places: whole(self.tables.blocks),
            blocks,
            results,
        };
        fingerprint::measure(&mut rec, bindings);
        let (weight, stride) = (self.network.traced_weight(), self.network.parameter_stride);
        let to = self.chunks[chunk].metrics.weights;
        rec.commands.extend((0..n).map(|r| Command::Copy {
            from: (parameters, (r * u64::from(stride) + u64::from(weight)) * 4),
            to: (self.metrics, to + r * 4),
            bytes: 4,
        }));
        rec
    }

    fn gradients(&mut self, chunk: usize) -> BufferId {
        let n = self.chunks[chunk].replicas.len() as u64;
        self.memory.arena("gradients", n * u64::from(self.network.parameter_stride) * 4)
    }

    /// A lowering into `rec`, which begins with the packing of the weights.
    fn lowering<'b>(&'b mut self, chunk: usize, rec: &'b mut Recording, pass: PassKind) -> Lowering<'b> {
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
            self.packs.forward(rec, [parameters, packed_layers, packed_tiles, packed].map(whole));
        }
        Lowering {
            network: self.network,
            arenas,
            packed_at: &self.packed_at,
            tiles: self.tiles,
            pool: PlanePool::new(&mut self.memory, rec.replicas, samples),
            rec,
            pass,
            liveness: Liveness::new(self.network),
            copies: HashMap::new(),
        }
    }
}
