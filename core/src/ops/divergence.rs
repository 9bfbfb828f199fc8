//! How far each replica is from the first one, measured on the weights themselves, tensor by tensor.

use super::workgroups;
use crate::gpu::{Binding, Job, Kernel, Recording, Work, shader};

/// Parameters in a block of the reduction; tensors begin at multiples of it.
pub const BLOCK: u32 = 64;

/// Appends the reductions. `tensors` holds [first block, blocks, elements, 0] for each of `n_tensors` tensors,
/// `results` gets [bits of the mean relative distance, ulps, differing, 0] for each replica and tensor.
pub fn measure(rec: &mut Recording, n_tensors: u32, [parameters, reference, blocks, tensors, results]: [Binding; 5]) {
    let stride = u64::from(rec.job.parameter_stride);
    let n_blocks = stride / u64::from(BLOCK);
    let first = Kernel::new(shader!("divergence_blocks"), &[]);
    let work = Work::new(stride * 6, stride * 8);
    rec.dispatch("divergence", first, &[parameters, reference, blocks], workgroups(n_blocks), work);
    let second = Kernel::new(shader!("divergence_tensors"), &[]);
    let job = Job { argument: n_tensors, ..rec.job };
    let work = Work::new(n_blocks, n_blocks * 16);
    rec.dispatch_job("divergence", second, &[blocks, tensors, results], n_tensors, work, job);
}
