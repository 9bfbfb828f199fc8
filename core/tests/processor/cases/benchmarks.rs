//! Cases of the benchmark kernels.

use lastbit_core::ops::functions;
use lastbit_core::record::{Binding, Function, Shader, Work};

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
    for function in Function::ALL {
        let mut sketch = Sketch::new(random, 3, 1);
        let count = 100;
        let operands: Vec<u32> = (0..count)
            .flat_map(|_| {
                let mut operand = || (sketch.random.float(40.0).abs() + 1e-3).to_bits();
                let [x, y, z] = [operand(), operand(), operand()];
                [x, if function == Function::DivideExactly { 1 + y % 63 } else { y }, z, 0]
            })
            .collect();
        let bindings = [sketch.words(&operands), sketch.junk(count)];
        functions::apply(&mut sketch.rec, function, bindings, count as u32);
        sketch.finish(format!("shared function {function:?}"), all);
    }
}
