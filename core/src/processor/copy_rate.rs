//! Twin of shaders/copy_rate.wgsl: measures the copy bandwidth for the benchmarks.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::pieces::Pieces;
use super::twin::{Launch, Twin};

/// Floats that are copied at a time.
const BLOCK: usize = 256 << 10;

/// One dispatch of `copy_rate`, which has no replica axis. A piece is a block.
pub struct CopyRate {
    from_buffer: View<f32>,
    to_buffer: View<f32>,
    /// Floats that the shader's workgroups copy.
    length: usize,
    pieces: Pieces,
}

impl Twin for CopyRate {
    fn new(launch: &Launch<'_>) -> Self {
        // A workgroup has 64 threads with four vectors of four floats each.
        let length = launch.tiles() * 1024;
        let pieces = Pieces::new(length.div_ceil(BLOCK), BLOCK);
        Self { from_buffer: launch.floats(0), to_buffer: launch.floats(1), length, pieces }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, _replica: usize, piece: usize, _scratch: &mut Scratch) {
        for block in self.pieces.range(piece) {
            let range = block * BLOCK..((block + 1) * BLOCK).min(self.length);
            // SAFETY: the dispatch only reads `from_buffer`, and only this piece accesses this block of the other buffer.
            unsafe { self.to_buffer.write(range.clone()).copy_from_slice(self.from_buffer.read(range)) };
        }
    }
}
