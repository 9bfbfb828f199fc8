//! Cases of the pools.

use lastbit_core::ops::max_pool::MaxPool;
use lastbit_core::ops::{Shape, pool};

use super::random::Random;
use super::sketch::Sketch;
use super::{Case, describe};

pub(super) fn pools(random: &mut Random, all: &mut Vec<Case>) {
    for i in 0..6 {
        let (height, width) = random.pixels();
        let pool = MaxPool { input: Shape::new(1 + random.below(6), height * 2, width * 2) };
        let (replicas, samples) = random.batch(pool.input.elements() * 10);
        let mut sketch = Sketch::new(random, replicas, samples);
        let count = sketch.all_samples() * pool.input.elements() as usize;
        // Half of the cases have many ties.
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
