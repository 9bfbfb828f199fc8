//! Whether runs are what they say: a run against its own replay, two runs against each other, and the references of several.

mod comparison;
mod lines;
mod references;
mod replay;

pub use comparison::Comparison;
pub use lines::last_recorded_step;
pub use references::References;
pub use replay::{Replay, replay};
