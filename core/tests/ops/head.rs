//! The dense layer and the losses are compared with candle, and losses of extreme logits with their limits.

use candle_core::{D, Tensor, Var};
use lastbit_core::ops::Shape;
use lastbit_core::ops::cross_entropy::{self, Loss};
use lastbit_core::ops::dense::Dense;
use lastbit_core::ops::flatten::Flatten;

use super::common::{Bench, Failures, Gpu, Outputs, Random, Setting, joined, outputs_by_any_setting};
use super::oracle;

#[test]
fn dense() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(31);
    for (inputs, units, samples, replicas, shared_input) in
        [(64, 10, 37, 6, false), (1, 1, 1, 1, false), (7, 3, 5, 2, false), (3, 70, 2, 4, false), (300, 21, 5, 3, true)]
    {
        let layer = Dense { inputs, units, shared_input };
        let (n_in, n_out) = ((samples * inputs) as usize, (samples * units) as usize);
        let [x, w, b, d] =
            [n_in, (inputs * units) as usize, units as usize, n_out].map(|each| random.replicas(replicas, each));
        let x = if shared_input { vec![x[0].clone(); replicas] } else { x };
        let name = format!("{layer:?} N {samples} R {replicas}");
        let outputs = outputs_by_any_setting(&mut failures, &name, replicas, &[], |setting| {
            let range = setting.replicas.clone();
            let mut bench = Bench::new(&gpu, range.len(), samples as usize);
            let parameters = bench.arena(&[w[range.clone()].to_vec(), b[range.clone()].to_vec()]);
            let gradients = bench.fresh_arena(&[inputs * units, units]);
            let x = bench.floats(&if shared_input { x[0].clone() } else { joined(&x[range.clone()]) });
            let d = bench.floats(&joined(&d[range.clone()]));
            let (logits, dx) = (bench.fresh(n_out * range.len()), bench.fresh(n_in * range.len()));
            let (weight, bias) = (bench.tensor(&parameters, 0), bench.tensor(&parameters, 1));
            let gradient = bench.tensor(&gradients, 0);
            layer.forward(&mut bench.rec, "fc", [x, weight, bias, logits]);
            layer.dinput(&mut bench.rec, "fc", [d, weight, dx]);
            layer.dweight(&mut bench.rec, "fc", [x, d, gradient], (inputs * units).next_multiple_of(64));
            let done = bench.run(setting.limit_flops);
            vec![
                ("logits", done.by_replica(logits, n_out)),
                ("dx", done.by_replica(dx, n_in)),
                ("dweight", done.tensor(&gradients, 0, (inputs * units) as usize)),
                ("dbias", done.tensor(&gradients, 1, units as usize)),
            ]
        });
        for r in 0..replicas {
            let leaf = oracle::leaf(&x[r], &[samples, inputs]);
            let weight = oracle::leaf(&w[r], &[units, inputs]);
            let bias = oracle::leaf(&b[r], &[units]);
            let product = weight.t().and_then(|t| leaf.matmul(&t)).and_then(|t| t.broadcast_add(&bias));
            let logits = product.expect("shapes that fit");
            let mut reference = vec![oracle::values(&logits)];
            let d = oracle::constant(&d[r], &[samples, units]);
            reference.extend(oracle::gradients(&logits, &d, &[&leaf, &weight, &bias]));
            for ((what, values), reference) in outputs.iter().zip(&reference) {
                // Sums of at most 300 products.
                failures.close(&format!("{name}: {what} [{r}]"), &values[r], reference, 1e-5);
            }
        }
    }
    failures.finish();
}

#[test]
fn flattening() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(33);
    for (shape, samples, replicas) in
        [(Shape::new(3, 32, 32), 3, 2), (Shape::new(5, 3, 7), 4, 6), (Shape::new(1, 1, 1), 1, 1)]
    {
        let flatten = Flatten { input: shape, shared_input: false };
        let elements = samples * shape.elements() as usize;
        let [x, d] = [(); 2].map(|()| random.replicas(replicas, elements));
        let name = format!("{shape:?} N {samples} R {replicas}");
        let outputs = outputs_by_any_setting(&mut failures, &name, replicas, &[], |setting| {
            let range = setting.replicas.clone();
            let mut bench = Bench::new(&gpu, range.len(), samples);
            let x = bench.planes(shape, &joined(&x[range.clone()]));
            let d = bench.floats(&joined(&d[range.clone()]));
            let (features, g) = (bench.fresh(elements * range.len()), bench.fresh_planes(shape));
            flatten.forward(&mut bench.rec, "flatten", x, features);
            flatten.backward(&mut bench.rec, "flatten", d, g);
            let done = bench.run(setting.limit_flops);
            vec![("features", done.by_replica(features, elements)), ("g", done.planes(g, shape))]
        });
        // Dense values of planes are in the order of the features.
        for r in 0..replicas {
            failures.equal_bits(&format!("{name}: features [{r}]"), &outputs[0].1[r], &x[r]);
            failures.equal_bits(&format!("{name}: g [{r}]"), &outputs[1].1[r], &d[r]);
        }
    }
    failures.finish();
}

/// Returns dlogits, the samples' losses, the samples' correct answers and the totals.
fn run_loss(gpu: &Gpu, setting: &Setting, loss: Loss, classes: u32, logits: &[Vec<f32>], labels: &[u32]) -> Outputs {
    let range = setting.replicas.clone();
    let values = labels.len() * classes as usize;
    let mut bench = Bench::new(gpu, range.len(), labels.len());
    let bindings = cross_entropy::Bindings {
        logits: bench.floats(&joined(&logits[range.clone()])),
        labels: bench.words(labels),
        dlogits: bench.fresh(values * range.len()),
        scores: bench.fresh(labels.len() * 2 * range.len()),
        totals: bench.fresh(2 * range.len()),
    };
    cross_entropy::forward(&mut bench.rec, loss, classes, bindings);
    let done = bench.run(setting.limit_flops);
    let scores = done.by_replica(bindings.scores, labels.len() * 2);
    let part = |first: usize| scores.iter().map(|s| s.iter().skip(first).step_by(2).copied().collect()).collect();
    vec![
        ("dlogits", done.by_replica(bindings.dlogits, values)),
        ("losses", part(0)),
        ("correct", part(1)),
        ("totals", done.by_replica(bindings.totals, 2)),
    ]
}

/// The loss of each sample.
fn oracle_losses(loss: Loss, logits: &Var, labels: &[u32]) -> candle_core::Result<Tensor> {
    let labels = Tensor::new(labels, logits.device())?;
    match loss {
        Loss::SoftmaxCrossEntropy => {
            logits.log_sum_exp(D::Minus1)? - logits.gather(&labels.unsqueeze(1)?, 1)?.squeeze(1)?
        }
        // ln(1 + e^l) - label * l.
        Loss::SigmoidBinaryCrossEntropy => {
            let l = logits.squeeze(1)?;
            (l.exp()? + 1.0)?.log()? - (&l * labels.to_dtype(l.dtype())?)?
        }
        Loss::SquaredError => {
            let classes = Tensor::arange(0u32, logits.dims()[1] as u32, logits.device())?;
            let target = labels.unsqueeze(1)?.broadcast_eq(&classes)?.to_dtype(logits.dtype())?;
            (logits.as_tensor() - target)?.sqr()?.sum(D::Minus1)? * 0.5
        }
    }
}

fn is_correct(loss: Loss, logits: &[f32], label: u32) -> bool {
    match loss {
        Loss::SoftmaxCrossEntropy | Loss::SquaredError => {
            let largest = logits.iter().copied().fold(f32::MIN, f32::max);
            logits.iter().position(|l| *l == largest) == Some(label as usize)
        }
        Loss::SigmoidBinaryCrossEntropy => (logits[0] > 0.0) == (label == 1),
    }
}

#[test]
fn losses() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(32);
    for (loss, classes, samples, replicas) in [
        (Loss::SoftmaxCrossEntropy, 10, 128, 6),
        (Loss::SoftmaxCrossEntropy, 10, 77, 1),
        (Loss::SoftmaxCrossEntropy, 3, 1, 2),
        (Loss::SquaredError, 10, 128, 6),
        (Loss::SquaredError, 3, 77, 2),
        (Loss::SigmoidBinaryCrossEntropy, 1, 5, 3),
        (Loss::SigmoidBinaryCrossEntropy, 1, 131, 2),
    ] {
        let mut logits = random.replicas(replicas, samples * classes as usize);
        // Rounding some logits makes ties, which the first class wins.
        for (i, l) in logits.iter_mut().flatten().enumerate() {
            *l = if i % 7 == 0 { l.round() } else { *l * 3.0 };
        }
        let labels: Vec<_> = (0..samples).map(|_| random.below(classes.max(2))).collect();
        let name = format!("{loss:?} K {classes} N {samples} R {replicas}");
        let outputs = outputs_by_any_setting(&mut failures, &name, replicas, &[], |setting| {
            run_loss(&gpu, setting, loss, classes, &logits, &labels)
        });
        for r in 0..replicas {
            let leaf = oracle::leaf(&logits[r], &[samples as u32, classes]);
            let losses = oracle_losses(loss, &leaf, &labels).expect("shapes that fit");
            // dlogits is the gradient of the batch's mean loss.
            let share = (losses.ones_like().expect("a shape") / samples as f64).expect("a number");
            let dlogits = &oracle::gradients(&losses, &share, &[&leaf])[0];
            let losses = oracle::values(&losses);
            let answers = logits[r].chunks(classes as usize).zip(&labels);
            let correct: Vec<_> = answers.map(|(l, label)| f64::from(u8::from(is_correct(loss, l, *label)))).collect();
            let totals = [losses.iter().sum(), correct.iter().sum()];
            for ((what, values), reference) in outputs.iter().zip([dlogits, &losses, &correct, &totals.to_vec()]) {
                // Exponentials and logarithms err by up to 2 ulp; sums have ten terms.
                failures.close(&format!("{name}: {what} [{r}]"), &values[r], reference, 1e-5);
            }
            failures.equal_bits(
                &format!("{name}: correct [{r}]"),
                &outputs[2].1[r],
                &correct.iter().map(|c| *c as f32).collect::<Vec<_>>(),
            );
        }
    }
    failures.finish();
}

#[test]
fn losses_of_logits_that_are_not_finite_are_nan() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let setting = Setting { tile: Default::default(), limit_flops: u64::MAX, replicas: 0..1 };
    for (loss, classes) in
        [(Loss::SoftmaxCrossEntropy, 3), (Loss::SquaredError, 3), (Loss::SigmoidBinaryCrossEntropy, 1)]
    {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for place in 0..classes as usize {
                // The bad logit belongs to the second of three samples; its label is each class in turn.
                let mut logits = vec![0.5; 3 * classes as usize];
                logits[classes as usize + place] = bad;
                for label in 0..classes.max(2) {
                    let outputs = run_loss(&gpu, &setting, loss, classes, &[logits.clone()], &[0, label, 1]);
                    let is_nan: Vec<_> = outputs[1].1[0].iter().map(|l| l.is_nan()).collect();
                    failures.check(is_nan == [false, true, false] && outputs[3].1[0][0].is_nan(), || {
                        format!("{loss:?} of {bad} at {place}, label {label}: {outputs:?}")
                    });
                }
            }
        }
    }
    failures.finish();
}

#[test]
fn losses_of_extreme_logits_are_finite() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let extremes = [0.0, 1e-38, 20.0, 87.0, 89.0, 104.0, 1e4, 1e30, f32::MAX].map(|v| [v, -v]).concat();
    let setting = Setting { tile: Default::default(), limit_flops: u64::MAX, replicas: 0..1 };
    for (loss, classes) in
        [(Loss::SoftmaxCrossEntropy, 3), (Loss::SquaredError, 3), (Loss::SigmoidBinaryCrossEntropy, 1)]
    {
        let mut logits = Vec::new();
        let mut labels = Vec::new();
        for (i, a) in extremes.iter().enumerate() {
            for (j, b) in extremes.iter().enumerate() {
                logits.extend_from_slice(&[*a, *b, -*a][..classes as usize]);
                labels.push((i + j) as u32 % classes.max(2));
            }
        }
        let outputs = run_loss(&gpu, &setting, loss, classes, &[logits.clone()], &labels);
        for (what, values) in &outputs {
            let infinite = values[0].iter().filter(|v| v.to_bits() & 0x7f80_0000 == 0x7f80_0000).count();
            failures.check(infinite == 0, || format!("{loss:?}: {what}: {infinite} are not finite"));
        }
        for (n, (l, label)) in logits.chunks(classes as usize).zip(&labels).enumerate() {
            let l: Vec<f64> = l.iter().map(|v| f64::from(*v)).collect();
            let expected = match loss {
                Loss::SoftmaxCrossEntropy => {
                    let most = l.iter().copied().fold(f64::MIN, f64::max);
                    l.iter().map(|v| (v - most).exp()).sum::<f64>().ln() + (most - l[*label as usize])
                }
                Loss::SigmoidBinaryCrossEntropy => {
                    l[0].max(0.0) - l[0] * f64::from(*label) + (-l[0].abs()).exp().ln_1p()
                }
                // A residual is capped at 1e15.
                Loss::SquaredError => {
                    let residual = |(k, l): (usize, &f64)| l - f64::from(u8::from(k == *label as usize));
                    0.5 * l.iter().enumerate().map(|l| residual(l).clamp(-1e15, 1e15).powi(2)).sum::<f64>()
                }
            };
            let out = f64::from(outputs[1].1[0][n]);
            // A loss is capped at 1e30. Near 0, the softmax loss is exact to an ulp of 1.
            let expected = if loss == Loss::SquaredError { expected } else { expected.min(1e30) };
            let bound = 1e-6 * expected + 2e-7;
            failures.check((out - expected).abs() <= bound, || {
                format!("{loss:?} of {l:?} at {label} = {out:e}, not {expected:e}")
            });
        }
    }
    failures.finish();
}
