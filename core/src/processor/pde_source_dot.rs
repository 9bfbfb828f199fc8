//! Twin of shaders/pde_source_dot.wgsl: inner product of each replica's kernel with the sum of the image's patches.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::reduce::{LANES, pairwise};
use super::twin::{Launch, Twin};

/// One dispatch of `pde_source_dot`, one piece per replica.
pub struct PdeSourceDot {
    parameters: View<f32>,
    source: View<f32>,
    dots: View<f32>,
    elements: usize,
    stride: usize,
}

impl Twin for PdeSourceDot {
    fn new(launch: &Launch<'_>) -> Self {
        Self {
            parameters: launch.floats(0),
            source: launch.floats(1),
            dots: launch.floats(2),
            elements: launch.size("ELEMENTS"),
            stride: launch.job().parameter_stride as usize,
        }
    }

    fn pieces(&self) -> usize {
        1
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, _piece: usize, _scratch: &mut Scratch) {
        let first = replica * self.stride;
        // SAFETY: the dispatch only reads parameters and source, and only this piece accesses this replica's product.
        let (parameters, source, inner) = unsafe {
            (
                self.parameters.read(first..first + self.elements),
                self.source.read(0..self.elements),
                self.dots.write(replica..replica + 1),
            )
        };
        let mut lanes = [0.0; LANES];
        for (parameters, source) in parameters.chunks(LANES).zip(source.chunks(LANES)) {
            for ((lane, parameter), source) in lanes.iter_mut().zip(parameters).zip(source) {
                *lane = L::mac1(*parameter, *source, *lane);
            }
        }
        inner[0] = pairwise(lanes);
    }
}
