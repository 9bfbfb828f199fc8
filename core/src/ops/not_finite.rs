//! Finds the layer at which a replica stopped being finite. It reads the running statistics, because every
//! convolution's output passes through a batch norm soon after.

use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// Appends the search. `firsts` receives a word for each replica: the index of the first element in its arena of running
/// statistics that is not finite, or the arena's length.
pub fn search(rec: &mut Recording, [running, firsts]: [Binding; 2]) {
    let kernel = Kernel::new(Shader::RunningNotFinite, &[]);
    let bytes = u64::from(rec.job.running_stride) * 4;
    rec.dispatch("not finite", kernel, &[running, firsts], 1, Work::new(0, bytes));
}
