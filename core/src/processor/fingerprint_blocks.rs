//! Twin of shaders/fingerprint_blocks.wgsl: the contribution of each block of 64 parameters to the fingerprint.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::mix::{avalanche, mix};
use super::shared::pieces::Pieces;
use super::twin::{Launch, Twin};

/// Parameters in a block.
const BLOCK: usize = 64;

/// One dispatch of `fingerprint_blocks`. A piece is several blocks.
pub struct FingerprintBlocks {
    parameters: View<u32>,
    momenta: View<u32>,
    tensor_of_block: View<u32>,
    blocks: View<u32>,
    count: usize,
    stride: usize,
    pieces: Pieces,
}

impl Twin for FingerprintBlocks {
    fn new(launch: &Launch<'_>) -> Self {
        let stride = launch.job().parameter_stride as usize;
        let count = stride / BLOCK;
        Self {
            parameters: launch.words(0),
            momenta: launch.words(1),
            tensor_of_block: launch.words(2),
            blocks: launch.words(3),
            count,
            stride,
            pieces: Pieces::new(count, 2 * BLOCK),
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
            let (place, parameters, momenta, block) = unsafe {
                let place = self.tensor_of_block.read(4 * block..4 * block + 4);
                let range = from..from + place[2] as usize;
                let (parameters, momenta) = (self.parameters.read(range.clone()), self.momenta.read(range));
                (place, parameters, momenta, self.blocks.write(to..to + 2))
            };
            let salted = [0, 1, 2, 3].map(|salt| avalanche(place[0] ^ salt));
            let mut sum = [0_u32; 2];
            for (i, (parameter, momentum)) in parameters.iter().zip(momenta).enumerate() {
                let index = place[1].wrapping_add(i as u32);
                for s in 0..2 {
                    sum[s] = sum[s].wrapping_add(mix(*parameter, index, salted[s]));
                    sum[s] = sum[s].wrapping_add(mix(*momentum, index, salted[s + 2]));
                }
            }
            *block.first_chunk_mut().expect("two words") = sum;
        }
    }
}
