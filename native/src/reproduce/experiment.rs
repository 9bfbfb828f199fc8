//! What an experiment is.

use std::fmt::Debug;

use lastbit_core::train::TrainConfig;

use super::findings::Findings;
use super::flags::{Flags, flag_text};
use super::run::Run;
use super::study::{Forecast, Study};
use crate::failure::Failure;

/// What a page says of an experiment's origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wording {
    /// Above the title.
    pub kicker: &'static str,
    /// What the quick size is, and what it is good for.
    pub quick: [&'static str; 2],
    /// What the full size is, and what it is good for.
    pub full: [&'static str; 2],
    /// Head of the column with what was to be tested.
    pub claimed: &'static str,
}

const QUICK: &str = "This is the quick size, made for a machine without a GPU";

impl Wording {
    /// An experiment of the paper.
    pub const PAPER: Self = Self {
        kicker: "the paper, reproduced",
        quick: [QUICK, " It shows the effect; the paper's numbers need the full size."],
        full: ["This is the full size, as published", ""],
        claimed: "what the paper found",
    };
    /// An experiment that is not in the paper: its claims come from other works, from the arithmetic, or from lastbit.
    pub const BEYOND: Self = Self {
        kicker: "beyond the paper",
        quick: [QUICK, " It shows the effect; certainty needs the full size."],
        full: ["This is the full size", ""],
        claimed: "what was claimed",
    };
}

/// A figure or table of the paper, or an experiment beyond it.
pub trait Experiment: Flags + Debug {
    /// Title of the page: which part of the paper it is, and its subject.
    fn title(&self) -> String {
        self.about().to_owned()
    }
    /// True if the paper has it.
    fn is_in_paper(&self) -> bool {
        true
    }
    /// The flags of [`Flags::changes`], such as `--points 40`.
    ///
    /// # Errors
    /// As [`Flags::changes`].
    fn changed_flags(&self) -> Result<Vec<String>, Failure> {
        Ok(self.changes()?.iter().map(|(name, value)| format!("--{name} {}", flag_text(value))).collect())
    }
    /// `quick size` or `full size`, and whether flags changed it.
    ///
    /// # Errors
    /// As [`Flags::changes`].
    fn size_text(&self) -> Result<String, Failure> {
        let size = if self.is_quick() { "quick size" } else { "full size" };
        Ok(if self.changes()?.is_empty() { size.to_owned() } else { format!("{size}, changed by flags") })
    }
    /// What the page says of its origin.
    fn wording(&self) -> Wording {
        if self.is_in_paper() { Wording::PAPER } else { Wording::BEYOND }
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
    /// Runs by name that do not depend on each other, in the order of `--tasks`. They are trained before [`Self::run`], at the same
    /// time if there are several adapters.
    fn independent_runs(&self) -> Vec<(String, TrainConfig)> {
        Vec::new()
    }
    /// Computes what the experiment needs of one of these runs alone, with the run's adapter, and keeps it in the folder.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn complete(&self, study: &mut Study, run: &Run) -> Result<(), Failure> {
        let _ = (study, run);
        Ok(())
    }
    /// Computes what is not finished yet and judges the results.
    ///
    /// # Errors
    /// If a piece or a run fails, a file cannot be read or written, or Ctrl-C stops the work.
    fn run(&self, study: &mut Study) -> Result<Findings, Failure>;
}
