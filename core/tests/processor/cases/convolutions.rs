//! Cases of the convolutions.

use lastbit_core::ops::conv_down::{self, ConvDown};
use lastbit_core::ops::conv_valid::ConvValid;
use lastbit_core::ops::pack::{Direction, PackTable};
use lastbit_core::ops::{Conv, Conv1x1, Shape, Tile};

use super::random::Random;
use super::sketch::Sketch;
use super::{Case, describe};

pub(super) fn convolutions(random: &mut Random, all: &mut Vec<Case>) {
    // Layers of the networks, then random ones.
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

pub(super) fn pointwise(random: &mut Random, all: &mut Vec<Case>) {
    let mut layers = vec![(16, 64, (32, 32)), (12, 48, (16, 16)), (64, 32, (8, 8)), (20, 24, (4, 4)), (5, 7, (7, 8))];
    for _ in 0..8 {
        layers.push((random.channels(), random.channels(), random.pixels()));
    }
    for (channels, out_channels, (height, width)) in layers {
        let conv = Conv1x1 { input: Shape::new(channels, height, width), out_channels };
        let (replicas, samples) = random.batch(conv.output().elements() * u64::from(channels));
        let name = format!("1x1 conv {} to {out_channels}", describe(conv.input));

        let mut sketch = Sketch::new(random, replicas, samples);
        let tile = Tile { staging: None, ..sketch.random.tile() };
        let x = sketch.random_planes(conv.input, 2.0);
        let [packed] = sketch.packed([(conv.weight_dims(), Direction::Forward)]);
        let y = sketch.junk_planes(conv.output());
        conv.forward(&mut sketch.rec, "forward", tile, [x, packed, y]);
        sketch.finish(format!("{name} forward"), all);

        for accumulate in [false, true] {
            let mut sketch = Sketch::new(random, replicas, samples);
            let tile = Tile { staging: None, ..sketch.random.tile() };
            let dy = sketch.random_planes(conv.output(), 2.0);
            let [packed] = sketch.packed([(conv.weight_dims(), Direction::InputGradient)]);
            let dx = if accumulate { sketch.random_planes(conv.input, 2.0) } else { sketch.junk_planes(conv.input) };
            conv.dinput(&mut sketch.rec, "by the input", tile, [dy, packed, dx], accumulate);
            sketch.finish(format!("{name} by the input{}", if accumulate { ", added" } else { "" }), all);
        }

        let mut sketch = Sketch::new(random, replicas, samples);
        let tile = Tile { staging: None, ..sketch.random.tile() };
        let (x, dy) = (sketch.random_planes(conv.input, 2.0), sketch.random_planes(conv.output(), 2.0));
        let partial = sketch.junk((conv.partial_bytes(samples) * u64::from(replicas) / 4) as usize);
        let gradients = sketch.junk_arena(&[5, conv.weights(), 70]);
        let gradient = sketch.tensor(&gradients, 1);
        conv.dweight(&mut sketch.rec, "by the weights", tile, [x, dy, partial, gradient]);
        sketch.finish(format!("{name} by the weights"), all);
    }
}

pub(super) fn pairs(random: &mut Random, all: &mut Vec<Case>) {
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

pub(super) fn valid_convolutions(random: &mut Random, all: &mut Vec<Case>) {
    for (height, width, kernel) in [(32, 32, 32), (28, 28, 20), (17, 15, 5), (9, 20, 8), (6, 5, 1), (40, 37, 18)] {
        let conv = ConvValid { input: Shape::new(1, height, width), kernel };
        let (replicas, samples) = random.batch(conv.output().elements() * u64::from(conv.weights()));
        let name = format!("valid conv {height}x{width} with {kernel}x{kernel}");

        let mut sketch = Sketch::new(random, replicas, samples);
        let x = sketch.input_planes(conv.input, true);
        let row = kernel.next_multiple_of(4);
        let parameters = sketch.arena(&[3, conv.weights()], |random| random.float(1.0));
        // Each row of the kernel is padded with zeros.
        for (i, word) in sketch.contents[1].iter_mut().enumerate().take((parameters.stride * replicas) as usize) {
            let element = (i as u32 % parameters.stride).wrapping_sub(parameters.offsets[1]);
            if element < conv.weights() && element % row >= kernel {
                *word = 0;
            }
        }
        let weight = sketch.tensor(&parameters, 1);
        let y = sketch.junk_planes(conv.output());
        conv.forward(&mut sketch.rec, "forward", Tile::with_rows(4), [x, weight, y]);
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

pub(super) fn packs(random: &mut Random, all: &mut Vec<Case>) {
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
