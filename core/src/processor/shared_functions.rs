//! Twin of shaders/shared_functions.wgsl: applies one of the shared functions to given operands.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::math::{exp_finite, hyperbolic_tangent, log_positive, log1p_exp_neg_abs, sigmoid};
use super::shared::pieces::Pieces;
use super::twin::{Launch, Twin};
use crate::record::Function;

/// An operand takes as long as this many floats of an elementwise pass.
const FLOATS: usize = 16;

/// One dispatch of `shared_functions`, which has no replica axis. A piece is several operands.
pub struct SharedFunctions {
    operands: View<u32>,
    results: View<u32>,
    function: Function,
    pieces: Pieces,
}

impl Twin for SharedFunctions {
    fn new(launch: &Launch<'_>) -> Self {
        Self {
            operands: launch.words(0),
            results: launch.words(1),
            function: Function::ALL[launch.size("FUNCTION")],
            pieces: Pieces::new(launch.argument("count"), FLOATS),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, _replica: usize, piece: usize, _scratch: &mut Scratch) {
        let range = self.pieces.range(piece);
        // SAFETY: the dispatch only reads the operands, and only this piece accesses these results.
        let (operands, results) =
            unsafe { (self.operands.read(4 * range.start..4 * range.end), self.results.write(range)) };
        for (result, [x, y, z, _]) in results.iter_mut().zip(operands.as_chunks::<4>().0) {
            *result = self.apply::<L>(*x, *y, *z);
        }
    }
}

impl SharedFunctions {
    #[inline(always)]
    fn apply<L: Lanes>(&self, bits: u32, y: u32, z: u32) -> u32 {
        let (x, k) = (f32::from_bits(bits), y);
        let [y, z] = [y, z].map(f32::from_bits);
        let result = match self.function {
            // A NaN keeps its bits.
            Function::DivideExactly if x.is_nan() => return bits,
            Function::DivideExactly => x / k as f32,
            Function::Exp => exp_finite::<L>(x),
            Function::Log => log_positive::<L>(x),
            Function::Sigmoid => sigmoid::<L>(x),
            Function::Log1pExpNegAbs => log1p_exp_neg_abs::<L>(x),
            Function::Quotient => x / y,
            Function::Root => x.sqrt(),
            Function::Mac => L::mac1(x, y, z),
            Function::Product => x * y,
            Function::Sum => x + y,
            Function::Tanh => hyperbolic_tangent::<L>(x),
        };
        result.to_bits()
    }
}
