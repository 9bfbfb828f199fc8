//! Twin of shaders/add.wgsl: sum = a + b.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::pieces::Pieces;
use super::twin::{Launch, Twin};

/// Elements that are added at a time.
const BLOCK: usize = 16 << 10;

/// One dispatch of `add`. A piece is several blocks.
pub struct Add {
    a: View<f32>,
    b: View<f32>,
    sum: View<f32>,
    /// Elements of one replica.
    elements: usize,
    pieces: Pieces,
}

impl Twin for Add {
    fn new(launch: &Launch<'_>) -> Self {
        let elements = launch.argument("elements");
        Self {
            a: launch.floats(0),
            b: launch.floats(1),
            sum: launch.floats(2),
            elements,
            pieces: Pieces::new(elements.div_ceil(BLOCK), 3 * BLOCK),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, _scratch: &mut Scratch) {
        let first = replica * self.elements;
        for block in self.pieces.range(piece) {
            let range = first + block * BLOCK..first + ((block + 1) * BLOCK).min(self.elements);
            // SAFETY: the dispatch only reads `a` and `b`, and this piece alone has this block of `sum`.
            unsafe {
                let terms = self.a.read(range.clone()).iter().zip(self.b.read(range.clone()));
                self.sum.write(range).iter_mut().zip(terms).for_each(|(sum, (a, b))| *sum = a + b);
            }
        }
    }
}
