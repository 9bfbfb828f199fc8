//! The 2x2 max pool is compared with its definition, bit for bit: every value comes from one pixel, the first largest of
//! its window in row order, and its gradient goes to that pixel.

use lastbit_core::ops::Shape;
use lastbit_core::ops::max_pool::MaxPool;

use super::common::{Bench, Failures, Gpu, Random, joined, outputs_by_any_setting};

/// Returns `y` and the gradient by `x` for the gradient `dy`.
fn reference(input: Shape, x: &[f32], dy: &[f32]) -> [Vec<f32>; 2] {
    let [h, w] = [input.height, input.width].map(|side| side as usize);
    let (mut y, mut dx) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
    for (i, gradient) in dy.iter().enumerate() {
        let (column, row, plane) = (i % (w / 2), i / (w / 2) % (h / 2), i / (w / 2) / (h / 2));
        let corner = (plane * h + 2 * row) * w + 2 * column;
        let mut first = corner;
        for at in [corner + 1, corner + w, corner + w + 1] {
            if x[at] > x[first] {
                first = at;
            }
        }
        y[i] = x[first];
        dx[first] = *gradient;
    }
    [y, dx]
}

#[test]
fn max_pool() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(41);
    let mut shapes = vec![Shape::new(3, 2, 2), Shape::new(2, 4, 6), Shape::new(1, 2, 16), Shape::new(64, 32, 32)];
    shapes.extend(
        (0..8).map(|_| Shape::new(random.between(1..=5), 2 * random.between(1..=9), 2 * random.between(1..=9))),
    );
    for (round, shape) in shapes.into_iter().enumerate() {
        let pool = MaxPool { input: shape };
        let output = pool.output();
        let (samples, replicas) = (2 * random.between(0..=3) + 1, random.between(1..=6) as usize);
        let [inputs, outputs] = [shape, output].map(|s| samples as usize * s.elements() as usize);
        let mut x = random.replicas(replicas, inputs);
        // In turn: no ties; many ties; all pixels equal; many ties of negative pixels; zeros of both signs.
        x.iter_mut().flatten().for_each(|v| match round % 5 {
            0 => {}
            1 => *v = v.round(),
            2 => *v = -1.5,
            3 => *v = -v.abs().ceil(),
            _ => *v *= 0.0,
        });
        let dy = random.replicas(replicas, outputs);
        let name = format!("{shape:?} N {samples}");
        let computed = outputs_by_any_setting(&mut failures, &name, replicas, &[], |setting| {
            let range = setting.replicas.clone();
            let mut bench = Bench::new(&gpu, range.len(), samples as usize);
            let x = bench.planes(shape, &joined(&x[range.clone()]));
            let dy = bench.planes(output, &joined(&dy[range.clone()]));
            let (y, dx) = (bench.fresh_planes(output), bench.fresh_planes(shape));
            pool.forward(&mut bench.rec, "pool", x, y);
            pool.backward(&mut bench.rec, "pool", [x, dy, dx]);
            let done = bench.run(setting.limit_flops);
            vec![("y", done.planes(y, output)), ("dx", done.planes(dx, shape))]
        });
        for r in 0..replicas {
            for ((what, values), expected) in computed.iter().zip(reference(shape, &x[r], &dy[r])) {
                failures.equal_bits(&format!("{name}: {what} [{r}] against the definition"), &values[r], &expected);
            }
        }
    }
    failures.finish();
}
