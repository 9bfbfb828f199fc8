//! Twin of shaders/divergence_blocks.wgsl: how far a replica's parameters are from the reference's, for each block of
//! 64.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::pieces::Pieces;
use super::shared::reduce::lane_sum;
use super::shared::relative::{relative, ulps};
use super::twin::{Launch, Twin};

/// Parameters in a block.
const BLOCK: usize = 64;
/// Words written for each block.
const WORDS: usize = 8;

/// One dispatch of `divergence_blocks`. A piece is several blocks.
pub struct DivergenceBlocks {
    parameters: View<u32>,
    reference: View<u32>,
    blocks: View<u32>,
    count: usize,
    stride: usize,
    pieces: Pieces,
}

impl Twin for DivergenceBlocks {
    fn new(launch: &Launch<'_>) -> Self {
        let stride = launch.job().parameter_stride as usize;
        let count = stride / BLOCK;
        Self {
            parameters: launch.words(0),
            reference: launch.words(1),
            blocks: launch.words(2),
            count,
            stride,
            pieces: Pieces::new(count, BLOCK),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, _scratch: &mut Scratch) {
        let range = self.pieces.range(piece);
        let base = replica * self.stride;
        let to = replica * self.count;
        // SAFETY: the dispatch only reads parameters and reference, and only this piece accesses these blocks.
        let (parameters, reference, blocks) = unsafe {
            (
                self.parameters.read(base + range.start * BLOCK..base + range.end * BLOCK),
                self.reference.read(range.start * BLOCK..range.end * BLOCK),
                self.blocks.write((to + range.start) * WORDS..(to + range.end) * WORDS),
            )
        };
        let pairs = parameters.as_chunks::<BLOCK>().0.iter().zip(reference.as_chunks::<BLOCK>().0);
        for (block, (a, b)) in blocks.as_chunks_mut::<WORDS>().0.iter_mut().zip(pairs) {
            *block = measure::<L>(a, b);
        }
    }
}

#[inline(always)]
fn measure<L: Lanes>(a: &[u32; BLOCK], b: &[u32; BLOCK]) -> [u32; WORDS] {
    let mut reference_squares = [0.0; 4];
    for quad in b.as_chunks::<4>().0 {
        for l in 0..4 {
            let b = f32::from_bits(quad[l]);
            reference_squares[l] = L::mac1(b, b, reference_squares[l]);
        }
    }
    let reference_squares = lane_sum(reference_squares).to_bits();
    if a == b {
        return [0, 0, 0, 0, reference_squares, 0, 0, 0];
    }
    // First the quantities that need no order, element by element, for vectors of any width.
    let (mut distances, mut differences) = ([0.0; BLOCK], [0.0; BLOCK]);
    let (mut farthest, mut differing) = (0, 0);
    for i in 0..BLOCK {
        distances[i] = relative(a[i], b[i]);
        differences[i] = f32::from_bits(a[i]) - f32::from_bits(b[i]);
        farthest = farthest.max(ulps(a[i], b[i]));
        differing += u32::from(a[i] != b[i]);
    }
    let (mut sum, mut squares) = ([0.0; 4], [0.0; 4]);
    for i in (0..BLOCK).step_by(4) {
        // Vectors without a difference are skipped: infinity minus infinity would be NaN.
        let is_equal = a[i..i + 4] == b[i..i + 4];
        for l in 0..4 {
            let difference = if is_equal { 0.0 } else { differences[i + l] };
            sum[l] += distances[i + l];
            squares[l] = L::mac1(difference, difference, squares[l]);
        }
    }
    [lane_sum(sum).to_bits(), farthest, differing, lane_sum(squares).to_bits(), reference_squares, 0, 0, 0]
}
