//! The input batch: padding, crop, flip and normalisation are compared with f64, pixel by pixel.

use lastbit_core::ops::{
    Shape,
    batch_input::{self, CROP_MARGIN},
};

use super::common::{Bench, Failures, Gpu, Outputs, Random, Setting};

struct Case {
    shape: Shape,
    pad_byte: u8,
    images: Vec<u8>,
    /// `[dy, dx, flip]` of each sample.
    choices: Vec<[u32; 3]>,
    /// Mean and standard deviation of each channel.
    normalization: Vec<[f32; 2]>,
}

impl Case {
    fn new(random: &mut Random, shape: Shape, samples: usize, pad_byte: u8) -> Self {
        let most = 2 * CROP_MARGIN;
        let mut choices: Vec<_> =
            (0..samples).map(|_| [random.between(0..=most), random.between(0..=most), random.below(2)]).collect();
        // Two corners of the crop range, and no crop.
        for (choice, corner) in choices.iter_mut().zip([[0, 0, 1], [most, most, 0], [CROP_MARGIN, CROP_MARGIN, 0]]) {
            *choice = corner;
        }
        let channels = 0..shape.channels;
        Self {
            images: (0..samples as u64 * shape.elements()).map(|_| random.below(256) as u8).collect(),
            normalization: channels.map(|_| [random.uniform(0.3, 0.6), random.uniform(0.1, 0.4)]).collect(),
            choices,
            shape,
            pad_byte,
        }
    }

    fn run(&self, gpu: &Gpu, setting: &Setting) -> Outputs {
        let samples = self.choices.len();
        // All replicas share one batch.
        let mut bench = Bench::new(gpu, setting.replicas.len(), samples);
        let mut bytes = self.images.clone();
        bytes.resize(batch_input::image_bytes(self.shape, samples as u32) as usize, 0xee);
        let words: Vec<_> = self.choices.iter().map(|[dy, dx, flip]| dy | dx << 8 | flip << 16).collect();
        let bindings = batch_input::Bindings {
            bytes: bench.bytes(&bytes),
            choices: bench.words(&words),
            levels: bench.floats(&batch_input::levels(&self.normalization)),
            x: bench.planes(self.shape, &vec![1e30; self.images.len()]),
        };
        batch_input::forward(&mut bench.rec, self.shape, self.pad_byte, bindings);
        let done = bench.run(setting.limit_flops);
        vec![("x", vec![done.shared_planes(bindings.x, self.shape)])]
    }

    fn reference(&self) -> Vec<f64> {
        let Shape { channels, height, width } = self.shape;
        let margin = i64::from(CROP_MARGIN);
        let mut all = Vec::new();
        for (n, [dy, dx, flip]) in self.choices.iter().enumerate() {
            for c in 0..channels as usize {
                let image = &self.images[(n * channels as usize + c) * (height * width) as usize..];
                let [mean, deviation] = self.normalization[c].map(f64::from);
                for h in 0..height {
                    for w in 0..width {
                        let column = if *flip == 1 { width - 1 - w } else { w };
                        let y = i64::from(h + dy) - margin;
                        let x = i64::from(column + dx) - margin;
                        let inside = (0..i64::from(height)).contains(&y) && (0..i64::from(width)).contains(&x);
                        let byte = if inside { image[(y * i64::from(width) + x) as usize] } else { self.pad_byte };
                        all.push((f64::from(byte) / 255.0 - mean) / deviation);
                    }
                }
            }
        }
        all
    }
}

#[test]
fn batches() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(51);
    for (shape, samples, pad_byte) in [
        (Shape::new(3, 32, 32), 5, 0),
        (Shape::new(1, 28, 28), 7, 0),
        (Shape::new(3, 9, 7), 3, 255),
        (Shape::new(1, 5, 3), 4, 17),
    ] {
        let case = Case::new(&mut random, shape, samples, pad_byte);
        let name = format!("{shape:?} N {samples}");
        let base = Setting { tile: Default::default(), limit_flops: u64::MAX, replicas: 0..1 };
        let x = case.run(&gpu, &base).remove(0).1.remove(0);
        for (what, setting) in [
            ("split", Setting { limit_flops: 1, ..base.clone() }),
            ("six replicas", Setting { replicas: 0..6, ..base.clone() }),
        ] {
            failures.equal_bits(&format!("{name} {what}"), &case.run(&gpu, &setting)[0].1[0], &x);
        }
        for (i, (out, reference)) in x.iter().zip(case.reference()).enumerate() {
            // Three roundings of numbers below 10, after a subtraction of numbers below 1.
            let holds = (f64::from(*out) - reference).abs() < 2e-6;
            failures.check(holds, || format!("{name}: pixel {i} is {out}, not {reference}"));
        }
    }
    failures.finish();
}
