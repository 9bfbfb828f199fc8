//! lastbit beside PyTorch on one adapter, within a limited time: for a GPU that is at hand for some minutes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

use super::budget::Budget;
use super::contender::{Contender, Platform};
use super::lastbit::Lastbit;
use super::reference::Reference;
use super::table::Table;
use super::{has_cuda, start_pytorch, take_turns};
use crate::host;

/// Share of the time after which no further peer is started: compiling a network takes it up to a minute and a half.
const LAST_START: f64 = 0.5;
/// How PyTorch trains: as the authors do, in its fastest form, with algorithms that repeat their bits, and with shorter products.
const MODES: [[&str; 2]; 4] =
    [["eager", "float32"], ["best", "float32"], ["deterministic", "float32"], ["best", "tf32"]];

/// What is compared.
pub struct Comparison<'a> {
    /// lastbit's program.
    pub program: &'a Path,
    /// The value of `--adapter`; `None` is lastbit's default.
    pub adapter: Option<&'a str>,
    /// Folder for runs and logs.
    pub work: &'a Path,
    /// Network, as `lastbit train --net` takes it.
    pub net: &'a str,
    /// Samples in the batch.
    pub batch: u32,
    /// Replicas that lastbit trains in lockstep, beside a run with one.
    pub replicas: u32,
    /// Networks that PyTorch trains one after the other. Each of them is compiled.
    pub peer_replicas: u32,
    /// Rounds that count, after the one that warms up.
    pub rounds: usize,
    /// Time for all of this.
    pub limit: Duration,
}

impl Comparison<'_> {
    /// Measures in turns. A form of PyTorch that is absent or fails, or for which there is no time, is a line with the reason.
    ///
    /// # Errors
    /// If lastbit itself does not train.
    pub fn run(&self) -> Result<Table> {
        let budget = Budget::of(self.limit);
        std::fs::create_dir_all(self.work).with_context(|| format!("cannot create {}", self.work.display()))?;
        let lastbit = Lastbit::new(self.program, self.adapter);
        let adapter = lastbit.measure()?;
        let reference = Reference::make(&lastbit, self.work, self.net, self.batch, budget)?;
        let mut contenders: Vec<Contender> = [self.replicas, 1]
            .into_iter()
            .map(|replicas| Contender::lastbit(&lastbit, (0, &adapter.name), self.work, &reference, replicas))
            .collect();
        let python =
            host::torch().context("no Python with PyTorch: install it for python3, or name one in LASTBIT_PYTHON");
        let on_cuda = python.as_ref().is_ok_and(|python| has_cuda(python));
        for mode in MODES.into_iter().filter(|[_, precision]| on_cuda || *precision == "float32") {
            let start = || {
                let python: &PathBuf = python.as_ref().map_err(|reason| anyhow!("{}: {reason:#}", mode[0]))?;
                ensure!(!budget.is_spent(LAST_START), "{}, {}: no time was left to start it", mode[0], mode[1]);
                start_pytorch(python, self.work, &reference, self.peer_replicas, mode)
            };
            contenders.push(Contender::new("PyTorch", Platform::Native, &reference, self.peer_replicas, start));
            if python.is_err() {
                // One line is enough.
                break;
            }
        }
        take_turns(self.net, self.rounds, &[lastbit], vec![adapter], contenders, budget)
    }
}
