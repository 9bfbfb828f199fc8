//! Twin of shaders/gate.wgsl: out = x where the first replica's gate is above zero, else 0.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::pieces::Pieces;
use super::twin::{Launch, Twin};

/// Elements that are computed at a time.
const BLOCK: usize = 16 << 10;

/// One dispatch of `gate`. A piece is several blocks.
pub struct Gate {
    gate: View<f32>,
    x: View<f32>,
    out: View<f32>,
    /// Elements of one replica.
    elements: usize,
    pieces: Pieces,
}

impl Twin for Gate {
    fn new(launch: &Launch<'_>) -> Self {
        let elements = launch.argument("elements");
        Self {
            gate: launch.floats(0),
            x: launch.floats(1),
            out: launch.floats(2),
            elements,
            pieces: Pieces::new(elements.div_ceil(BLOCK), 3 * BLOCK),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, _scratch: &mut Scratch) {
        for block in self.pieces.range(piece) {
            let range = block * BLOCK..((block + 1) * BLOCK).min(self.elements);
            let own = replica * self.elements + range.start..replica * self.elements + range.end;
            // SAFETY: the dispatch only reads `gate` and `x`, and this piece alone has this block of `out`.
            unsafe {
                let pairs = self.gate.read(range).iter().zip(self.x.read(own.clone()));
                self.out
                    .write(own)
                    .iter_mut()
                    .zip(pairs)
                    .for_each(|(out, (gate, x))| *out = if *gate > 0.0 { *x } else { 0.0 });
            }
        }
    }
}
