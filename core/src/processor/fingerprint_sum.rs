//! Twin of shaders/fingerprint_sum.wgsl: adds the blocks of a replica's fingerprint.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::twin::{Launch, Twin};

/// One dispatch of `fingerprint_sum`, one piece per replica.
pub struct FingerprintSum {
    blocks: View<u32>,
    fingerprints: View<u32>,
    count: usize,
}

impl Twin for FingerprintSum {
    fn new(launch: &Launch<'_>) -> Self {
        let count = launch.job().parameter_stride as usize / 64;
        Self { blocks: launch.words(0), fingerprints: launch.words(1), count }
    }

    fn pieces(&self) -> usize {
        1
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, _piece: usize, _scratch: &mut Scratch) {
        let first = 2 * replica * self.count;
        // SAFETY: the dispatch only reads blocks, and only this piece accesses this replica's fingerprint.
        let (blocks, fingerprint) = unsafe {
            let blocks = self.blocks.read(first..first + 2 * self.count);
            (blocks, self.fingerprints.write(2 * replica..2 * replica + 2))
        };
        fingerprint.fill(0);
        for block in blocks.as_chunks::<2>().0 {
            for (sum, word) in fingerprint.iter_mut().zip(block) {
                *sum = sum.wrapping_add(*word);
            }
        }
    }
}
