//! Twin of shaders/sgd_update.wgsl: the perturbed update of every parameter.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::pieces::Pieces;
use super::twin::{Launch, Twin};

/// Parameters that are updated at a time.
const BLOCK: usize = 1024;

/// One dispatch of `sgd_update`. A piece is several blocks.
pub struct SgdUpdate {
    gradients: View<f32>,
    step: View<f32>,
    perturbations: View<u32>,
    parameters: View<f32>,
    momenta: View<f32>,
    is_reciprocal: bool,
    stride: usize,
    pieces: Pieces,
}

impl Twin for SgdUpdate {
    fn new(launch: &Launch<'_>) -> Self {
        let stride = launch.job().parameter_stride as usize;
        Self {
            gradients: launch.floats(0),
            step: launch.floats(1),
            perturbations: launch.words(2),
            parameters: launch.floats(3),
            momenta: launch.floats(4),
            is_reciprocal: launch.flag("RECIPROCAL"),
            stride,
            pieces: Pieces::new(stride.div_ceil(BLOCK), 2 * BLOCK),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, _scratch: &mut Scratch) {
        let blocks = self.pieces.range(piece);
        let base = replica * self.stride;
        let range = base + blocks.start * BLOCK..base + (blocks.end * BLOCK).min(self.stride);
        // SAFETY: the dispatch only reads the first three, and only this piece accesses this range of the others.
        let (step, by, gradients, parameters, momenta) = unsafe {
            (
                self.step.read(0..4),
                self.perturbations.read(4 * replica..4 * replica + 4),
                self.gradients.read(range.clone()),
                self.parameters.write(range.clone()),
                self.momenta.write(range),
            )
        };
        let [weight_decay, momentum, keep, nesterov] = [step[0], step[1], step[2], step[3]];
        let [rate, reciprocal] = [f32::from_bits(by[1]), f32::from_bits(by[2])];
        // The IEEE quotient equals what `divide_exactly` in shaders/shared/division.wgsl computes from the bits.
        let k = by[0] as f32;
        for ((p, momentum_buffer), g) in parameters.iter_mut().zip(momenta).zip(gradients) {
            let g = L::mac1(weight_decay, *p, *g);
            // Not a product with 0: junk in the first buffer must not leak in.
            let buffer = L::mac1(keep, if keep != 0.0 { *momentum_buffer } else { 0.0 }, g);
            *momentum_buffer = buffer;
            let plain = if momentum != 0.0 { buffer } else { g };
            let direction = if nesterov != 0.0 { L::mac1(momentum, buffer, g) } else { plain };
            let divided = if self.is_reciprocal { direction * reciprocal } else { direction / k };
            *p = L::mac1(-rate, divided, *p);
        }
    }
}
