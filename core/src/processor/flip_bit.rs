//! Twin of shaders/flip_bit.wgsl: the fault injector flips the last bit of one parameter of one replica.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::twin::{Launch, Twin};

/// One dispatch of `flip_bit`, one piece per replica.
pub struct FlipBit {
    parameters: View<u32>,
    element: usize,
    replica: usize,
    stride: usize,
}

impl Twin for FlipBit {
    fn new(launch: &Launch<'_>) -> Self {
        Self {
            parameters: launch.words(0),
            element: launch.argument("element"),
            replica: launch.argument("replica"),
            stride: launch.job().parameter_stride as usize,
        }
    }

    fn pieces(&self) -> usize {
        1
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, _piece: usize, _scratch: &mut Scratch) {
        if replica == self.replica {
            let at = replica * self.stride + self.element;
            // SAFETY: only this piece accesses the parameters of this replica.
            unsafe { self.parameters.write(at..at + 1)[0] ^= 1 };
        }
    }
}
