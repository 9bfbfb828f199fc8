//! Whole networks against oracles of the mathematics, and at the paper's size.

mod autograd;
mod double;
#[path = "../runs/mod.rs"]
mod runs;
mod vgg16;
