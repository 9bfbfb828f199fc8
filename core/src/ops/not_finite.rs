//! Where a replica's numbers stopped being finite: the running statistics tell, because every convolution is followed by
//! a batch norm.

use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// Appends the search. `firsts` gets a word for each replica: the first element of its arena of running statistics that
/// is not finite, or the arena's length.
pub fn search(rec: &mut Recording, [running, firsts]: [Binding; 2]) {
    let kernel = Kernel::new(Shader::RunningNotFinite, &[]);
    let bytes = u64::from(rec.job.running_stride) * 4;
    rec.dispatch("not finite", kernel, &[running, firsts], 1, Work::new(0, bytes));
}
