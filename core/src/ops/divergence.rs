//! How far each replica is from the first one, measured on the weights themselves, tensor by tensor.

use bytemuck::{Pod, Zeroable};

use super::workgroups;
use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// Parameters in a block of the reduction; tensors begin at multiples of it.
pub const BLOCK: u32 = 64;
/// Bytes of scratch for a block of one replica.
pub const BLOCK_BYTES: u64 = 32;

/// How far a tensor a is from the reference's tensor b, as the kernel writes it. Subnormal numbers count as zero in the
/// real-valued fields, because adapters may compute so.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub struct Distance {
    /// Mean over the elements of 2|a-b| / (|a|+|b|), with 0/0 = 0, in [0, 2]; 2 where bits differ and
    /// one side is not finite.
    pub rel_l1: f32,
    /// Largest distance in units in the last place.
    pub max_ulp: u32,
    /// Elements whose bits differ.
    pub differing: u32,
    /// Norm of a-b.
    pub l2: f32,
    /// Norm of b.
    pub reference_l2: f32,
    unused: [u32; 3],
}

impl Distance {
    /// Norm of a-b by the norm of b, with 0/0 = 0.
    #[must_use]
    pub fn relative_l2(&self) -> f64 {
        if self.l2 == 0.0 { 0.0 } else { f64::from(self.l2) / f64::from(self.reference_l2) }
    }
}

/// Appends the reductions. `tensors` holds [first block, blocks, elements, 0] for each of `n_tensors` tensors, `blocks`
/// is scratch of [`BLOCK_BYTES`] for each block, `results` gets a [`Distance`] for each replica and tensor. What lies
/// between the tensors of an arena must be zero.
pub fn measure(rec: &mut Recording, n_tensors: u32, [parameters, reference, blocks, tensors, results]: [Binding; 5]) {
    let stride = u64::from(rec.job.parameter_stride);
    let n_blocks = stride / u64::from(BLOCK);
    let first = Kernel::new(Shader::DivergenceBlocks, &[]);
    let work = Work::new(stride * 10, stride * 8);
    rec.dispatch("divergence", first, &[parameters, reference, blocks], workgroups(n_blocks), work);
    let second = Kernel::new(Shader::DivergenceTensors, &[]);
    let work = Work::new(n_blocks * 3, n_blocks * BLOCK_BYTES);
    rec.dispatch_with("divergence", second, &[blocks, tensors, results], n_tensors, work, &[n_tensors]);
}
