//! Whole networks are compared with mathematical oracles, and run at the paper's size.

mod autograd;
mod double;
#[path = "../runs/mod.rs"]
mod runs;
mod vgg16;
