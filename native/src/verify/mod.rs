//! Whether runs are what they say: a run against its own replay, and two runs against each other.

mod comparison;
mod lines;
mod replay;

pub use comparison::Comparison;
pub use replay::{Replay, replay};
