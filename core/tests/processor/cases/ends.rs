//! Cases of the input, the dense layer and the losses.

use lastbit_core::ops::cross_entropy::{self, Loss};
use lastbit_core::ops::dense::Dense;
use lastbit_core::ops::flatten::Flatten;
use lastbit_core::ops::{Activation, Shape, activation, batch_input};

use super::random::Random;
use super::sketch::Sketch;
use super::{Case, JUNK, describe};

pub(super) fn inputs(random: &mut Random, all: &mut Vec<Case>) {
    for (channels, height, width) in [(3, 32, 32), (1, 28, 28), (2, 5, 7)] {
        let shape = Shape::new(channels, height, width);
        let (replicas, samples) = random.batch(shape.elements() * 50);
        let mut sketch = Sketch::new(random, replicas, samples);
        let words = (batch_input::image_bytes(shape, samples) / 4) as usize;
        let bytes: Vec<u32> = (0..words).map(|_| sketch.random.word()).collect();
        let choices: Vec<u32> = (0..samples)
            .map(|_| sketch.random.below(9) | sketch.random.below(9) << 8 | sketch.random.below(2) << 16)
            .collect();
        let normalization: Vec<_> =
            (0..channels).map(|_| [sketch.random.float(0.5), 0.2 + sketch.random.float(0.1)]).collect();
        let bindings = batch_input::Bindings {
            bytes: sketch.words(&bytes),
            choices: sketch.words(&choices),
            levels: sketch.floats(&batch_input::levels(&normalization)),
            x: {
                let values = vec![JUNK; (u64::from(samples) * shape.elements()) as usize];
                sketch.planes(shape, &values)
            },
        };
        batch_input::forward(&mut sketch.rec, shape, 117, bindings);
        sketch.finish(format!("batch of {}", describe(shape)), all);
    }
}

pub(super) fn features(random: &mut Random, all: &mut Vec<Case>) {
    for shared_input in [false, true, false, true] {
        let (height, width) = random.pixels();
        let flatten = Flatten { input: Shape::new(1 + random.below(5), height, width), shared_input };
        let (replicas, samples) = random.batch(flatten.input.elements() * 20);
        let mut sketch = Sketch::new(random, replicas, samples);
        let x = sketch.input_planes(flatten.input, shared_input);
        let samples = if shared_input { sketch.samples() } else { sketch.all_samples() };
        let count = samples * flatten.input.elements() as usize;
        let features = sketch.junk(count);
        flatten.forward(&mut sketch.rec, "forward", x, features);
        if !shared_input {
            let (dfeatures, g) = (sketch.random_floats(count, 2.0), sketch.junk_planes(flatten.input));
            flatten.backward(&mut sketch.rec, "backward", dfeatures, g);
        }
        sketch.finish(format!("flatten {}", describe(flatten.input)), all);
    }
    for kind in [Activation::Relu, Activation::Swish { beta: 5.0 }, Activation::Tanh] {
        let elements = 1 + random.below(3000);
        let (replicas, _) = random.batch(u64::from(elements) * 50);
        let mut sketch = Sketch::new(random, replicas, 1);
        let count = sketch.replicas() * elements as usize;
        let (z, g) = (sketch.random_floats(count, 8.0), sketch.random_floats(count, 2.0));
        let a = sketch.junk(count);
        activation::forward_features(&mut sketch.rec, "forward", elements.into(), kind, z, a);
        activation::backward_features(&mut sketch.rec, "backward", elements.into(), kind, z, g);
        sketch.finish(format!("activation {kind} of {elements} features"), all);
    }
}

pub(super) fn heads(random: &mut Random, all: &mut Vec<Case>) {
    // The last ones have several panels of the twins' products, in every direction.
    for (inputs, units, shared_input) in [
        (64, 10, false),
        (5, 3, true),
        (17, 1, false),
        (512, 10, true),
        (33, 21, false),
        (387, 40, true),
        (70, 390, false),
    ] {
        let dense = Dense { inputs, units, shared_input };
        let (replicas, samples) = random.batch(u64::from(inputs * units) * 3);
        let mut sketch = Sketch::new(random, replicas, samples);
        let n = sketch.all_samples();
        let samples_of_features = if shared_input { sketch.samples() } else { n };
        let features = sketch.random_floats(samples_of_features * inputs as usize, 2.0);
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
        sketch.finish(format!("dense {inputs} to {units}{}", if shared_input { ", one input" } else { "" }), all);
    }
    // More samples than a panel has steps.
    let dense = Dense { inputs: 5, units: 67, shared_input: false };
    let mut sketch = Sketch::new(random, 2, 400);
    let n = sketch.all_samples();
    let (features, dlogits) = (sketch.random_floats(n * 5, 2.0), sketch.random_floats(n * 67, 1.0));
    let gradients = sketch.junk_arena(&[5 * 67, 67]);
    let (gradient, to_bias) = (sketch.tensor(&gradients, 0), gradients.offsets[1] - gradients.offsets[0]);
    dense.dweight(&mut sketch.rec, "by the weights", [features, dlogits, gradient], to_bias);
    sketch.finish("dense weight gradient of many samples", all);
    for (classes, scale, beyond) in [
        (10, 3.0, 0.0),
        (3, 200.0, 0.0),
        (21, 1e38, 0.0),
        (10, 3.0, f32::INFINITY),
        (1, 3.0, 0.0),
        (1, 300.0, f32::NAN),
    ] {
        let of_classes: &[Loss] = match classes {
            1 => &[Loss::SigmoidBinaryCrossEntropy],
            _ => &[Loss::SoftmaxCrossEntropy, Loss::SquaredError],
        };
        losses(random, all, of_classes, (classes, scale, beyond));
    }
}

fn losses(random: &mut Random, all: &mut Vec<Case>, of_classes: &[Loss], (classes, scale, beyond): (u32, f32, f32)) {
    for loss in of_classes.iter().copied() {
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
        sketch.finish(format!("{loss:?} of {classes} classes, logits to {scale}{note}"), all);
    }
}
