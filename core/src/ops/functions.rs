//! The functions that shaders share, applied to given operands: for tests, for certificates, and to find the class of a device.

use super::workgroups;
use crate::record::{Binding, Function, Kernel, Recording, Shader, Work};

/// The kernel that applies `function`.
#[must_use]
pub fn kernel(function: Function) -> Kernel {
    Kernel::new(Shader::SharedFunctions, &[("FUNCTION", (function as u32).into())])
}

/// Appends the function of `count` operands, `[count][4]` words (x, y, z, unused), to `[count]` words of results.
pub fn apply(rec: &mut Recording, function: Function, [operands, results]: [Binding; 2], count: u32) {
    let work = Work::shared(u64::from(count), u64::from(count) * 20);
    let label = format!("{function:?}");
    rec.dispatch_with(&label, kernel(function), &[operands, results], workgroups(count.into()), work, &[count]);
}
