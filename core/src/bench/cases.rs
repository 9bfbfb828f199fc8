//! The cases of the benchmarks: operations of the networks in the shapes that occur there, and whole steps.

use crate::device::{AdapterSummary, Family};
use crate::nets::NetKind;
use crate::ops::batch_norm::{Backward, BatchNorm, ChannelBindings};
use crate::ops::conv_down::WeightGradient;
use crate::ops::dense::Dense;
use crate::ops::max_pool::MaxPool;
use crate::ops::pack::{Direction, PackTable};
use crate::ops::sgd::{Perturbation, ReplicaValues};
use crate::ops::{Activation, Conv, ConvDown, ConvLayer, Pass, Shape, Tile, adamw, workgroups};
use crate::record::{Binding, BufferId, BufferTable, Command, Job, Kernel, Recording, Shader, Work};
use crate::train::{BatchSizes, MemoryLimits, Optimizer, Plan, RecordingKind, TrainError, Tuning, UpdateRule};

/// A row of the table.
pub enum Case {
    /// A single operation.
    Operation(BenchOperation),
    /// A training step.
    Step(NetKind),
}

/// An operation to measure.
#[derive(Clone, Copy)]
pub enum BenchOperation {
    Conv(Conv, Pass),
    ConvDown(ConvDown, Pass),
    BatchNorm(Shape, Direction),
    MaxPool(Shape, Direction),
    Dense(Dense, Pass),
    /// A pass over all parameters of ResNet-56.
    Parameters(Sweep),
}

/// An operation that passes over all parameters.
#[derive(Clone, Copy)]
pub enum Sweep {
    Update(Optimizer),
    Divergence,
    Fingerprint,
}

/// The recording of an operation, with its buffers.
pub struct Recorded {
    pub shape: String,
    pub table: BufferTable,
    /// Initial contents of buffers, where they matter.
    pub contents: Vec<(BufferId, Vec<u8>)>,
    pub recording: Recording,
    /// Buffers that the launches of a convolution write.
    pub outputs: Vec<BufferId>,
    /// Buffers of planes, with the shape of a sample.
    pub planes: Vec<(BufferId, Shape)>,
    /// Useful floating-point operations of all replicas.
    pub flops: u64,
    /// Minimum memory traffic of all replicas in bytes.
    pub bytes: u64,
}

/// The rows whose name contains `filter`, in order. On a software GPU, steps that take minutes are included only if the
/// filter names the network.
pub fn all(adapter: &AdapterSummary, filter: &str) -> Vec<Case> {
    let is_quick = adapter.family != Family::SoftwareGpu;
    let mut operations = convolutions();
    for direction in [Direction::Forward, Direction::InputGradient] {
        let shapes = [(16, 32), (64, 8), (64, 32)].map(|(c, side)| Shape::new(c, side, side));
        operations.extend(shapes.map(|shape| BenchOperation::BatchNorm(shape, direction)));
        let shapes = [(64, 32), (512, 4)].map(|(c, side)| Shape::new(c, side, side));
        operations.extend(shapes.map(|shape| BenchOperation::MaxPool(shape, direction)));
    }
    operations.extend(dense_layers());
    let updates = [Optimizer::Sgd, Optimizer::AdamW].map(Sweep::Update);
    let sweeps = updates.into_iter().chain([Sweep::Divergence, Sweep::Fingerprint]);
    operations.extend(sweeps.map(BenchOperation::Parameters));
    let nets = [
        (NetKind::ResNet { depth: 8 }, true),
        (NetKind::ResNet { depth: 20 }, true),
        (NetKind::ResNet { depth: 56 }, is_quick),
        (NetKind::Vgg { depth: 16 }, is_quick),
    ];
    let named = |net: &NetKind| filter.contains(&net.to_string());
    let asked = filter.strip_prefix("step_").and_then(|net| net.parse().ok());
    let asked = asked.filter(|net: &NetKind| nets.iter().all(|(known, _)| known != net)).map(|net| (net, true));
    let steps =
        nets.into_iter().chain(asked).filter(|(net, quick)| *quick || named(net)).map(|(net, _)| Case::Step(net));
    let all = operations.into_iter().map(Case::Operation).chain(steps);
    all.filter(|case| case.name().contains(filter)).collect()
}

/// Every kind of convolution in the CIFAR ResNets and VGG16, with the passes that training needs.
fn convolutions() -> Vec<BenchOperation> {
    let all = [
        (3, 32, 16),
        (16, 32, 16),
        (32, 16, 32),
        (64, 8, 64),
        (3, 32, 64),
        (64, 32, 64),
        (128, 16, 128),
        (256, 8, 256),
        (512, 4, 512),
        (512, 2, 512),
    ];
    let conv = |(channels, size, out_channels)| Conv {
        input: Shape::new(channels, size, size),
        out_channels,
        shared_input: channels == 3,
    };
    let down = [(16, 32), (32, 16)]
        .map(|(channels, size)| ConvDown { input: Shape::new(channels, size, size), out_channels: 2 * channels });
    let passes = [Pass::Forward, Pass::InputGradient, Pass::WeightGradient];
    let needed = |conv: &Conv, pass: Pass| pass != Pass::InputGradient || !conv.shared_input;
    let of_pass = |pass| {
        let all = all.map(conv).into_iter().filter(move |conv| needed(conv, pass));
        let down = down.into_iter().map(move |conv| BenchOperation::ConvDown(conv, pass));
        all.map(move |conv| BenchOperation::Conv(conv, pass)).chain(down)
    };
    passes.into_iter().flat_map(of_pass).collect()
}

/// The layers of an MLP on CIFAR-10 and the last layer of VGG16, with the passes that training needs.
fn dense_layers() -> impl Iterator<Item = BenchOperation> {
    let all = [(3072, 200), (200, 200), (512, 10)].map(|(inputs, units)| Dense {
        inputs,
        units,
        shared_input: inputs == 3072,
    });
    let needed = |dense: &Dense, pass: Pass| pass != Pass::InputGradient || !dense.shared_input;
    let of_pass = move |pass| {
        all.into_iter().filter(move |dense| needed(dense, pass)).map(move |dense| BenchOperation::Dense(dense, pass))
    };
    [Pass::Forward, Pass::InputGradient, Pass::WeightGradient].into_iter().flat_map(of_pass)
}

impl Case {
    /// Name of the row, such as `conv3x3_forward` or `step_vgg16`.
    pub fn name(&self) -> String {
        match self {
            Self::Operation(operation) => operation.name(),
            Self::Step(net) => format!("step_{net}"),
        }
    }
}

/// Name of a pass in the names of rows.
fn name(pass: Pass) -> &'static str {
    match pass {
        Pass::Forward => "forward",
        Pass::InputGradient => "dinput",
        Pass::WeightGradient => "dweight",
    }
}

/// Direction in which the weights are packed for a pass.
fn direction(pass: Pass) -> Direction {
    if pass == Pass::Forward { Direction::Forward } else { Direction::InputGradient }
}

impl BenchOperation {
    /// The operation of a convolution.
    pub fn of(layer: ConvLayer, pass: Pass) -> Self {
        match layer {
            ConvLayer::Conv(conv) => Self::Conv(conv, pass),
            ConvLayer::ConvDown(conv) => Self::ConvDown(conv, pass),
        }
    }

    /// Layer and pass, if the operation is a convolution.
    pub fn layer(&self) -> Option<(ConvLayer, Pass)> {
        match self {
            Self::Conv(conv, pass) => Some((ConvLayer::Conv(*conv), *pass)),
            Self::ConvDown(conv, pass) => Some((ConvLayer::ConvDown(*conv), *pass)),
            _ => None,
        }
    }

    /// Name of the row, such as `conv3x3_forward` or `conv_down_dweight`.
    pub fn name(&self) -> String {
        let way = |direction: &Direction| match direction {
            Direction::Forward => "forward",
            Direction::InputGradient => "backward",
        };
        match self {
            Self::Conv(_, pass) => format!("conv3x3_{}", name(*pass)),
            Self::ConvDown(_, pass) => format!("conv_down_{}", name(*pass)),
            Self::BatchNorm(_, direction) => format!("batch_norm_{}", way(direction)),
            Self::MaxPool(_, direction) => format!("max_pool_{}", way(direction)),
            Self::Dense(_, pass) => format!("dense_{}", name(*pass)),
            Self::Parameters(Sweep::Update(Optimizer::Sgd)) => "update".to_owned(),
            Self::Parameters(Sweep::Update(Optimizer::AdamW)) => "update_adamw".to_owned(),
            Self::Parameters(Sweep::Divergence) => "divergence".to_owned(),
            Self::Parameters(Sweep::Fingerprint) => "fingerprint".to_owned(),
        }
    }

    /// Records the operation for `replicas` replicas and a batch of `samples`. Convolutions use `tile`.
    ///
    /// # Errors
    /// Same as [`Plan::new`].
    pub fn record(&self, (replicas, samples): (u32, u32), tile: Tile) -> Result<Recorded, TrainError> {
        Ok(match self {
            Self::Conv(conv, pass) => convolution(*conv, *pass, (replicas, samples), tile, false),
            Self::ConvDown(conv, pass) => conv_down(*conv, *pass, (replicas, samples), tile),
            Self::BatchNorm(shape, direction) => batch_norm(*shape, *direction, replicas, samples),
            Self::MaxPool(shape, direction) => max_pool(*shape, *direction, replicas, samples),
            Self::Dense(layer, pass) => dense(*layer, *pass, replicas, samples),
            Self::Parameters(sweep) => parameters(*sweep, replicas)?,
        })
    }
}

/// Records the gradient by the input, added to an existing gradient.
pub fn accumulating(conv: Conv, sizes: (u32, u32), tile: Tile) -> Recorded {
    convolution(conv, Pass::InputGradient, sizes, tile, true)
}

/// Buffers and recording of an operation under construction.
struct Sketch {
    table: BufferTable,
    recording: Recording,
    planes: Vec<(BufferId, Shape)>,
}

impl Sketch {
    fn new(replicas: u32, job: Job) -> Self {
        Self { table: BufferTable::default(), recording: Recording::new(replicas, job), planes: Vec::new() }
    }

    fn planes(&mut self, label: &str, shape: Shape) -> Binding {
        let id = shape.buffer(&mut self.table, label, self.recording.replicas, self.recording.job.samples);
        self.planes.push((id, shape));
        self.table.whole(id)
    }

    /// Adds a buffer with `each` bytes for each replica.
    fn bytes(&mut self, label: &str, each: u64) -> Binding {
        let id = self.table.add(label, each * u64::from(self.recording.replicas));
        self.table.whole(id)
    }

    /// Finishes the recording. All recorded work counts as useful.
    fn finish(self, shape: String) -> Recorded {
        let Self { table, recording, planes } = self;
        let (flops, bytes) = (recording.flops(), recording.dispatches().map(|d| d.bytes).sum());
        Recorded { shape, table, contents: Vec::new(), recording, outputs: Vec::new(), planes, flops, bytes }
    }
}

/// Independent fma chains in registers.
pub fn fma(adapter: &AdapterSummary) -> Recorded {
    // Enough threads to fill a large GPU, and enough rounds to keep a processor busy.
    let (tiles, rounds) = if adapter.uses_host_memory() { (64, 4_000) } else { (16_384, 4_000) };
    let threads = u64::from(tiles) * 64;
    let mut sketch = Sketch::new(1, Job::default());
    let results = sketch.bytes("results", threads * 4);
    let kernel = Kernel::new(Shader::FmaRate, &[("ROUNDS", rounds.into())]);
    let work = Work::shared(threads * u64::from(rounds) * 12 * 4 * 2, 0);
    sketch.recording.dispatch("fma", kernel, &[results], tiles, work);
    sketch.finish(format!("{threads} threads"))
}

/// A copy that is larger than caches.
pub fn copy(adapter: &AdapterSummary) -> Recorded {
    let bytes: u64 = if adapter.uses_host_memory() { 64 << 20 } else { 128 << 20 };
    let mut sketch = Sketch::new(1, Job::default());
    let buffers = ["from", "to"].map(|label| sketch.bytes(label, bytes));
    let kernel = Kernel::new(Shader::CopyRate, &[]);
    sketch.recording.dispatch("copy", kernel, &buffers, workgroups(bytes / 64), Work::shared(0, 2 * bytes));
    sketch.finish(format!("{} MiB", bytes >> 20))
}

fn convolution(conv: Conv, pass: Pass, (replicas, samples): (u32, u32), tile: Tile, accumulate: bool) -> Recorded {
    let (input, output) = (conv.input, conv.output());
    let mut packs = PackTable::default();
    packs.add(conv.weight_dims(), 0, direction(pass));
    let parameter_stride = conv.weights().next_multiple_of(64);
    let job = Job { samples, parameter_stride, packed_stride: packs.stride(), ..Job::default() };
    let mut sketch = Sketch::new(replicas, job);
    // A shared input is allocated for every replica, though only one is read: it has few channels.
    let [x, y] = [("x", input), ("y", output)].map(|(label, shape)| sketch.planes(label, shape));
    let packed = sketch.bytes("packed weights", u64::from(packs.stride()) * 4);
    let outputs = match pass {
        Pass::Forward => {
            conv.forward(&mut sketch.recording, "conv", tile, [x, packed, y]);
            vec![y]
        }
        Pass::InputGradient => {
            conv.dinput(&mut sketch.recording, "conv", tile, [y, packed, x], accumulate);
            vec![x]
        }
        Pass::WeightGradient => {
            let partial = sketch.bytes("partial sums", conv.partial_bytes(samples));
            let gradient = sketch.bytes("gradient", u64::from(parameter_stride) * 4);
            conv.dweight(&mut sketch.recording, "conv", tile, [x, y, partial, gradient]);
            vec![partial]
        }
    };
    useful(sketch, outputs, &format!("K{}", conv.out_channels), input)
}

fn conv_down(conv: ConvDown, pass: Pass, (replicas, samples): (u32, u32), tile: Tile) -> Recorded {
    let (input, output, weights) = (conv.input, conv.output(), conv.weights());
    let mut packs = PackTable::default();
    let packed_at = conv.weight_dims().map(|dims| packs.add(dims, 0, direction(pass)));
    let offset = u64::from(weights[0].next_multiple_of(64)) * 4;
    let arena = offset + u64::from(weights[1].next_multiple_of(64)) * 4;
    let parameter_stride = (arena / 4) as u32;
    let job = Job { samples, parameter_stride, packed_stride: packs.stride(), ..Job::default() };
    let mut sketch = Sketch::new(replicas, job);
    let x = sketch.planes("x", input);
    let y = ["y", "shortcut"].map(|label| sketch.planes(label, output));
    let packed = sketch.bytes("packed weights", u64::from(packs.stride()) * 4);
    let packed = packed_at.map(|at| sketch.table.from(packed.buffer, at));
    let outputs = match pass {
        Pass::Forward => {
            conv.forward(&mut sketch.recording, "conv", tile, x, packed, y);
            y.to_vec()
        }
        Pass::InputGradient => {
            conv.dinput(&mut sketch.recording, "conv", tile, y, packed, x);
            vec![x]
        }
        Pass::WeightGradient => {
            let partial = conv.partial_bytes(samples).map(|bytes| sketch.bytes("partial sums", bytes));
            let gradient = sketch.bytes("gradients", arena);
            let gradient = [0, offset].map(|at| sketch.table.from(gradient.buffer, at));
            conv.dweight(&mut sketch.recording, "conv", tile, WeightGradient { x, dy: y, partial, gradient });
            partial.to_vec()
        }
    };
    useful(sketch, outputs, &format!("K2x{}", conv.out_channels), input)
}

/// Finishes the recording of a convolution. Only the first dispatch counts as useful: summing partial sums is work that another
/// order would not have.
fn useful(sketch: Sketch, outputs: Vec<Binding>, kernels: &str, input: Shape) -> Recorded {
    let Recording { replicas, job, .. } = sketch.recording;
    let first = sketch.recording.dispatches().next().map_or((0, 0), |d| (d.flops, d.bytes));
    let recorded = sketch.finish(format!("{} {kernels}", shape_text(input, replicas, job.samples)));
    let outputs = outputs.into_iter().map(|binding| binding.buffer).collect();
    Recorded { flops: first.0, bytes: first.1, outputs, ..recorded }
}

/// Formats a shape, such as `R1 N32 C16 H32 W32`.
fn shape_text(shape: Shape, replicas: u32, samples: u32) -> String {
    format!("R{replicas} N{samples} C{} H{} W{}", shape.channels, shape.height, shape.width)
}

fn batch_norm(shape: Shape, direction: Direction, replicas: u32, samples: u32) -> Recorded {
    let norm = BatchNorm { shape, activation: Some(Activation::Relu), shortcut: false };
    let channels = shape.channels.next_multiple_of(64);
    let job = Job { samples, parameter_stride: 2 * channels, running_stride: 2 * channels, ..Job::default() };
    let mut sketch = Sketch::new(replicas, job);
    let [y, a] = ["y", "a"].map(|label| sketch.planes(label, shape));
    let arena = u64::from(2 * channels) * 4;
    let leaves = sketch.bytes("leaves", norm.leaves(samples) * 8);
    let coefficients = sketch.bytes("coefficients", u64::from(channels) * 16);
    let parameters = sketch.bytes("parameters", arena);
    if direction == Direction::Forward {
        let running = sketch.bytes("running statistics", arena);
        let shift = sketch.table.from(parameters.buffer, u64::from(channels) * 4);
        let arenas = ChannelBindings { scale: parameters, shift, running, mean_to_variance: channels };
        norm.statistics(&mut sketch.recording, "norm", y, leaves, arenas, coefficients);
        norm.apply(&mut sketch.recording, "norm", y, coefficients, y, a);
    } else {
        let tensors = Backward {
            y,
            coefficients,
            shortcut: y,
            g: a,
            leaves,
            scale_gradient: parameters,
            scale_to_shift: channels,
            means: sketch.bytes("means", u64::from(channels) * 8),
            dy: sketch.planes("dy", shape),
        };
        norm.backward(&mut sketch.recording, "norm", tensors);
    }
    sketch.finish(shape_text(shape, replicas, samples))
}

fn max_pool(shape: Shape, direction: Direction, replicas: u32, samples: u32) -> Recorded {
    let pool = MaxPool { input: shape };
    let mut sketch = Sketch::new(replicas, Job { samples, ..Job::default() });
    let [x, y] = [("x", shape), ("y", pool.output())].map(|(label, shape)| sketch.planes(label, shape));
    if direction == Direction::Forward {
        pool.forward(&mut sketch.recording, "pool", x, y);
    } else {
        let dx = sketch.planes("dx", shape);
        pool.backward(&mut sketch.recording, "pool", [x, y, dx]);
    }
    sketch.finish(shape_text(shape, replicas, samples))
}

fn dense(layer: Dense, pass: Pass, replicas: u32, samples: u32) -> Recorded {
    let weights = (layer.inputs * layer.units).next_multiple_of(64);
    let stride = weights + layer.units.next_multiple_of(64);
    let mut sketch = Sketch::new(replicas, Job { samples, parameter_stride: stride, ..Job::default() });
    let [x, y] = [("x", layer.inputs), ("y", layer.units)]
        .map(|(label, channels)| sketch.planes(label, Shape::new(channels, 1, 1)));
    let arena = sketch.bytes("parameters", u64::from(stride) * 4);
    match pass {
        Pass::Forward => {
            let bias = sketch.table.from(arena.buffer, u64::from(weights) * 4);
            layer.forward(&mut sketch.recording, "dense", [x, arena, bias, y]);
        }
        Pass::InputGradient => layer.dinput(&mut sketch.recording, "dense", [y, arena, x]),
        Pass::WeightGradient => layer.dweight(&mut sketch.recording, "dense", [x, y, arena], weights),
    }
    sketch.finish(format!("R{replicas} N{samples} C{} K{}", layer.inputs, layer.units))
}

/// A pass over the parameters of ResNet-56, taken from its plan for a batch of one.
fn parameters(sweep: Sweep, replicas: u32) -> Result<Recorded, TrainError> {
    let network = NetKind::ResNet { depth: 56 }.build(Shape::new(3, 32, 32), 10, Activation::Relu, 1.0)?;
    let sizes = BatchSizes { train: vec![1], evaluate: Vec::new() };
    let limits = MemoryLimits { binding: u64::MAX, total: None };
    let normalization = [[0.0, 1.0]; 3];
    let images = (normalization.as_slice(), 0);
    let tuning = Tuning::default();
    let optimizer = if let Sweep::Update(optimizer) = sweep { optimizer } else { Optimizer::Sgd };
    let rule = UpdateRule { optimizer, perturbation: Perturbation::Divide };
    let plan = Plan::new(&network, replicas as usize, rule, &sizes, images, &tuning, limits)?;
    let recording = match sweep {
        Sweep::Update(_) => {
            let mut step = plan.recording(RecordingKind::Train(0, 1)).clone();
            step.commands.retain(|c| matches!(c, Command::Dispatch(d) if d.label == "update"));
            step
        }
        Sweep::Divergence => plan.recording(RecordingKind::Measure(0)).clone(),
        Sweep::Fingerprint => plan.recording(RecordingKind::Fingerprint(0)).clone(),
    };
    let mut upload = vec![0; plan.upload_layout.bytes as usize];
    let values = vec![ReplicaValues::new(3, 0.1, Perturbation::Divide); replicas as usize];
    let at = plan.upload_layout.replicas[0] as usize;
    upload[at..at + size_of_val(values.as_slice())].copy_from_slice(bytemuck::cast_slice(&values));
    if optimizer == Optimizer::AdamW {
        // Zeros would make numbers that are not finite, which a device may compute more slowly.
        let usual = adamw::Coefficients { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 };
        let step = adamw::StepValues::new(usual, 1, 0.1);
        upload[plan.upload_layout.step as usize..][..size_of_val(&step)].copy_from_slice(bytemuck::bytes_of(&step));
    }
    let table = plan.table().clone();
    let sketch = Sketch { table, recording, planes: Vec::new() };
    let recorded = sketch.finish(format!("R{replicas} P{}", network.parameter_count()));
    let mut contents = plan.contents;
    contents.push((plan.upload, upload));
    Ok(Recorded { contents, ..recorded })
}
