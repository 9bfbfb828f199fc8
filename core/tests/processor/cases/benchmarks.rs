//! Cases of the benchmark kernels.

use lastbit_core::ops::workgroups;
use lastbit_core::record::{Binding, Shader, Work};

use super::random::Random;
use super::sketch::Sketch;
use super::{Case, kernel};

/// The benchmark kernels. They fill their whole bindings, so their buffers are bound without the guards.
pub(super) fn rates(random: &mut Random, all: &mut Vec<Case>) {
    let mut sketch = Sketch::new(random, 1, 1);
    let tiles = 3;
    let results = Binding { bytes: u64::from(tiles) * 64 * 4, ..sketch.junk(tiles as usize * 64) };
    sketch.rec.dispatch("fma", kernel(Shader::FmaRate, &[("ROUNDS", 5)]), &[results], tiles, Work::shared(0, 0));
    let words: Vec<u32> = (0..tiles * 64 * 16).map(|_| sketch.random.word()).collect();
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
