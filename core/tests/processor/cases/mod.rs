//! Small dispatches of every shader, with their data. Twins and GPUs are compared with `plain` on them. The shapes are hard
//! for kernels: odd, tiny, with channels that are not a multiple of four, or with batches of several blocks. The ops
//! record the dispatches, so that constants, bindings and arguments are those of a run.
//!
//! Outputs are filled with junk (planes inside zero borders), and guards that nothing may write follow every buffer's data.

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

/// The content of outputs before a dispatch: finite, and wrong everywhere.
const JUNK: f32 = 1e30;
/// Number of guard words behind every buffer's data. They are NaN, which spreads to every result that reads them.
const GUARDS: usize = 64;
/// The most multiplications of a case; `plain` computes so many in a moment.
const MACS: u64 = 2_000_000;

/// A recording of a few dispatches, with the initial content of its buffers.
pub struct Case {
    /// Describes the case, with its shapes and parameters.
    pub name: String,
    /// The buffers of the recording.
    pub table: BufferTable,
    /// The words of each buffer, guards included, in the order of the table.
    pub contents: Vec<Vec<u32>>,
    /// The dispatches.
    pub recording: Recording,
}

/// Cases of every shader, with shapes and data from `seed`.
#[must_use]
pub fn cases(seed: u64) -> Vec<Case> {
    let mut random = Random(seed);
    let mut all = Vec::new();
    convolutions::convolutions(&mut random, &mut all);
    convolutions::pointwise(&mut random, &mut all);
    convolutions::pairs(&mut random, &mut all);
    convolutions::valid_convolutions(&mut random, &mut all);
    convolutions::packs(&mut random, &mut all);
    norms::activations(&mut random, &mut all);
    norms::sums(&mut random, &mut all);
    norms::gates(&mut random, &mut all);
    norms::biases(&mut random, &mut all);
    norms::group_norms(&mut random, &mut all);
    norms::norms(&mut random, &mut all);
    pools::pools(&mut random, &mut all);
    ends::inputs(&mut random, &mut all);
    ends::features(&mut random, &mut all);
    ends::heads(&mut random, &mut all);
    parameters::updates(&mut random, &mut all);
    parameters::adamw_updates(&mut random, &mut all);
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
