//! Twin of shaders/fingerprint_arena.wgsl: what one more arena of optimiser state adds to the fingerprint of each block.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::mix::{avalanche, mix};
use super::shared::pieces::Pieces;
use super::twin::{Launch, Twin};

/// Parameters in a block.
const BLOCK: usize = 64;

/// One dispatch of `fingerprint_arena`. A piece is several blocks.
pub struct FingerprintArena {
    arena: View<u32>,
    tensor_of_block: View<u32>,
    blocks: View<u32>,
    salt: u32,
    count: usize,
    stride: usize,
    pieces: Pieces,
}

impl Twin for FingerprintArena {
    fn new(launch: &Launch<'_>) -> Self {
        let stride = launch.job().parameter_stride as usize;
        let count = stride / BLOCK;
        Self {
            arena: launch.words(0),
            tensor_of_block: launch.words(1),
            blocks: launch.words(2),
            salt: launch.argument("salt") as u32,
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
        for block in self.pieces.range(piece) {
            let from = replica * self.stride + block * BLOCK;
            let to = 2 * (replica * self.count + block);
            // SAFETY: the dispatch only reads all but `blocks`, and only this piece accesses this block.
            let (place, arena, block) = unsafe {
                let place = self.tensor_of_block.read(4 * block..4 * block + 4);
                (place, self.arena.read(from..from + place[2] as usize), self.blocks.write(to..to + 2))
            };
            let salted = [0, 1].map(|s| avalanche(place[0] ^ (self.salt + s)));
            for (i, word) in arena.iter().enumerate() {
                let index = place[1].wrapping_add(i as u32);
                for s in 0..2 {
                    block[s] = block[s].wrapping_add(mix(*word, index, salted[s]));
                }
            }
        }
    }
}
