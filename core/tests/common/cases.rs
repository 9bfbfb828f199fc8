//! Small dispatches of every shader, with their data: what twins and GPUs are compared on with `plain`. Shapes are
//! those that kernels stumble over (odd, tiny, channels that are no multiple of four, batches of several blocks). The
//! ops themselves record them, so that constants, bindings and arguments are those of a run.
//!
//! Outputs begin as junk, planes within zero borders, and behind every buffer's data lie guards that nothing may touch.

#![allow(dead_code, reason = "each test program uses a part of these helpers")]

use lastbit_core::ops::batch_norm::{self, BatchNorm};
use lastbit_core::ops::conv_down::{self, ConvDown};
use lastbit_core::ops::conv_valid::ConvValid;
use lastbit_core::ops::cross_entropy::{self, Loss};
use lastbit_core::ops::dense::Dense;
use lastbit_core::ops::max_pool::MaxPool;
use lastbit_core::ops::pack::{Direction, PackTable};
use lastbit_core::ops::sgd::{self, Perturbation, ReplicaValues, StepValues};
use lastbit_core::ops::{Activation, Conv, Shape, Tile, activation, batch_input, pool, workgroups};
use lastbit_core::ops::{divergence, fingerprint, flip_bit, not_finite};
use lastbit_core::record::{Binding, BufferId, BufferTable, Constant, Job, Kernel, Recording, Shader, Work};

/// What is to be written before it is: finite, and wrong everywhere.
const JUNK: f32 = 1e30;
/// Words behind every buffer's data: NaN, which shows in a result that reads it.
const GUARDS: usize = 64;
/// Multiplications of a case that a plain interpreter does in a moment.
const MACS: u64 = 2_000_000;

/// A recording of a few dispatches, and what its buffers hold before.
pub struct Case {
    /// What it is, with all that matters.
    pub name: String,
    /// The buffers.
    pub table: BufferTable,
    /// Their words, guards included, in order.
    pub contents: Vec<Vec<u32>>,
    /// What is dispatched.
    pub recording: Recording,
}

/// Cases of every shader; another `seed` gives other shapes and data.
#[must_use]
pub fn cases(seed: u64) -> Vec<Case> {
    let mut random = Random(seed);
    let mut all = Vec::new();
    convolutions(&mut random, &mut all);
    pairs(&mut random, &mut all);
    valid_convolutions(&mut random, &mut all);
    packs(&mut random, &mut all);
    activations(&mut random, &mut all);
    norms(&mut random, &mut all);
    pools(&mut random, &mut all);
    inputs(&mut random, &mut all);
    heads(&mut random, &mut all);
    updates(&mut random, &mut all);
    measurements(&mut random, &mut all);
    equations(&mut random, &mut all);
    rates(&mut random, &mut all);
    all
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z >> 32) as u32
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.word() % bound
    }

    fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u32) as usize]
    }

    /// Between -scale and scale; one in 16 is a zero of either sign.
    fn float(&mut self, scale: f32) -> f32 {
        let word = self.word();
        match word % 32 {
            0 => 0.0,
            1 => -0.0,
            _ => (f64::from(word as i32) / 2_147_483_648.0) as f32 * scale,
        }
    }

    fn floats(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| self.float(scale)).collect()
    }

    /// Multiples of 1/4 from -1 to 1: sums that are exact, values that are equal.
    fn coarse(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.below(9) as f32 / 4.0 - 1.0).collect()
    }

    fn pixels(&mut self) -> (u32, u32) {
        const ALL: [(u32, u32); 17] = [
            (1, 1),
            (2, 2),
            (3, 17),
            (4, 4),
            (5, 7),
            (6, 6),
            (7, 5),
            (8, 8),
            (10, 9),
            (12, 20),
            (13, 9),
            (14, 14),
            (16, 16),
            (28, 28),
            (30, 30),
            (32, 32),
            (33, 33),
        ];
        self.one_of(&ALL)
    }

    fn channels(&mut self) -> u32 {
        self.one_of(&[1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 16, 17, 20, 24, 27, 32, 33])
    }

    /// Replicas and samples: at most as many as `macs` of one sample of one replica allow, at least one.
    fn batch(&mut self, macs: u64) -> (u32, u32) {
        let most = (MACS / macs.max(1)).max(1);
        let samples = self.one_of(&[1, 2, 3, 5, 9, 16, 31, 33, 40, 65]).min(most);
        let replicas = u64::from(1 + self.below(6)).min((most / samples).max(1));
        (replicas as u32, samples as u32)
    }

    /// Tiles only cut the work, and are of no concern to a twin: some of each kind.
    fn tile(&mut self) -> Tile {
        let usual = Tile::default();
        self.one_of(&[
            usual,
            Tile { rows: 2, groups: 2, channels: [2, 2], lanes: 32, uniform: true, staging: None },
            Tile { rows: 1, groups: 1, channels: [1, 8], staging: Some(2), ..usual },
            Tile { rows: 2, groups: 1, channels: [2, 4], staging: Some(1), ..usual },
        ])
    }

    fn activation(&mut self) -> Option<Activation> {
        let swish = |beta| Some(Activation::Swish { beta });
        self.one_of(&[None, Some(Activation::Relu), swish(5.0), swish(1.0)])
    }
}

/// A case under construction.
struct Sketch<'a> {
    random: &'a mut Random,
    table: BufferTable,
    contents: Vec<Vec<u32>>,
    rec: Recording,
}

/// Tensors of all replicas at multiples of 64 elements.
struct Arena {
    id: BufferId,
    offsets: Vec<u32>,
    /// Elements of one replica.
    stride: u32,
}

impl<'a> Sketch<'a> {
    fn new(random: &'a mut Random, replicas: u32, samples: u32) -> Self {
        let job = Job { samples, ..Job::default() };
        Self { random, table: BufferTable::default(), contents: Vec::new(), rec: Recording::new(replicas, job) }
    }

    fn finish(self, name: impl std::fmt::Display, all: &mut Vec<Case>) {
        let Self { table, contents, rec, .. } = self;
        let name = format!("{name}, {} replicas, {} samples", rec.replicas, rec.job.samples);
        all.push(Case { name, table, contents, recording: rec });
    }

    fn samples(&self) -> usize {
        self.rec.job.samples as usize
    }

    fn replicas(&self) -> usize {
        self.rec.replicas as usize
    }

    /// Samples of all replicas.
    fn all_samples(&self) -> usize {
        self.samples() * self.replicas()
    }

    fn add(&mut self, mut words: Vec<u32>) -> BufferId {
        let id = self.table.add(format!("buffer {}", self.contents.len()), ((words.len() + GUARDS) * 4) as u64);
        words.resize(self.table.spec(id).bytes as usize / 4, u32::MAX);
        self.contents.push(words);
        id
    }

    fn words(&mut self, words: &[u32]) -> Binding {
        let id = self.add(words.to_vec());
        self.table.whole(id)
    }

    fn floats(&mut self, values: &[f32]) -> Binding {
        let words: Vec<u32> = values.iter().map(|value| value.to_bits()).collect();
        self.words(&words)
    }

    fn random_floats(&mut self, count: usize, scale: f32) -> Binding {
        let values = self.random.floats(count, scale);
        self.floats(&values)
    }

    fn junk(&mut self, count: usize) -> Binding {
        self.floats(&vec![JUNK; count])
    }

    /// Planes whose rows end with zeros of either sign up to a whole vector, as kernels leave them.
    fn planes(&mut self, shape: Shape, values: &[f32]) -> Binding {
        let mut planes = shape.to_planes(values);
        let (row, plane) = (shape.row() as usize * 4, shape.plane() as usize * 4);
        let count = values.len() / (shape.height * shape.width) as usize;
        for (i, value) in planes[..count * plane].iter_mut().enumerate() {
            let (h, w) = (i % plane / row, i % row);
            if h > 0 && w >= 4 + shape.width as usize && self.random.below(2) == 0 {
                *value = -0.0;
            }
        }
        self.floats(&planes)
    }

    fn random_planes(&mut self, shape: Shape, scale: f32) -> Binding {
        let values = self.random.floats(self.all_samples() * shape.elements() as usize, scale);
        self.planes(shape, &values)
    }

    /// Planes of one batch for all replicas, where `shared`.
    fn input_planes(&mut self, shape: Shape, shared: bool) -> Binding {
        let samples = if shared { self.samples() } else { self.all_samples() };
        let values = self.random.floats(samples * shape.elements() as usize, 2.0);
        self.planes(shape, &values)
    }

    fn junk_planes(&mut self, shape: Shape) -> Binding {
        let values = vec![JUNK; self.all_samples() * shape.elements() as usize];
        self.floats(&shape.to_planes(&values))
    }

    /// An arena of tensors of so many elements each, with `value` everywhere. Its first 64 elements belong to nobody.
    fn arena(&mut self, elements: &[u32], mut value: impl FnMut(&mut Random) -> f32) -> Arena {
        let mut stride = 64;
        let offsets = elements.iter().map(|count| {
            let offset = stride;
            stride = (stride + count).next_multiple_of(64);
            offset
        });
        let offsets = offsets.collect();
        let words = (0..stride * self.rec.replicas).map(|_| value(self.random).to_bits()).collect();
        self.rec.job.parameter_stride = stride;
        Arena { id: self.add(words), offsets, stride }
    }

    fn junk_arena(&mut self, elements: &[u32]) -> Arena {
        self.arena(elements, |_| JUNK)
    }

    /// From a tensor to the arena's end.
    fn tensor(&self, arena: &Arena, tensor: usize) -> Binding {
        self.table.from(arena.id, u64::from(arena.offsets[tensor]) * 4)
    }

    /// Packed weights of some layers, random, bound from each one's place on.
    fn packed<const D: usize>(&mut self, layers: [([u32; 3], Direction); D]) -> [Binding; D] {
        let mut table = PackTable::default();
        // A layer before, so that no offset is 0.
        table.add([4, 1, 9], 0, Direction::Forward);
        let offsets = layers.map(|(dims, direction)| table.add(dims, 0, direction));
        self.rec.job.packed_stride = table.stride();
        let values = self.random.floats(table.stride() as usize * self.replicas(), 0.5);
        let words = values.into_iter().map(f32::to_bits).collect();
        let id = self.add(words);
        offsets.map(|offset| self.table.from(id, offset))
    }
}

fn describe(shape: Shape) -> String {
    format!("{}x{}x{}", shape.channels, shape.height, shape.width)
}

fn convolutions(random: &mut Random, all: &mut Vec<Case>) {
    // Layers of the networks, and whatever comes.
    let mut layers = vec![(3, 16, (32, 32), true), (16, 16, (32, 32), false), (32, 32, (16, 16), false)];
    layers.extend([(64, 64, (8, 8), false), (48, 64, (4, 4), false), (72, 40, (2, 2), false)]);
    for _ in 0..10 {
        layers.push((random.channels(), random.channels(), random.pixels(), random.below(3) == 0));
    }
    for (channels, out_channels, (height, width), shared_input) in layers {
        let conv = Conv { input: Shape::new(channels, height, width), out_channels, shared_input };
        let macs = conv.output().elements() * u64::from(channels) * 9;
        let (replicas, samples) = random.batch(macs);
        let name = format!("conv {} to {out_channels}", describe(conv.input));

        let mut sketch = Sketch::new(random, replicas, samples);
        let tile = sketch.random.tile();
        let x = sketch.input_planes(conv.input, shared_input);
        let [packed] = sketch.packed([(conv.weight_dims(), Direction::Forward)]);
        let y = sketch.junk_planes(conv.output());
        conv.forward(&mut sketch.rec, "forward", tile, [x, packed, y]);
        sketch.finish(format!("{name} forward{}", if shared_input { " of shared input" } else { "" }), all);

        for accumulate in [false, true] {
            let mut sketch = Sketch::new(random, replicas, samples);
            let tile = sketch.random.tile();
            let dy = sketch.random_planes(conv.output(), 2.0);
            let [packed] = sketch.packed([(conv.weight_dims(), Direction::InputGradient)]);
            let dx = if accumulate { sketch.random_planes(conv.input, 2.0) } else { sketch.junk_planes(conv.input) };
            conv.dinput(&mut sketch.rec, "by the input", tile, [dy, packed, dx], accumulate);
            sketch.finish(format!("{name} by the input{}", if accumulate { ", added" } else { "" }), all);
        }

        let mut sketch = Sketch::new(random, replicas, samples);
        let tile = sketch.random.tile();
        let x = sketch.input_planes(conv.input, shared_input);
        let dy = sketch.random_planes(conv.output(), 2.0);
        let partial = sketch.junk((conv.partial_bytes(samples) * u64::from(replicas) / 4) as usize);
        let gradients = sketch.junk_arena(&[5, conv.weights(), 70]);
        let gradient = sketch.tensor(&gradients, 1);
        conv.dweight(&mut sketch.rec, "by the weights", tile, [x, dy, partial, gradient]);
        sketch.finish(format!("{name} by the weights{}", if shared_input { " of shared input" } else { "" }), all);
    }
}

fn pairs(random: &mut Random, all: &mut Vec<Case>) {
    let mut layers = vec![(16, 32, (32, 32)), (32, 64, (16, 16))];
    for _ in 0..10 {
        layers.push((random.channels(), random.channels(), random.pixels()));
    }
    for (channels, out_channels, (height, width)) in layers {
        let conv = ConvDown { input: Shape::new(channels, height, width), out_channels };
        let (replicas, samples) = random.batch(conv.output().elements() * u64::from(channels) * 10);
        let name = format!("pair {} to {out_channels}", describe(conv.input));
        let dims = conv.weight_dims();

        let mut sketch = Sketch::new(random, replicas, samples);
        let tile = Tile { staging: None, ..sketch.random.tile() };
        let x = sketch.random_planes(conv.input, 2.0);
        let packed = sketch.packed(dims.map(|dims| (dims, Direction::Forward)));
        let y = [0; 2].map(|_| sketch.junk_planes(conv.output()));
        conv.forward(&mut sketch.rec, "forward", tile, x, packed, y);
        sketch.finish(format!("{name} forward"), all);

        let mut sketch = Sketch::new(random, replicas, samples);
        let tile = Tile { staging: None, ..sketch.random.tile() };
        let dy = [0; 2].map(|_| sketch.random_planes(conv.output(), 2.0));
        let packed = sketch.packed(dims.map(|dims| (dims, Direction::InputGradient)));
        let dx = sketch.junk_planes(conv.input);
        conv.dinput(&mut sketch.rec, "by the input", tile, dy, packed, dx);
        sketch.finish(format!("{name} by the input"), all);

        let mut sketch = Sketch::new(random, replicas, samples);
        let tile = Tile { staging: None, ..sketch.random.tile() };
        let x = sketch.random_planes(conv.input, 2.0);
        let dy = [0; 2].map(|_| sketch.random_planes(conv.output(), 2.0));
        let partial = conv.partial_bytes(samples).map(|bytes| sketch.junk((bytes * u64::from(replicas) / 4) as usize));
        let gradients = sketch.junk_arena(&conv.weights());
        let gradient = [0, 1].map(|tensor| sketch.tensor(&gradients, tensor));
        let tensors = conv_down::WeightGradient { x, dy, partial, gradient };
        conv.dweight(&mut sketch.rec, "by the weights", tile, tensors);
        sketch.finish(format!("{name} by the weights"), all);
    }
}

fn valid_convolutions(random: &mut Random, all: &mut Vec<Case>) {
    for (height, width, kernel) in [(32, 32, 32), (28, 28, 20), (17, 15, 5), (9, 20, 8), (6, 5, 1), (40, 37, 18)] {
        let conv = ConvValid { input: Shape::new(1, height, width), kernel };
        let (replicas, samples) = random.batch(conv.output().elements() * u64::from(conv.weights()));
        let name = format!("valid conv {height}x{width} with {kernel}x{kernel}");

        let mut sketch = Sketch::new(random, replicas, samples);
        let x = sketch.input_planes(conv.input, true);
        let row = kernel.next_multiple_of(4);
        let parameters = sketch.arena(&[3, conv.weights()], |random| random.float(1.0));
        // A row of the kernel ends with zeros.
        for (i, word) in sketch.contents[1].iter_mut().enumerate().take((parameters.stride * replicas) as usize) {
            let element = (i as u32 % parameters.stride).wrapping_sub(parameters.offsets[1]);
            if element < conv.weights() && element % row >= kernel {
                *word = 0;
            }
        }
        let weight = sketch.tensor(&parameters, 1);
        let y = sketch.junk_planes(conv.output());
        conv.forward(&mut sketch.rec, "forward", Tile::of_rows(4), [x, weight, y]);
        sketch.finish(format!("{name} forward"), all);

        let mut sketch = Sketch::new(random, replicas, samples);
        let x = sketch.input_planes(conv.input, true);
        let dy = sketch.random_planes(conv.output(), 2.0);
        let partial = sketch.junk((conv.partial_bytes(samples) * u64::from(replicas) / 4) as usize);
        let gradients = sketch.junk_arena(&[3, conv.weights()]);
        let gradient = sketch.tensor(&gradients, 1);
        conv.dweight(&mut sketch.rec, "by the kernel", [x, dy, partial, gradient]);
        sketch.finish(format!("{name} by the kernel"), all);
    }
}

fn packs(random: &mut Random, all: &mut Vec<Case>) {
    for _ in 0..3 {
        let (replicas, layers) = (1 + random.below(5), 1 + random.below(4));
        let dims: Vec<[u32; 3]> =
            (0..layers).map(|_| [random.channels(), random.channels(), random.one_of(&[1, 9])]).collect();
        let mut sketch = Sketch::new(random, replicas, 1);
        let elements: Vec<u32> = dims.iter().map(|dims| dims.iter().product()).collect();
        let parameters = sketch.arena(&elements, |random| random.float(1.0));
        let mut table = PackTable::default();
        for (dims, source) in dims.iter().zip(&parameters.offsets) {
            table.add(*dims, *source, Direction::Forward);
            table.add(*dims, *source, Direction::InputGradient);
        }
        sketch.rec.job.packed_stride = table.stride();
        let [layers, tiles] = [table.layer_bytes(), table.tile_bytes()].map(bytemuck::cast_slice);
        let (layers, tiles) = (sketch.words(layers), sketch.words(tiles));
        let packed = sketch.junk((table.stride() * replicas) as usize);
        let whole = sketch.table.whole(parameters.id);
        table.forward(&mut sketch.rec, [whole, layers, tiles, packed]);
        sketch.finish(format!("packed weights {dims:?}"), all);
    }
}

fn activations(random: &mut Random, all: &mut Vec<Case>) {
    let swish = |beta| Activation::Swish { beta };
    for kind in [Activation::Relu, swish(5.0), swish(1.0)] {
        for finite in [true, false] {
            let (height, width) = random.pixels();
            let shape = Shape::new(1 + random.below(5), height, width);
            let (replicas, samples) = random.batch(shape.elements() * 50);
            let mut sketch = Sketch::new(random, replicas, samples);
            let count = sketch.all_samples() * shape.elements() as usize;
            let mut values = sketch.random.floats(count, 8.0);
            // Far out, where the sigmoid is 0 or 1; subnormal; or beyond all numbers, where ReLU keeps NaN and Swish
            // makes it of -infinity alone.
            let far =
                if finite { [20.0, -20.0, 300.0, -1e30] } else { [f32::INFINITY, f32::NEG_INFINITY, 3e38, -1e35] };
            for value in values.iter_mut().step_by(3) {
                *value = sketch.random.one_of(&far);
            }
            if !finite && kind == Activation::Relu {
                values[0] = f32::NAN;
            }
            let y = sketch.planes(shape, &values);
            let (a, g) = (sketch.junk_planes(shape), sketch.random_planes(shape, 2.0));
            activation::forward(&mut sketch.rec, "forward", shape, kind, y, a);
            activation::backward(&mut sketch.rec, "backward", shape, kind, y, g);
            let name = format!("activation {kind} of {}", describe(shape));
            sketch.finish(format!("{name}{}", if finite { "" } else { ", not finite" }), all);
        }
    }
}

fn norms(random: &mut Random, all: &mut Vec<Case>) {
    let mut shapes = vec![(Shape::new(16, 16, 16), 3, 33), (Shape::new(5, 5, 7), 2, 65), (Shape::new(3, 1, 1), 4, 1)];
    shapes.push((Shape::new(2, 33, 33), 1, 40));
    for _ in 0..8 {
        let (height, width) = random.pixels();
        let shape = Shape::new(random.channels(), height, width);
        let (replicas, samples) = random.batch(shape.elements() * 20);
        shapes.push((shape, replicas, samples));
    }
    for (shape, replicas, samples) in shapes {
        let channels = shape.channels;
        let norm = BatchNorm { shape, activation: random.activation(), shortcut: random.below(2) == 0 };
        let kind = norm.activation.map_or("no activation".to_owned(), |activation| activation.to_string());
        let name =
            format!("batch norm {}, {kind}{}", describe(shape), if norm.shortcut { ", with a shortcut" } else { "" });
        let leaves = (norm.leaves(samples) * 2 * u64::from(replicas)) as usize;
        let coefficients = (channels * replicas * 4) as usize;

        let mut sketch = Sketch::new(random, replicas, samples);
        // Channels of very different mean and deviation.
        let plane = (shape.height * shape.width) as usize;
        let count = sketch.all_samples() * shape.elements() as usize;
        let mut values = sketch.random.floats(count, 1.0);
        for (i, value) in values.iter_mut().enumerate() {
            let c = i / plane % channels as usize;
            *value = (*value * [1.0, 0.01, 30.0, 0.0][c % 4]) + [0.0, 5.0, -100.0, 2.5][c % 4];
        }
        let y = sketch.planes(shape, &values);
        let leaf = sketch.junk(leaves);
        let parameters = sketch.arena(&[7, channels, channels], |random| random.float(2.0));
        let running_stride = 64 + 2 * channels.next_multiple_of(64);
        sketch.rec.job.running_stride = running_stride;
        let running: Vec<u32> =
            (0..running_stride * replicas).map(|_| sketch.random.float(1.0).abs().to_bits()).collect();
        let running = sketch.add(running);
        let bindings = batch_norm::Channels {
            scale: sketch.tensor(&parameters, 1),
            shift: sketch.tensor(&parameters, 2),
            running: sketch.table.from(running, 256),
            mean_to_variance: channels.next_multiple_of(64),
        };
        let [out, evaluated] = [0; 2].map(|_| sketch.junk(coefficients));
        norm.running(&mut sketch.rec, "for evaluation", bindings, evaluated);
        norm.statistics(&mut sketch.rec, "statistics", y, leaf, bindings, out);
        sketch.finish(format!("{name}, statistics"), all);

        let mut sketch = Sketch::new(random, replicas, samples);
        let y = sketch.random_planes(shape, 2.0);
        let shortcut = if norm.shortcut { sketch.random_planes(shape, 2.0) } else { y };
        let channel = sketch.random_floats(coefficients, 2.0);
        let a = sketch.junk_planes(shape);
        norm.apply(&mut sketch.rec, "forward", y, channel, shortcut, a);
        let g = sketch.random_planes(shape, 2.0);
        let leaf = sketch.junk(leaves);
        let gradients = sketch.junk_arena(&[7, channels, channels]);
        let tensors = batch_norm::Backward {
            y,
            coefficients: channel,
            shortcut,
            g,
            leaves: leaf,
            scale_gradient: sketch.tensor(&gradients, 1),
            scale_to_shift: gradients.offsets[2] - gradients.offsets[1],
            means: sketch.junk((channels * replicas * 2) as usize),
            dy: sketch.junk_planes(shape),
        };
        norm.backward(&mut sketch.rec, "backward", tensors);
        sketch.finish(format!("{name}, forward and backward"), all);
    }
}

fn pools(random: &mut Random, all: &mut Vec<Case>) {
    for i in 0..6 {
        let (height, width) = random.pixels();
        let pool = MaxPool { input: Shape::new(1 + random.below(6), height * 2, width * 2) };
        let (replicas, samples) = random.batch(pool.input.elements() * 10);
        let mut sketch = Sketch::new(random, replicas, samples);
        let count = sketch.all_samples() * pool.input.elements() as usize;
        // Half of the cases are full of ties.
        let values = if i % 2 == 0 { sketch.random.coarse(count) } else { sketch.random.floats(count, 2.0) };
        let x = sketch.planes(pool.input, &values);
        let (y, dy) = (sketch.junk_planes(pool.output()), sketch.random_planes(pool.output(), 2.0));
        let dx = sketch.junk_planes(pool.input);
        pool.forward(&mut sketch.rec, "forward", x, y);
        pool.backward(&mut sketch.rec, "backward", [x, dy, dx]);
        sketch.finish(format!("max pool of {}", describe(pool.input)), all);

        let shape = Shape::new(random.channels(), height, width);
        let (replicas, samples) = random.batch(shape.elements() * 10);
        let mut sketch = Sketch::new(random, replicas, samples);
        let a = sketch.random_planes(shape, 2.0);
        let features = sketch.all_samples() * shape.channels as usize;
        let (out, dfeatures) = (sketch.junk(features), sketch.random_floats(features, 2.0));
        let g = sketch.junk_planes(shape);
        pool::forward(&mut sketch.rec, "forward", shape, a, out);
        pool::backward(&mut sketch.rec, "backward", shape, dfeatures, g);
        sketch.finish(format!("average pool of {}", describe(shape)), all);
    }
}

fn inputs(random: &mut Random, all: &mut Vec<Case>) {
    for (channels, height, width) in [(3, 32, 32), (1, 28, 28), (2, 5, 7)] {
        let shape = Shape::new(channels, height, width);
        let (replicas, samples) = random.batch(shape.elements() * 50);
        let mut sketch = Sketch::new(random, replicas, samples);
        let words = (batch_input::image_bytes(shape, samples) / 4) as usize;
        let bytes: Vec<u32> = (0..words).map(|_| sketch.random.word()).collect();
        let choices: Vec<u32> = (0..samples)
            .map(|_| sketch.random.below(9) | sketch.random.below(9) << 8 | sketch.random.below(2) << 16)
            .collect();
        let normalization: Vec<f32> =
            (0..channels).flat_map(|_| [sketch.random.float(0.5), 0.2 + sketch.random.float(0.1)]).collect();
        let bindings = batch_input::Bindings {
            bytes: sketch.words(&bytes),
            choices: sketch.words(&choices),
            normalization: sketch.floats(&normalization),
            x: {
                let values = vec![JUNK; (u64::from(samples) * shape.elements()) as usize];
                sketch.planes(shape, &values)
            },
        };
        batch_input::forward(&mut sketch.rec, shape, 117, bindings);
        sketch.finish(format!("batch of {}", describe(shape)), all);
    }
}

fn heads(random: &mut Random, all: &mut Vec<Case>) {
    for (inputs, units) in [(64, 10), (5, 3), (17, 1), (512, 10), (33, 21)] {
        let dense = Dense { inputs, units };
        let (replicas, samples) = random.batch(u64::from(inputs * units) * 3);
        let mut sketch = Sketch::new(random, replicas, samples);
        let n = sketch.all_samples();
        let features = sketch.random_floats(n * inputs as usize, 2.0);
        let parameters = sketch.arena(&[9, inputs * units, units], |random| random.float(1.0));
        let gradients = sketch.junk_arena(&[9, inputs * units, units]);
        let logits = sketch.junk(n * units as usize);
        let (weight, bias) = (sketch.tensor(&parameters, 1), sketch.tensor(&parameters, 2));
        dense.forward(&mut sketch.rec, "forward", [features, weight, bias, logits]);
        let dlogits = sketch.random_floats(n * units as usize, 1.0);
        let dfeatures = sketch.junk(n * inputs as usize);
        dense.dinput(&mut sketch.rec, "by the features", [dlogits, weight, dfeatures]);
        let gradient = sketch.tensor(&gradients, 1);
        let to_bias = gradients.offsets[2] - gradients.offsets[1];
        dense.dweight(&mut sketch.rec, "by the weights", [features, dlogits, gradient], to_bias);
        sketch.finish(format!("dense {inputs} to {units}"), all);
    }
    for (classes, scale, beyond) in [
        (10, 3.0, 0.0),
        (3, 200.0, 0.0),
        (21, 1e38, 0.0),
        (10, 3.0, f32::INFINITY),
        (1, 3.0, 0.0),
        (1, 300.0, f32::NAN),
    ] {
        let loss = if classes == 1 { Loss::SigmoidBinaryCrossEntropy } else { Loss::SoftmaxCrossEntropy };
        let (replicas, samples) = random.batch(u64::from(classes) * 1000);
        let mut sketch = Sketch::new(random, replicas, samples);
        let n = sketch.all_samples();
        let mut logits = sketch.random.floats(n * classes as usize, scale);
        if beyond != 0.0 {
            logits[0] = -beyond;
        }
        let labels: Vec<u32> = (0..samples).map(|_| sketch.random.below(classes.max(2))).collect();
        let bindings = cross_entropy::Bindings {
            logits: sketch.floats(&logits),
            labels: sketch.words(&labels),
            dlogits: sketch.junk(n * classes as usize),
            scores: sketch.junk(n * 2),
            totals: sketch.junk(replicas as usize * 2),
        };
        cross_entropy::forward(&mut sketch.rec, loss, classes, bindings);
        let note = if beyond == 0.0 { "" } else { ", not finite" };
        sketch.finish(format!("loss of {classes} classes, logits to {scale}{note}"), all);
    }
}

fn updates(random: &mut Random, all: &mut Vec<Case>) {
    let steps = [
        // weight decay, momentum, keep, nesterov
        [5e-4, 0.9, 0.9, 1.0],
        [5e-4, 0.9, 0.0, 1.0],
        [0.0, 0.9, 0.9, 0.0],
        [1e-4, 0.0, 0.0, 0.0],
        [1e-4, 0.0, 0.0, 1.0],
    ];
    for (i, [weight_decay, momentum, keep, nesterov]) in steps.into_iter().enumerate() {
        for perturbation in [Perturbation::Divide, Perturbation::Reciprocal] {
            for scale in [1.0, 1e-36] {
                let replicas = 1 + random.below(6);
                let mut sketch = Sketch::new(random, replicas, 1);
                let elements = [3 + 16 * i as u32, 300];
                let gradients = sketch.arena(&elements, |random| random.float(scale));
                let parameters = sketch.arena(&elements, |random| random.float(scale));
                // Before the first step the buffer holds what it likes.
                let momenta =
                    sketch.arena(&elements, |random| if keep == 0.0 { f32::NAN } else { random.float(scale) });
                let step = [weight_decay, momentum, keep, nesterov];
                let step = StepValues { weight_decay: step[0], momentum: step[1], keep: step[2], nesterov: step[3] };
                let values: Vec<ReplicaValues> =
                    (0..replicas).map(|_| ReplicaValues::new(1 + sketch.random.below(63), 0.1, perturbation)).collect();
                let bindings = sgd::Bindings {
                    gradients: sketch.table.whole(gradients.id),
                    step: sketch.words(bytemuck::cast_slice(&[step])),
                    replicas: sketch.words(bytemuck::cast_slice(&values)),
                    parameters: sketch.table.whole(parameters.id),
                    momenta: sketch.table.whole(momenta.id),
                };
                sgd::update(&mut sketch.rec, perturbation, bindings);
                let note = if scale == 1.0 { "" } else { ", subnormal" };
                let name = format!("update {perturbation:?}, decay {weight_decay}, momentum {momentum}, kept {keep}");
                sketch.finish(format!("{name}, nesterov {nesterov}{note}"), all);
            }
        }
    }
}

fn measurements(random: &mut Random, all: &mut Vec<Case>) {
    for i in 0..3 {
        let (replicas, n_tensors) = (1 + random.below(5), 1 + random.below(5));
        let mut sketch = Sketch::new(random, replicas, 1);
        let elements: Vec<u32> =
            (0..n_tensors).map(|_| 1 + sketch.random.below(if i == 2 { 20_000 } else { 700 })).collect();
        let reference = sketch.arena(&elements, |_| 0.0);
        let [parameters, momenta] = [0; 2].map(|_| sketch.arena(&elements, |_| 0.0));
        let stride = reference.stride as usize;
        // What lies between tensors stays zero. The first replica is the reference; others are near it, or far.
        for (offset, count) in reference.offsets.iter().zip(&elements) {
            for e in (*offset..offset + count).map(|e| e as usize) {
                let value = sketch.random.float(2.0);
                sketch.contents[0][e] = value.to_bits();
                for r in 0..replicas as usize {
                    let bits = match sketch.random.below(8) {
                        0 => sketch.random.float(2.0).to_bits(),
                        1 => sketch.random.float(1e38).to_bits(),
                        2 => (value * 1e-37).to_bits(),
                        3 if i == 1 => sketch.random.one_of(&[f32::INFINITY, f32::NEG_INFINITY]).to_bits(),
                        4 => value.to_bits() ^ sketch.random.below(4),
                        _ => value.to_bits(),
                    };
                    sketch.contents[1][r * stride + e] = if r == 0 { value.to_bits() } else { bits };
                    sketch.contents[2][r * stride + e] = sketch.random.float(1.0).to_bits();
                }
            }
        }
        let n_blocks = reference.stride / divergence::BLOCK;
        let mut tensors = Vec::new();
        let mut places = vec![[0; 4]; n_blocks as usize];
        for (t, (offset, count)) in reference.offsets.iter().zip(&elements).enumerate() {
            let (first, blocks) = (offset / divergence::BLOCK, count.div_ceil(divergence::BLOCK));
            tensors.extend([first, blocks, *count, 0]);
            for block in 0..blocks {
                let index = block * divergence::BLOCK;
                places[(first + block) as usize] = [t as u32, index, (count - index).min(divergence::BLOCK), 0];
            }
        }
        let [whole, reference, momenta] = [parameters.id, reference.id, momenta.id].map(|id| sketch.table.whole(id));
        let blocks = sketch.junk((n_blocks * replicas) as usize * divergence::BLOCK_BYTES as usize / 4);
        let tensors = sketch.words(&tensors);
        let results = sketch.junk((replicas * n_tensors * 8) as usize);
        divergence::measure(&mut sketch.rec, n_tensors, [whole, reference, blocks, tensors, results]);
        let places = sketch.words(places.as_flattened());
        let blocks = sketch.junk((n_blocks * replicas * 2) as usize);
        let results = sketch.junk(replicas as usize * 2);
        fingerprint::measure(&mut sketch.rec, [whole, momenta, places, blocks, results]);
        let (element, replica) = (sketch.random.below(stride as u32), sketch.random.below(replicas));
        flip_bit::flip(&mut sketch.rec, whole, element, replica);
        sketch.finish(format!("divergence and fingerprint of {elements:?}"), all);

        let mut sketch = Sketch::new(random, replicas, 1);
        sketch.rec.job.running_stride = 64 * (1 + sketch.random.below(5));
        let stride = sketch.rec.job.running_stride as usize;
        let mut values = sketch.random.floats(stride * replicas as usize, 1.0);
        for arena in values.chunks_mut(stride).skip(1) {
            for beyond in [f32::NAN, f32::INFINITY] {
                arena[sketch.random.below(stride as u32) as usize] = beyond;
            }
        }
        let (running, firsts) = (sketch.floats(&values), sketch.junk(replicas as usize));
        not_finite::search(&mut sketch.rec, [running, firsts]);
        sketch.finish("what is not finite", all);
    }
}

fn kernel(shader: Shader, constants: &[(&'static str, u32)]) -> Kernel {
    let constants: Vec<(&str, Constant)> = constants.iter().map(|(name, value)| (*name, (*value).into())).collect();
    Kernel::new(shader, &constants)
}

/// The differential equations, whose launches `core/src/pde/` records.
fn equations(random: &mut Random, all: &mut Vec<Case>) {
    let stop_bits = 1e15_f32.to_bits();
    for (points, steps) in [(31, 50), (3, 7), (200, 20), (31, 0)] {
        let replicas = 1 + random.below(5);
        let mut sketch = Sketch::new(random, replicas, 1);
        let rates: Vec<f32> =
            (0..replicas).map(|r| if r == 1 { 30.0 } else { 0.5 + sketch.random.float(0.1) }).collect();
        let bindings = [
            sketch.words(&[25]),
            sketch.floats(&rates),
            sketch.random_floats((replicas * points) as usize, 2.0),
            sketch.words(&[3, u32::MAX].repeat(replicas as usize)),
        ];
        let kernel = kernel(Shader::HeatSteps, &[("POINTS", points), ("STOP_BITS", stop_bits)]);
        sketch.rec.dispatch_with("heat", kernel, &bindings, 1, Work::default(), &[steps]);
        sketch.finish(format!("heat of {points} points, {steps} steps"), all);
    }
    for side in [3, 8, 20] {
        let replicas = 2 + random.below(4);
        let mut sketch = Sketch::new(random, replicas, 1);
        let elements = side * u32::next_multiple_of(side, 4);
        let parameters = sketch.arena(&[], |_| 0.0);
        let stride = parameters.stride.max(elements.next_multiple_of(64));
        sketch.rec.job.parameter_stride = stride;
        let r = replicas as usize;
        let mut values = sketch.random.floats(stride as usize * r, 2.0);
        // Another replica that is near, and one that is beyond the bound.
        for e in 0..stride as usize {
            values[stride as usize + e] = f32::from_bits(values[e].to_bits() ^ sketch.random.below(3));
        }
        *values.last_mut().expect("a value") = 0.0;
        values[(r - 1) * stride as usize] = 2e15;
        let parameters = sketch.floats(&values);
        let gram = sketch.random_floats(stride as usize * r, 2.0);
        let source = sketch.random_floats(elements as usize, 2.0);
        let dots = sketch.junk(r);
        let constants = [("ELEMENTS", elements)];
        sketch.rec.dispatch(
            "inner product",
            kernel(Shader::PdeSourceDot, &constants),
            &[parameters, source, dots],
            1,
            Work::default(),
        );
        let coefficients: Vec<f32> = (0..replicas)
            .flat_map(|r| {
                let dt = if r == 0 { 0.0 } else { 0.01 };
                [dt, 20.0, sketch.random.float(1.0), -0.25, 0.125, 0.0, 0.0, 0.0]
            })
            .collect();
        let coefficients = sketch.floats(&coefficients);
        sketch.rec.dispatch(
            "update",
            kernel(Shader::PdeLinearUpdate, &constants),
            &[gram, source, dots, coefficients, parameters],
            workgroups(u64::from(elements)),
            Work::default(),
        );
        let watches: Vec<u32> = (0..replicas).flat_map(|r| [r % 3, 0]).collect();
        let bindings = [
            parameters,
            sketch.random_floats(r * 2, 1.0),
            sketch.words(&watches),
            coefficients,
            sketch.junk(3 * r * 8),
        ];
        let constants = [("KERNEL", side), ("ELEMENTS", elements), ("STOP_BITS", stop_bits)];
        sketch.rec.dispatch_with(
            "measure",
            kernel(Shader::PdeMeasure, &constants),
            &bindings,
            1,
            Work::default(),
            &[replicas, 8, 0],
        );
        sketch.finish(format!("linear equation, kernel of {side}x{side}"), all);
    }
}

/// What the benchmarks measure. These kernels fill what is bound to them, which is therefore bound without its guards.
fn rates(random: &mut Random, all: &mut Vec<Case>) {
    let mut sketch = Sketch::new(random, 1, 1);
    let tiles = 3;
    let results = Binding { bytes: u64::from(tiles) * 64 * 4, ..sketch.junk(tiles as usize * 64) };
    sketch.rec.dispatch("fma", kernel(Shader::FmaRate, &[("ROUNDS", 5)]), &[results], tiles, Work::shared(0, 0));
    let words: Vec<u32> = (0..tiles * 64 * 4).map(|_| sketch.random.word()).collect();
    let bytes = words.len() as u64 * 4;
    let [from, to] = [sketch.words(&words), sketch.junk(words.len())].map(|binding| Binding { bytes, ..binding });
    sketch.rec.dispatch("copy", kernel(Shader::CopyRate, &[]), &[from, to], tiles, Work::shared(0, 0));
    sketch.finish("rates", all);
    for function in 0..5 {
        let mut sketch = Sketch::new(random, 3, 1);
        let values: Vec<f32> = (0..100).map(|_| sketch.random.float(40.0).abs() + 1e-3).collect();
        let count = values.len();
        let values = sketch.floats(&values);
        let results = sketch.junk(3 * count);
        let kernel = kernel(Shader::SharedFunctions, &[("FUNCTION", function)]);
        let tiles = workgroups(count as u64);
        let work = Work::default();
        sketch.rec.dispatch_with("map", kernel, &[values, results], tiles, work, &[count as u32]);
        sketch.finish(format!("shared function {function}"), all);
    }
}
