//! The fault injector: one last bit of one parameter of one replica, to prove that the control lamp can turn red.

use crate::gpu::{Binding, Job, Kernel, Recording, Work, shader};

/// Appends a flip of `element` of the arena of replica `replica`.
pub fn flip(rec: &mut Recording, parameters: Binding, element: u32, replica: u32) {
    let job = Job { argument: element, argument2: replica, ..rec.job };
    rec.dispatch_job("flip bit", Kernel::new(shader!("flip_bit"), &[]), &[parameters], 1, Work::default(), job);
}
