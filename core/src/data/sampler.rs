//! Selects the training images of a batch: a pure function of (seed, epoch, index).

use crate::rng::{Purpose, Stream};

/// Divides the training images into batches, in a new random order in every epoch or always in file order.
#[derive(Clone, Debug)]
pub struct Sampler {
    batch_size: usize,
    shuffle: bool,
    seed: u64,
    order: Vec<u32>,
    epoch_of_order: Option<u64>,
}

impl Sampler {
    /// Creates a sampler of `n_images` images in batches of `batch_size` (at least 1). An epoch's last batch may be smaller.
    #[must_use]
    pub fn new(n_images: usize, batch_size: u32, shuffle: bool, seed_order: u64) -> Self {
        let order = (0..n_images as u32).collect();
        Self { batch_size: batch_size.max(1) as usize, shuffle, seed: seed_order, order, epoch_of_order: None }
    }

    /// Number of batches in an epoch, which sees every image once.
    #[must_use]
    pub fn batches_per_epoch(&self) -> u64 {
        self.order.len().div_ceil(self.batch_size) as u64
    }

    /// Indices of the images in batch `index_in_epoch` of `epoch`, both from 0; empty beyond the epoch's last batch. The order
    /// is cached until a call asks for another epoch.
    pub fn batch(&mut self, epoch: u64, index_in_epoch: u64) -> &[u32] {
        if self.shuffle && self.epoch_of_order != Some(epoch) {
            self.order = Stream::new(self.seed, Purpose::Order, epoch).shuffled(self.order.len() as u32);
            self.epoch_of_order = Some(epoch);
        }
        let batch =
            usize::try_from(index_in_epoch).ok().and_then(|index| self.order.chunks(self.batch_size).nth(index));
        batch.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(sampler: &mut Sampler, epoch: u64) -> Vec<u32> {
        (0..sampler.batches_per_epoch()).flat_map(|i| sampler.batch(epoch, i).to_vec()).collect()
    }

    #[test]
    fn an_epoch_sees_every_image_once() {
        for (n, batch_size, batches) in [(10, 3, 4), (9, 3, 3), (2, 5, 1), (0, 4, 0)] {
            let mut sampler = Sampler::new(n, batch_size, true, 1);
            assert_eq!(sampler.batches_per_epoch(), batches);
            let mut seen = epoch(&mut sampler, 4);
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..n as u32));
            assert!(sampler.batch(4, batches).is_empty());
        }
        assert_eq!(Sampler::new(50_000, 128, true, 1).batches_per_epoch(), 391);
        assert_eq!(Sampler::new(50_000, 128, true, 1).batch(0, 390).len(), 80);
    }

    #[test]
    fn order_depends_on_seed_and_epoch_only() {
        let new = |batch_size, seed| Sampler::new(100, batch_size, true, seed);
        let mut sampler = new(8, 1);
        let (first, second) = (epoch(&mut sampler, 0), epoch(&mut sampler, 1));
        assert_ne!(first, second);
        assert_eq!(first, epoch(&mut sampler, 0), "after another epoch");
        assert_eq!(second, epoch(&mut new(7, 1), 1), "at another batch size, without epoch 0 before");
        assert_ne!(first, epoch(&mut new(8, 2), 0));
    }

    #[test]
    fn without_shuffling_images_come_in_file_order() {
        let mut sampler = Sampler::new(10, 4, false, 1);
        assert_eq!(epoch(&mut sampler, 3), (0..10).collect::<Vec<_>>());
        assert_eq!(sampler.batch(5, 2), [8, 9]);
    }
}
