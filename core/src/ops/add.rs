//! Elementwise sums: residual connections that no batch norm fuses, and gradients of a tensor that several nodes read.

use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// Elements of a workgroup.
const TILE: u64 = 256;

/// `sum = a + b`, of `elements` floats in each replica.
pub fn add(rec: &mut Recording, label: &str, elements: u64, [a, b, sum]: [Binding; 3]) {
    let tiles = elements.div_ceil(TILE) as u32;
    let work = Work::new(elements, elements * 12);
    rec.dispatch_with(label, Kernel::new(Shader::Add, &[]), &[a, b, sum], tiles, work, &[elements as u32]);
}
