//! What an experiment is.

use std::fmt::Debug;

use super::findings::Findings;
use super::flags::Flags;
use super::study::{Forecast, Study};
use crate::failure::Failure;

/// One figure or table of the paper.
pub trait Experiment: Flags + Debug {
    /// Title of the page: which part of the paper it is, and its subject.
    fn title(&self) -> String {
        self.about().to_owned()
    }
    /// Checks the values.
    ///
    /// # Errors
    /// A usage failure that names the flag of an invalid value.
    fn check(&self) -> Result<(), Failure>;
    /// Forecast of the remaining work.
    ///
    /// # Errors
    /// If images are missing or invalid, a flag's value is invalid, or a timed step fails on the adapter.
    fn forecast(&self, study: &Study) -> Result<Forecast, Failure>;
    /// True if the experiment trains independent runs and passes them to [`Study::train_parallel`].
    fn has_independent_runs(&self) -> bool {
        false
    }
    /// Computes what is not finished yet and judges the results.
    ///
    /// # Errors
    /// If a piece or a run fails, a file cannot be read or written, or Ctrl-C stops the work.
    fn run(&self, study: &mut Study) -> Result<Findings, Failure>;
}
