//! Small dispatches of every shader, with their data: what twins and GPUs are compared on with `plain`. Shapes are
//! those that kernels stumble over (odd, tiny, channels that are no multiple of four, batches of several blocks). The
//! ops themselves record them, so that constants, bindings and arguments are those of a run.
//!
//! Outputs begin as junk, planes within zero borders, and behind every buffer's data lie guards that nothing may touch.

mod benchmarks;
mod convolutions;
mod ends;
mod equations;
mod norms;
mod parameters;
mod pools;
mod random;
mod sketch;

use lastbit_core::ops::Shape;
use lastbit_core::record::{BufferTable, Constant, Kernel, Recording, Shader};

use random::Random;

/// What is to be written before it is: finite, and wrong everywhere.
const JUNK: f32 = 1e30;
/// Words behind every buffer's data: NaN, which shows in a result that reads it.
const GUARDS: usize = 64;
/// Multiplications of a case that a plain interpreter does in a moment.
const MACS: u64 = 2_000_000;

/// A recording of a few dispatches, and what its buffers hold before.
pub struct Case {
    /// What it is, with all that matters.
    pub name: String,
    /// The buffers.
    pub table: BufferTable,
    /// Their words, guards included, in order.
    pub contents: Vec<Vec<u32>>,
    /// What is dispatched.
    pub recording: Recording,
}

/// Cases of every shader; another `seed` gives other shapes and data.
#[must_use]
pub fn cases(seed: u64) -> Vec<Case> {
    let mut random = Random(seed);
    let mut all = Vec::new();
    convolutions::convolutions(&mut random, &mut all);
    convolutions::pairs(&mut random, &mut all);
    convolutions::valid_convolutions(&mut random, &mut all);
    convolutions::packs(&mut random, &mut all);
    norms::activations(&mut random, &mut all);
    norms::norms(&mut random, &mut all);
    pools::pools(&mut random, &mut all);
    ends::inputs(&mut random, &mut all);
    ends::heads(&mut random, &mut all);
    parameters::updates(&mut random, &mut all);
    parameters::measurements(&mut random, &mut all);
    equations::equations(&mut random, &mut all);
    benchmarks::rates(&mut random, &mut all);
    all
}

fn describe(shape: Shape) -> String {
    format!("{}x{}x{}", shape.channels, shape.height, shape.width)
}

fn kernel(shader: Shader, constants: &[(&'static str, u32)]) -> Kernel {
    let constants: Vec<(&str, Constant)> = constants.iter().map(|(name, value)| (*name, (*value).into())).collect();
    Kernel::new(shader, &constants)
}
