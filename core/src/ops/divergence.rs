//! The distance of each replica from the first one, measured on the weights, tensor by tensor.

use bytemuck::{Pod, Zeroable};

use super::workgroups;
use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// Parameters per block of the reduction. Tensors begin at multiples of it.
pub const BLOCK: u32 = 64;
/// Scratch per block and replica in bytes.
pub const BLOCK_BYTES: u64 = 32;

/// The distance of a tensor a from the reference's tensor b, in the layout that the kernel writes. Subnormal numbers count as
/// zero in the real-valued fields, because adapters may flush them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub struct Distance {
    /// Mean over the elements of 2|a-b| / (|a|+|b|), in [0, 2]. 0/0 counts as 0; an element counts as 2 if its bits differ and
    /// one side is not finite.
    pub rel_l1: f32,
    /// Largest distance in units in the last place.
    pub max_ulp: u32,
    /// Number of elements whose bits differ.
    pub differing: u32,
    /// L2 norm of a-b.
    pub l2: f32,
    /// L2 norm of b.
    pub reference_l2: f32,
    unused: [u32; 3],
}

impl Distance {
    /// L2 norm of a-b divided by that of b, with 0/0 = 0.
    #[must_use]
    pub fn relative_l2(&self) -> f64 {
        if self.l2 == 0.0 { 0.0 } else { f64::from(self.l2) / f64::from(self.reference_l2) }
    }
}

/// Appends the reductions. `tensors` holds [first block, blocks, elements, 0] for each of `n_tensors` tensors, `blocks`
/// is scratch of [`BLOCK_BYTES`] for each block and replica, and `results` receives a [`Distance`] for each replica and tensor.
/// The padding between the tensors of an arena must be zero.
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
