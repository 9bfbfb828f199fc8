//! Elementwise sums: residual connections that no batch norm fuses, and gradients of a tensor that several nodes read.

use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// Elements of a workgroup.
const TILE: u32 = 256;

/// `sum = a + b`, of `elements` floats in each replica.
///
/// # Panics
/// If a u32 cannot count the elements: such a tensor is over every adapter's limit long before.
pub fn add(rec: &mut Recording, label: &str, elements: u64, [a, b, sum]: [Binding; 3]) {
    let work = Work::new(elements, elements * 12);
    let elements = u32::try_from(elements).expect("fewer than 2^32 elements");
    rec.dispatch_with(label, Kernel::new(Shader::Add, &[]), &[a, b, sum], elements.div_ceil(TILE), work, &[elements]);
}
