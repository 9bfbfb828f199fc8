//! Sums, exactly; activations and the global average pool are compared with candle, and activations of extreme values with f64.

use lastbit_core::ops::{Activation, Shape, activation, add, pool};

use super::common::{Bench, Failures, Gpu, Outputs, Random, Setting, joined, outputs_by_any_setting};
use super::oracle;

const ACTIVATIONS: [Activation; 4] =
    [Activation::Relu, Activation::Swish { beta: 5.0 }, Activation::Swish { beta: 1.0 }, Activation::Tanh];

/// Returns `a`, and `g` times the activation's derivative.
fn run(gpu: &Gpu, setting: &Setting, shape: Shape, kind: Activation, [y, g]: [&[Vec<f32>]; 2]) -> Outputs {
    let range = setting.replicas.clone();
    let samples = y[0].len() / shape.elements() as usize;
    let mut bench = Bench::new(gpu, range.len(), samples);
    let y = bench.planes(shape, &joined(&y[range.clone()]));
    let g = bench.planes(shape, &joined(&g[range.clone()]));
    let a = bench.fresh_planes(shape);
    activation::forward(&mut bench.rec, "act", shape, kind, y, a);
    activation::backward(&mut bench.rec, "act", shape, kind, y, g);
    let done = bench.run(setting.limit_flops);
    vec![("a", done.planes(a, shape)), ("dy", done.planes(g, shape))]
}

#[test]
fn activations() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(21);
    for round in 0..12 {
        let kind = ACTIVATIONS[round % 4];
        let shape = Shape::new(random.between(1..=5), random.between(1..=9), random.between(1..=14));
        let (samples, replicas) = (random.between(1..=7), random.between(1..=6) as usize);
        let elements = u64::from(samples) * shape.elements();
        let mut y = random.replicas(replicas, elements as usize);
        y.iter_mut().flatten().for_each(|v| *v *= 4.0);
        let g = random.replicas(replicas, elements as usize);
        let name = format!("{kind:?} {shape:?} N {samples}");
        let outputs =
            outputs_by_any_setting(&mut failures, &name, replicas, &[], |s| run(&gpu, s, shape, kind, [&y, &g]));
        for r in 0..replicas {
            let dims = [samples, shape.channels, shape.height, shape.width];
            let leaf = oracle::leaf(&y[r], &dims);
            let a = oracle::activate(&leaf, Some(kind));
            let dy = &oracle::gradients(&a, &oracle::constant(&g[r], &dims), &[&leaf])[0];
            // A few roundings and an exponential with an error of 2 ulp: at most 1e-6.
            failures.close(&format!("{name}: a [{r}]"), &outputs[0].1[r], &oracle::values(&a), 1e-6);
            failures.close(&format!("{name}: dy [{r}]"), &outputs[1].1[r], dy, 1e-6);
        }
    }
    failures.finish();
}

#[test]
fn activations_of_extreme_values_are_finite() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let extremes: Vec<f32> = [0.0, 2e-38, 1e-20, 17.0, 86.9, 87.1, 100.0, 1e4, 1e20, 1e38, f32::MAX]
        .iter()
        .flat_map(|v| [*v, -*v])
        .collect();
    let shape = Shape::new(1, 1, extremes.len() as u32);
    let ones = vec![vec![1.0; extremes.len()]];
    let setting = Setting { tile: Default::default(), limit_flops: u64::MAX, replicas: 0..1 };
    for kind in ACTIVATIONS {
        let outputs = run(&gpu, &setting, shape, kind, [std::slice::from_ref(&extremes), &ones]);
        for (i, x) in extremes.iter().map(|x| f64::from(*x)).enumerate() {
            let (a, slope) = (outputs[0].1[0][i], outputs[1].1[0][i]);
            let (expected, expected_slope) = match kind {
                Activation::Relu => (x.max(0.0), if x > 0.0 { 1.0 } else { 0.0 }),
                Activation::Swish { beta } => {
                    let beta = f64::from(beta);
                    let s = 1.0 / (1.0 + (-beta * x).exp());
                    // Where s has rounded to 0 or 1, the slope is s; the formula could give inf * 0.
                    (x * s, if s == 0.0 || s == 1.0 { s } else { s + beta * x * s * (1.0 - s) })
                }
                // In float32, tanh is 1 from 9.02 on.
                Activation::Tanh => (x.tanh(), if x.abs() > 9.02 { 0.0 } else { 1.0 - x.tanh().powi(2) }),
            };
            let near = |out: f32, expected: f64| {
                let finite = out.to_bits() & 0x7f80_0000 != 0x7f80_0000;
                // 1e-6 of the value, or 1e-35: software adapters do not keep much smaller numbers.
                finite && (f64::from(out) - expected).abs() <= 1e-6 * expected.abs() + 1e-35
            };
            failures.check(near(a, expected), || format!("{kind:?}({x:e}) = {a:e}, not {expected:e}"));
            failures
                .check(near(slope, expected_slope), || format!("{kind:?}'({x:e}) = {slope:e}, not {expected_slope:e}"));
        }
    }
    failures.finish();
}

#[test]
fn sums() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(23);
    // Less than a workgroup's tile, exactly one, and several with a rest.
    for elements in [1, 250, 256, 257, 3000] {
        let replicas = random.between(1..=6) as usize;
        let [a, b] = [(); 2].map(|()| random.replicas(replicas, elements));
        let name = format!("sums of {elements}");
        let outputs = outputs_by_any_setting(&mut failures, &name, replicas, &[], |setting| {
            let range = setting.replicas.clone();
            let mut bench = Bench::new(&gpu, range.len(), 1);
            let terms = [&a, &b].map(|values| bench.floats(&joined(&values[range.clone()])));
            let sum = bench.fresh(elements * range.len());
            add::add(&mut bench.rec, "add", elements as u64, [terms[0], terms[1], sum]);
            vec![("sum", bench.run(setting.limit_flops).by_replica(sum, elements))]
        });
        for r in 0..replicas {
            let expected: Vec<f32> = a[r].iter().zip(&b[r]).map(|(a, b)| a + b).collect();
            failures.check(outputs[0].1[r] == expected, || format!("{name}: replica {r}"));
        }
    }
    failures.finish();
}

#[test]
fn global_average_pool() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(22);
    for shape in
        [Shape::new(64, 8, 8), Shape::new(3, 7, 5), Shape::new(1, 225, 225), Shape::new(5, 1, 3), Shape::new(70, 1, 1)]
    {
        let (samples, replicas) = (random.between(1..=9), random.between(1..=6) as usize);
        let features = (samples * shape.channels) as usize;
        let elements = features * (shape.height * shape.width) as usize;
        let a = random.replicas(replicas, elements);
        let dfeatures = random.replicas(replicas, features);
        let name = format!("{shape:?} N {samples}");
        let outputs = outputs_by_any_setting(&mut failures, &name, replicas, &[], |setting| {
            let range = setting.replicas.clone();
            let mut bench = Bench::new(&gpu, range.len(), samples as usize);
            let a = bench.planes(shape, &joined(&a[range.clone()]));
            let d = bench.floats(&joined(&dfeatures[range.clone()]));
            let out = bench.fresh(features * range.len());
            let g = bench.fresh_planes(shape);
            pool::forward(&mut bench.rec, "pool", shape, a, out);
            pool::backward(&mut bench.rec, "pool", shape, d, g);
            let done = bench.run(setting.limit_flops);
            vec![("features", done.by_replica(out, features)), ("g", done.planes(g, shape))]
        });
        for r in 0..replicas {
            let leaf = oracle::leaf(&a[r], &[samples, shape.channels, shape.height, shape.width]);
            let mean = leaf.mean((2, 3)).expect("four dimensions");
            let g =
                &oracle::gradients(&mean, &oracle::constant(&dfeatures[r], &[samples, shape.channels]), &[&leaf])[0];
            // Means of values around 0 cancel; a sum of 50,625 terms errs by a few 1e-7 of its terms.
            failures.close(&format!("{name}: features [{r}]"), &outputs[0].1[r], &oracle::values(&mean), 1e-5);
            failures.close(&format!("{name}: g [{r}]"), &outputs[1].1[r], g, 1e-6);
            if (shape.height, shape.width) == (1, 1) {
                // As in VGG's last map: the mean of one pixel is that pixel.
                failures.equal_bits(&format!("{name}: features [{r}] of one pixel"), &outputs[0].1[r], &a[r]);
                failures.equal_bits(&format!("{name}: g [{r}] of one pixel"), &outputs[1].1[r], &dfeatures[r]);
            }
        }
    }
    failures.finish();
}

#[test]
fn activations_do_not_hide_nan() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let setting = Setting { tile: Default::default(), limit_flops: u64::MAX, replicas: 0..1 };
    for kind in ACTIVATIONS {
        let y = vec![vec![1.0, f32::NAN, -1.0, f32::from_bits(0xffc0_0001)]];
        let outputs = run(&gpu, &setting, Shape::new(1, 1, 4), kind, [&y, &[vec![1.0; 4]]]);
        let is_nan: Vec<_> = outputs[0].1[0].iter().map(|a| a.is_nan()).collect();
        failures.check(is_nan == [false, true, false, true], || format!("{kind:?}: {outputs:?}"));
    }
    failures.finish();
}
