//! ReLUs that are switched for all replicas as they are for the first one. Replicas whose weights differ a little then compute smooth
//! functions of their weights: the difference of their gradients has the Hessian that automatic differentiation computes, in which the
//! kink of a ReLU has no curvature. Without this, differences of gradients measure how many ReLUs switch between the two weights.

use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// Elements of a workgroup.
const TILE: u32 = 256;

/// `out = x` where the first replica's `gate` is above 0, else 0, of `elements` floats in each replica. `gate` and `x` may be the same.
///
/// # Panics
/// If a u32 cannot count the elements: such a tensor is over every adapter's limit long before.
pub fn gate(rec: &mut Recording, label: &str, elements: u64, [gate, x, out]: [Binding; 3]) {
    let work = Work::new(elements, elements * 12);
    let elements = u32::try_from(elements).expect("fewer than 2^32 elements");
    rec.dispatch_with(
        label,
        Kernel::new(Shader::Gate, &[]),
        &[gate, x, out],
        elements.div_ceil(TILE),
        work,
        &[elements],
    );
}
