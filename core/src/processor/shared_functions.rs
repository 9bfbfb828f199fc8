//! Twin of shaders/shared_functions.wgsl: applies one of the shared functions to given numbers.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::math::{exp_finite, log_positive, log1p_exp_neg_abs, sigmoid};
use super::twin::{Launch, Twin};

/// One dispatch of `shared_functions`, one piece per replica.
pub struct SharedFunctions {
    values: View<u32>,
    results: View<u32>,
    count: usize,
    function: usize,
}

impl Twin for SharedFunctions {
    fn new(launch: &Launch<'_>) -> Self {
        Self {
            values: launch.words(0),
            results: launch.words(1),
            count: launch.argument("count"),
            function: launch.size("FUNCTION"),
        }
    }

    fn pieces(&self) -> usize {
        1
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, _piece: usize, _scratch: &mut Scratch) {
        let k = (replica + 1) as f32;
        let function = |bits: u32| {
            let x = f32::from_bits(bits);
            match self.function {
                // A NaN keeps its bits.
                0 if x.is_nan() => bits,
                0 => (x / k).to_bits(),
                1 => exp_finite::<L>(x).to_bits(),
                2 => log_positive::<L>(x).to_bits(),
                3 => sigmoid::<L>(x).to_bits(),
                _ => log1p_exp_neg_abs::<L>(x).to_bits(),
            }
        };
        // SAFETY: only this piece writes the results of this replica.
        let (values, results) = unsafe {
            let first = replica * self.count;
            (self.values.read(0..self.count), self.results.write(first..first + self.count))
        };
        for (result, bits) in results.iter_mut().zip(values) {
            *result = function(*bits);
        }
    }
}
