//! Tensors of planes in memory.

use crate::processor::memory::View;

/// A tensor `[R][N]` of planes. In a sample loop it may be a ring that holds only the current samples.
#[derive(Clone, Copy)]
pub struct Tensor {
    view: View<f32>,
    /// Floats from a sample to the next.
    sample: usize,
    /// Floats from a replica to the next; 0 if all replicas share the tensor.
    replica: usize,
    /// Samples that the memory of a replica has room for.
    samples: usize,
}

impl Tensor {
    /// A tensor in `view` with `sample` floats for each of `samples` samples.
    pub fn new(view: View<f32>, sample: usize, samples: usize) -> Self {
        Self { view, sample, replica: sample * samples, samples: samples.max(1) }
    }

    /// The same tensor, shared by all replicas.
    pub fn shared(self) -> Self {
        Self { replica: 0, ..self }
    }

    /// Floats from a sample to the next.
    #[inline(always)]
    pub fn step(&self) -> usize {
        self.sample
    }

    /// Index of a sample's first float. The samples of a group are contiguous.
    #[inline(always)]
    pub fn start(&self, replica: usize, sample: usize) -> usize {
        let at = if sample < self.samples { sample } else { sample % self.samples };
        replica * self.replica + at * self.sample
    }
}

impl std::ops::Deref for Tensor {
    type Target = View<f32>;

    fn deref(&self) -> &View<f32> {
        &self.view
    }
}
