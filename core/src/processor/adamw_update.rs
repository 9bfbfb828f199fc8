//! Twin of shaders/adamw_update.wgsl: the perturbed update of every parameter by AdamW.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::pieces::Pieces;
use super::twin::{Launch, Twin};

/// Parameters that are updated at a time.
const BLOCK: usize = 1024;

/// One dispatch of `adamw_update`. A piece is several blocks.
pub struct AdamwUpdate {
    gradients: View<f32>,
    step: View<f32>,
    perturbations: View<u32>,
    parameters: View<f32>,
    means: View<f32>,
    mean_squares: View<f32>,
    is_reciprocal: bool,
    stride: usize,
    pieces: Pieces,
}

impl Twin for AdamwUpdate {
    fn new(launch: &Launch<'_>) -> Self {
        let stride = launch.job().parameter_stride as usize;
        Self {
            gradients: launch.floats(0),
            step: launch.floats(1),
            perturbations: launch.words(2),
            parameters: launch.floats(3),
            means: launch.floats(4),
            mean_squares: launch.floats(5),
            is_reciprocal: launch.flag("RECIPROCAL"),
            stride,
            pieces: Pieces::new(stride.div_ceil(BLOCK), 4 * BLOCK),
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
        let (step, by, gradients, parameters, means, mean_squares) = unsafe {
            (
                self.step.read(0..8),
                self.perturbations.read(4 * replica..4 * replica + 4),
                self.gradients.read(range.clone()),
                self.parameters.write(range.clone()),
                self.means.write(range.clone()),
                self.mean_squares.write(range),
            )
        };
        let [decay, blend, keep_squares, blend_squares] = [step[0], step[1], step[2], step[3]];
        let [correction, root_correction, epsilon] = [step[4], step[5], step[6]];
        let [rate, reciprocal] = [f32::from_bits(by[1]), f32::from_bits(by[2])];
        // IEEE quotients and roots equal those of shaders/shared/division.wgsl and root.wgsl. The loop has no branch, so the compiler
        // turns it into vectors.
        let k = by[0] as f32;
        let tensors = parameters.iter_mut().zip(means).zip(mean_squares).zip(gradients);
        for (((p, mean), squares), g) in tensors {
            *mean = L::mac1(blend, g - *mean, *mean);
            *squares = L::mac1(blend_squares * g, *g, keep_squares * *squares);
            let direction = *mean * correction / L::mac1(squares.sqrt(), root_correction, epsilon);
            let divided = if self.is_reciprocal { direction * reciprocal } else { direction / k };
            *p = L::mac1(-rate, divided, L::mac1(-decay, *p, *p));
        }
    }
}
