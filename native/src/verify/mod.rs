//! Checks of runs: a run against its replay, two runs against each other, and the references of several runs.

mod comparison;
mod lines;
mod references;
mod replay;

pub use comparison::{Comparison, Numbers};
pub use lines::last_recorded_step;
pub use references::References;
pub use replay::{Replay, replay};
