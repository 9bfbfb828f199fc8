//! The stages of `hardware run`. Each runs in a process of its own, so that one that hangs or fails does not stop the next.

mod adapters;
mod bench;
mod certify;
mod metrics;
mod peers;
mod rules;
mod train;
mod tune;
mod twice;

use anyhow::{Context, Result};

use super::trial::Trial;

/// A stage.
pub struct Stage {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its limit in seconds, unless `--limit` gives another.
    pub limit: u64,
    /// Seconds that it may take beyond its limit, to save what it has.
    pub grace: u64,
    /// What it does, for the help.
    pub what: &'static str,
    run: fn(&mut Trial) -> Result<()>,
}

const STAGES: [Stage; 8] = [
    Stage {
        name: "adapters",
        limit: 60,
        grace: 5,
        what: "lists the adapters with their limits, and the driver",
        run: adapters::run,
    },
    Stage {
        name: "rules",
        limit: 150,
        grace: 10,
        what: "runs core's tests on the adapter: self-test, bit rules, operations, whole networks",
        run: rules::run,
    },
    Stage {
        name: "certify",
        limit: 300,
        grace: 10,
        what: "checks every kernel against its twin: `lastbit certify`",
        run: certify::run,
    },
    Stage {
        name: "twice",
        limit: 240,
        grace: 10,
        what: "trains 20 steps: twice, one k alone, in chunks; verifies and compares them bit by bit",
        run: twice::run,
    },
    Stage {
        name: "bench",
        limit: 120,
        grace: 5,
        what: "measures each operation and whole steps beside the FMA rate and the copy rate",
        run: bench::run,
    },
    Stage {
        name: "peers",
        limit: 200,
        grace: 20,
        what: "trains the same network with PyTorch, in turns with lastbit",
        run: peers::run,
    },
    Stage {
        name: "tune",
        limit: 180,
        grace: 5,
        what: "finds the fastest tiles, then measures the convolutions with them",
        run: tune::run,
    },
    Stage {
        name: "train",
        limit: 240,
        grace: 60,
        what: "trains until its limit and saves; a later run goes on from there",
        run: train::run,
    },
];

/// The names of the stages, in their order.
pub fn names() -> impl Iterator<Item = &'static str> {
    STAGES.iter().map(|stage| stage.name)
}

/// The stage of this name.
///
/// # Errors
/// If there is none.
pub fn named(name: &str) -> Result<&'static Stage> {
    let known = || names().collect::<Vec<_>>().join(", ");
    let found = STAGES.iter().find(|stage| stage.name == name);
    found.with_context(|| format!("unknown stage '{name}'; the stages are {}", known()))
}

/// The stages with their limits, one a line.
pub fn help() -> String {
    let line = |stage: &Stage| format!("    {:<10} {:>4} s  {}\n", stage.name, stage.limit, stage.what);
    STAGES.iter().map(line).collect()
}

impl Stage {
    /// Does what the stage is for.
    ///
    /// # Errors
    /// [`Incomplete`](super::trial::Incomplete) if a part could not be done here, or had no time; anything else if something is wrong.
    pub fn run(&self, trial: &mut Trial) -> Result<()> {
        (self.run)(trial)
    }
}
