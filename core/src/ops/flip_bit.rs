//! The fault injector: flips the last bit of one parameter of one replica, to prove that the control lamp can turn red.

use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// Appends a flip of the last bit of `element` in the arena of `replica`.
pub fn flip(rec: &mut Recording, parameters: Binding, element: u32, replica: u32) {
    let kernel = Kernel::new(Shader::FlipBit, &[]);
    rec.dispatch_with("flip bit", kernel, &[parameters], 1, Work::default(), &[element, replica]);
}
