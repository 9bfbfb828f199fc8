//! Cases of activations and batch norm.

use lastbit_core::ops::batch_norm::{self, BatchNorm};
use lastbit_core::ops::bias::{self, Bias};
use lastbit_core::ops::group_norm::{self, GroupNorm};
use lastbit_core::ops::{Activation, Shape, activation, add, gate};

use super::random::Random;
use super::sketch::Sketch;
use super::{Case, describe};

pub(super) fn activations(random: &mut Random, all: &mut Vec<Case>) {
    let swish = |beta| Activation::Swish { beta };
    for kind in [Activation::Relu, swish(5.0), swish(1.0), Activation::Tanh] {
        for finite in [true, false] {
            let (height, width) = random.pixels();
            let shape = Shape::new(1 + random.below(5), height, width);
            let (replicas, samples) = random.batch(shape.elements() * 50);
            let mut sketch = Sketch::new(random, replicas, samples);
            let count = sketch.all_samples() * shape.elements() as usize;
            let mut values = sketch.random.floats(count, 8.0);
            // Values at which the sigmoid is 0 or 1, or values that are not finite: ReLU and tanh keep NaN, and Swish gives
            // NaN only for -infinity.
            let far =
                if finite { [20.0, -20.0, 300.0, -1e30] } else { [f32::INFINITY, f32::NEG_INFINITY, 3e38, -1e35] };
            for value in values.iter_mut().step_by(3) {
                *value = sketch.random.one_of(&far);
            }
            if !finite && matches!(kind, Activation::Relu | Activation::Tanh) {
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

pub(super) fn sums(random: &mut Random, all: &mut Vec<Case>) {
    for _ in 0..3 {
        let (height, width) = random.pixels();
        let shape = Shape::new(1 + random.below(5), height, width);
        let (replicas, samples) = random.batch(shape.elements() * 10);
        let mut sketch = Sketch::new(random, replicas, samples);
        let [a, b] = [(); 2].map(|()| sketch.random_planes(shape, 2.0));
        let sum = sketch.junk_planes(shape);
        let elements = u64::from(samples * shape.channels * shape.plane() * 4);
        add::add(&mut sketch.rec, "planes", elements, [a, b, sum]);
        let features = sketch.samples() * shape.channels as usize;
        let count = features * sketch.replicas();
        let [a, b] = [(); 2].map(|()| sketch.random_floats(count, 2.0));
        let sum = sketch.junk(count);
        add::add(&mut sketch.rec, "features", features as u64, [a, b, sum]);
        sketch.finish(format!("sums of {}", describe(shape)), all);
    }
}

pub(super) fn gates(random: &mut Random, all: &mut Vec<Case>) {
    for finite in [true, false] {
        let (height, width) = random.pixels();
        let shape = Shape::new(1 + random.below(5), height, width);
        let (replicas, samples) = random.batch(shape.elements() * 10);
        let mut sketch = Sketch::new(random, replicas, samples);
        let count = sketch.all_samples() * shape.elements() as usize;
        let [switches, x] = [(); 2].map(|()| {
            let mut values = sketch.random.floats(count, 2.0);
            let special = if finite { [0.0, -0.0, 1e-42] } else { [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] };
            for value in values.iter_mut().step_by(4) {
                *value = sketch.random.one_of(&special);
            }
            sketch.planes(shape, &values)
        });
        let elements = u64::from(samples * shape.channels * shape.plane() * 4);
        for x in [switches, x] {
            let out = sketch.junk_planes(shape);
            gate::gate(&mut sketch.rec, "planes", elements, [switches, x, out]);
        }
        // More elements than a piece of the twin.
        let features = 40_001;
        let count = features * sketch.replicas();
        let [switches, x] = [(); 2].map(|()| sketch.random_floats(count, 2.0));
        let out = sketch.junk(count);
        gate::gate(&mut sketch.rec, "features", features as u64, [switches, x, out]);
        sketch.finish(format!("gates of {}{}", describe(shape), if finite { "" } else { ", not finite" }), all);
    }
}

pub(super) fn biases(random: &mut Random, all: &mut Vec<Case>) {
    for _ in 0..6 {
        let (height, width) = random.pixels();
        let shape = Shape::new(random.channels(), height, width);
        let (replicas, samples) = random.batch(shape.elements() * 20);
        let layer = Bias { shape, activation: random.activation(), shortcut: random.below(2) == 0 };
        let mut sketch = Sketch::new(random, replicas, samples);
        let y = sketch.random_planes(shape, 2.0);
        let shortcut = if layer.shortcut { sketch.random_planes(shape, 2.0) } else { y };
        let parameters = sketch.arena(&[7, shape.channels], |random| random.float(2.0));
        let bias = sketch.tensor(&parameters, 1);
        let coefficients = sketch.junk((shape.channels * replicas * 4) as usize);
        layer.coefficients(&mut sketch.rec, "coefficients", bias, coefficients);
        let a = sketch.junk_planes(shape);
        layer.norm().apply(&mut sketch.rec, "forward", y, coefficients, shortcut, a);
        let gradients = sketch.junk_arena(&[7, shape.channels]);
        let tensors = bias::Backward {
            y,
            coefficients,
            shortcut,
            g: sketch.random_planes(shape, 2.0),
            leaves: sketch.junk((layer.leaves(samples) * 2 * u64::from(replicas)) as usize),
            gradient: sketch.tensor(&gradients, 1),
        };
        layer.backward(&mut sketch.rec, "backward", tensors);
        sketch.finish(format!("bias {}", describe(shape)), all);
    }
}

pub(super) fn group_norms(random: &mut Random, all: &mut Vec<Case>) {
    let mut shapes = vec![(Shape::new(16, 32, 32), 2, 3), (Shape::new(5, 5, 7), 2, 9), (Shape::new(6, 1, 1), 4, 1)];
    shapes.push((Shape::new(40, 8, 8), 1, 5));
    for _ in 0..8 {
        let (height, width) = random.pixels();
        let shape = Shape::new(random.channels(), height, width);
        let (replicas, samples) = random.batch(shape.elements() * 20);
        shapes.push((shape, replicas, samples));
    }
    for (shape, replicas, samples) in shapes {
        let channels = shape.channels;
        let norm = GroupNorm { shape, activation: random.activation(), shortcut: random.below(2) == 0 };
        let name = format!("group norm {}", describe(shape));
        let planes = (channels * samples * replicas) as usize;

        let mut sketch = Sketch::new(random, replicas, samples);
        // Means and deviations differ widely between channels.
        let pixels = (shape.height * shape.width) as usize;
        let mut values = sketch.random.floats(planes * pixels, 1.0);
        for (i, value) in values.iter_mut().enumerate() {
            let c = i / pixels % channels as usize;
            *value = (*value * [1.0, 0.01, 30.0, 0.0][c % 4]) + [0.0, 5.0, -100.0, 2.5][c % 4];
        }
        let y = sketch.planes(shape, &values);
        let parameters = sketch.arena(&[7, channels, channels], |random| random.float(2.0));
        let (scale, shift) = (sketch.tensor(&parameters, 1), sketch.tensor(&parameters, 2));
        let out = sketch.junk(planes * 4);
        norm.statistics(&mut sketch.rec, "statistics", [y, scale, shift, out]);
        sketch.finish(format!("{name}, statistics"), all);

        let mut sketch = Sketch::new(random, replicas, samples);
        let y = sketch.random_planes(shape, 2.0);
        let shortcut = if norm.shortcut { sketch.random_planes(shape, 2.0) } else { y };
        let coefficients = sketch.random_floats(planes * 4, 2.0);
        let a = sketch.junk_planes(shape);
        norm.apply(&mut sketch.rec, "forward", [y, coefficients, shortcut, a]);
        let parameters = sketch.arena(&[7, channels, channels], |random| random.float(2.0));
        let gradients = sketch.junk_arena(&[7, channels, channels]);
        let tensors = group_norm::Backward {
            y,
            coefficients,
            shortcut,
            g: sketch.random_planes(shape, 2.0),
            sums: sketch.junk(planes * 2),
            scale: sketch.tensor(&parameters, 1),
            scale_gradient: sketch.tensor(&gradients, 1),
            scale_to_shift: gradients.offsets[2] - gradients.offsets[1],
            means: sketch.junk((norm.groups() * samples * replicas) as usize * 2),
            dy: sketch.junk_planes(shape),
        };
        norm.backward(&mut sketch.rec, "backward", tensors);
        sketch.finish(format!("{name}, forward and backward"), all);
    }
}

pub(super) fn norms(random: &mut Random, all: &mut Vec<Case>) {
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
        // Means and deviations differ widely between channels.
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
        let bindings = batch_norm::ChannelBindings {
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
