//! Published fingerprints: short runs on made-up images, each with the fingerprints that every device of a class must find. The
//! table is `runs.json`, and docs/FINGERPRINTS.md shows it. The plain reading of docs/ORDER.md and the processor's twins agree
//! on it (`core/tests/processor/published.rs`), so it says what a device has to compute, not what one device computed.

mod command_line;
mod run;

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

pub use command_line::command_line;
pub use run::{dataset, fingerprints, run};

use crate::processor::Class;
use crate::train::TrainConfig;

/// A short run with its fingerprints in both classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Short name, unique in the table.
    pub name: String,
    /// What is trained. Keys that are missing from the table have their defaults.
    pub config: TrainConfig,
    /// Number of steps in the quick form of the check, which a software GPU in a browser finishes; `None` if the run is not part of
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quick: Option<u64>,
    /// Steps with published fingerprints, counted from 1, in ascending order.
    pub steps: Vec<u64>,
    /// What a device of the class *fused* finds, one entry for each of `steps`.
    #[serde(default)]
    pub fused: Vec<Fingerprints>,
    /// What a device of the class *separate* finds, one entry for each of `steps`.
    #[serde(default)]
    pub separate: Vec<Fingerprints>,
}

/// Loss and fingerprints after one step. Vectors have one entry for each replica, in the order of the config's divisors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprints {
    /// Number of the step, from 1.
    pub step: u64,
    /// Mean loss of the step's batch before the update: the bits of the float32, 8 hex digits.
    pub loss: Vec<String>,
    /// Fingerprints of parameters and momentum after the update, 16 hex digits.
    pub fingerprints: Vec<String>,
}

impl Published {
    /// What a device of this class finds.
    #[must_use]
    pub fn of(&self, class: Class) -> &[Fingerprints] {
        match class {
            Class::Fused => &self.fused,
            Class::Separate => &self.separate,
        }
    }

    /// The same run up to `step`, with the fingerprints up to there.
    #[must_use]
    pub fn until(&self, step: u64) -> Self {
        let mut run = self.clone();
        run.config.steps = Some(step);
        run.steps.retain(|known| *known <= step);
        run.fused.retain(|known| known.step <= step);
        run.separate.retain(|known| known.step <= step);
        run
    }

    /// The command that makes this run. It writes a run folder, whose `metrics.jsonl` has the fingerprints.
    #[must_use]
    pub fn command_line(&self) -> String {
        command_line(&self.config)
    }
}

/// All published runs.
///
/// # Panics
/// Never: a test reads the table.
#[must_use]
pub fn all() -> &'static [Published] {
    static ALL: LazyLock<Vec<Published>> = LazyLock::new(|| {
        let mut runs: Vec<Published> =
            serde_json::from_str(include_str!("runs.json")).unwrap_or_else(|error| unreachable!("runs.json: {error}"));
        for run in &mut runs {
            run.config.steps = run.steps.last().copied();
        }
        runs
    });
    &ALL
}

/// The quick form of the check: some of the runs, with fewer steps.
#[must_use]
pub fn quick() -> Vec<Published> {
    all().iter().filter_map(|run| Some(run.until(run.quick?))).collect()
}
