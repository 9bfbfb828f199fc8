//! Checks of runs: a run against its replay, two runs against each other, and the references of several runs.

mod comparison;
mod metrics;
mod references;
mod replay;

pub use comparison::{Comparison, Numbers};
pub use metrics::last_recorded_step;
pub use references::References;
pub use replay::{Replay, replay};
