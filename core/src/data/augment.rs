//! Chooses crop and flip of each training image: a pure function of (seed, epoch, position in the epoch). The device
//! applies them (`shaders/batch_input.wgsl`).

use crate::ops::batch_input::CROP_MARGIN;
use crate::rng::{Purpose, Stream};

/// The choice that leaves an image unchanged, for evaluation and runs without augmentation.
pub const CENTERED: u32 = packed(CROP_MARGIN, CROP_MARGIN, 0);

/// Packs a choice for the kernel.
const fn packed(dy: u32, dx: u32, flip: u32) -> u32 {
    dy | dx << 8 | flip << 16
}

/// Choices of `n` successive samples, dy | dx << 8 | flip << 16 with dy and dx in 0..=8 and flip in 0..=1. The first
/// sample has position `position_of_first_sample_in_epoch`. Every position has a separate stream, so that choices do not
/// depend on the batch size.
#[must_use]
pub fn choices(seed_augment: u64, epoch: u64, position_of_first_sample_in_epoch: u64, n: usize) -> Vec<u32> {
    let first = position_of_first_sample_in_epoch;
    (first..first + n as u64)
        .map(|position| {
            let mut stream = Stream::new(seed_augment, Purpose::Augment, epoch << 32 | position);
            let offsets = 2 * CROP_MARGIN + 1;
            packed(stream.below(offsets), stream.below(offsets), stream.below(2))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::tests::hash;

    /// Choices must be the same in every version and on every platform.
    #[test]
    fn choices_keep_their_values() {
        let found = hash(choices(1, 2, 3, 1000));
        assert_eq!(found, 0xd7fa_b0e4_a1ab_9a72, "{found:#018x}");
    }

    #[test]
    fn choices_do_not_depend_on_batches() {
        let whole = choices(1, 5, 0, 100);
        let parts = [choices(1, 5, 0, 33), choices(1, 5, 33, 64), choices(1, 5, 97, 3)].concat();
        assert_eq!(whole, parts);
        assert_ne!(whole, choices(2, 5, 0, 100));
        assert_ne!(whole, choices(1, 6, 0, 100));
    }

    #[test]
    fn every_choice_comes_equally_often() {
        let mut counts = [[[0_u32; 2]; 9]; 9];
        for choice in choices(1, 0, 0, 162_000) {
            counts[(choice & 255) as usize][(choice >> 8 & 255) as usize][(choice >> 16) as usize] += 1;
        }
        let mut all = counts.as_flattened().as_flattened().iter();
        assert!(all.all(|c| c.abs_diff(1000) < 160), "5 standard deviations: {counts:?}");
        assert_eq!(CENTERED, 4 | 4 << 8);
    }
}
