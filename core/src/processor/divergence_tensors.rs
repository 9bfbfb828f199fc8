//! Twin of shaders/divergence_tensors.wgsl: adds the blocks of each parameter tensor.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::pieces::Pieces;
use super::shared::reduce::{LANES, pairwise};
use super::twin::{Launch, Twin};

/// Words that `divergence_blocks` writes for each block, and this kernel for each tensor.
const WORDS: usize = 8;

/// One dispatch of `divergence_tensors`. A piece is several tensors.
pub struct DivergenceTensors {
    blocks: View<u32>,
    tensors: View<u32>,
    results: View<u32>,
    count: usize,
    blocks_of_replica: usize,
    pieces: Pieces,
}

impl Twin for DivergenceTensors {
    fn new(launch: &Launch<'_>) -> Self {
        let count = launch.argument("tensors");
        let blocks_of_replica = launch.job().parameter_stride as usize / 64;
        Self {
            blocks: launch.words(0),
            tensors: launch.words(1),
            results: launch.words(2),
            count,
            blocks_of_replica,
            pieces: Pieces::new(count, WORDS * blocks_of_replica / count.max(1)),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, _scratch: &mut Scratch) {
        for index in self.pieces.range(piece) {
            // SAFETY: the dispatch only reads tensors and blocks.
            let (blocks, elements) = unsafe {
                let tensor = self.tensors.read(4 * index..4 * index + 4);
                let first = replica * self.blocks_of_replica + tensor[0] as usize;
                (self.blocks.read(first * WORDS..(first + tensor[1] as usize) * WORDS), tensor[2])
            };
            let mut sums = [[0.0; LANES]; 3];
            let (mut farthest, mut differing) = (0, 0_u32);
            for turn in blocks.as_chunks::<WORDS>().0.chunks(LANES) {
                for (l, block) in turn.iter().enumerate() {
                    for (sums, word) in sums.iter_mut().zip([block[0], block[3], block[4]]) {
                        sums[l] += f32::from_bits(word);
                    }
                    farthest = block[1].max(farthest);
                    differing = differing.wrapping_add(block[2]);
                }
            }
            let [distance, squares, reference_squares] = sums.map(pairwise);
            let at = (replica * self.count + index) * WORDS;
            // SAFETY: only this piece accesses these results.
            unsafe { self.results.write(at..at + WORDS) }.copy_from_slice(&[
                (distance / elements as f32).to_bits(),
                farthest,
                differing,
                squares.sqrt().to_bits(),
                reference_squares.sqrt().to_bits(),
                0,
                0,
                0,
            ]);
        }
    }
}
