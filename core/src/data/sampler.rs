//! Which training images a batch holds: a pure function of (seed, epoch, index).

use crate::rng::{Purpose, Stream};

/// Walks through the training images in a new random order every epoch, or always in file order.
#[derive(Clone, Debug)]
pub struct Sampler {
    batch_size: usize,
    shuffle: bool,
    seed: u64,
    order: Vec<u32>,
    epoch_of_order: Option<u64>,
}

impl Sampler {
    /// A sampler of `n_images` images in batches of `batch_size` (at least 1); an epoch's last batch may be smaller.
    #[must_use]
    pub fn new(n_images: usize, batch_size: u32, shuffle: bool, seed_order: u64) -> Self {
        let order = (0..n_images as u32).collect();
        Self { batch_size: batch_size.max(1) as usize, shuffle, seed: seed_order, order, epoch_of_order: None }
    }

    /// Steps that see every image once.
    #[must_use]
    pub fn batches_per_epoch(&self) -> u64 {
        self.order.len().div_ceil(self.batch_size) as u64
    }

    /// Images of batch `index_in_epoch` of `epoch`, both from 0; empty beyond the epoch's last batch. An epoch's order is
    /// kept until another epoch is asked for.
    pub fn batch(&mut self, epoch: u64, index_in_epoch: u64) -> &[u32] {
        if self.shuffle && self.epoch_of_order != Some(epoch) {
            self.order = Stream::new(self.seed, Purpose::Order, epoch).shuffled(self.order.len() as u32);
            self.epoch_of_order = Some(epoch);
        }
        let batch = usize::try_from(index_in_epoch).ok().and_then(|index| self.order.chunks(self.batch_size).nth(index));
        batch.unwrap_or_default()
    }
}
