//! Independent runs, trained at the same time: each adapter takes the next run from the list and trains it to its end. The
//! study itself has the first adapter; each other one has a [`Worker`] with another study. Afterwards [`Study::train`] finds the
//! runs finished.

use std::sync::Arc;

use lastbit_core::train::TrainConfig;

use super::Study;
use super::worker::{Channels, Runs, Worker};
use crate::failure::Failure;
use crate::interrupt;
use crate::reproduce::common::Common;
use crate::reproduce::folder::ReproductionFolder;
use crate::run::finished_step;
use crate::terminal::prefix_warnings;

/// The flags for each of `--adapters` alone; without `--adapters`, the flags as given.
fn per_adapter(common: &Common) -> Result<Vec<Common>, Failure> {
    match common.adapters.as_deref() {
        None => Ok(vec![common.clone()]),
        Some([_]) => Err(Failure::usage("--adapters: give at least two, or --adapter")),
        Some(adapters) => {
            Ok(adapters.iter().map(|adapter| Common { adapter: Some(adapter.clone()), ..common.clone() }).collect())
        }
    }
}

fn named(adapter: Option<&str>) -> String {
    format!("adapter {}", adapter.unwrap_or_default())
}

/// Names the adapter of a failure, if several were given.
fn name_adapter(failure: Failure, common: &Common) -> Failure {
    if common.adapters.is_some() { failure.within(named(common.adapter.as_deref())) } else { failure }
}

impl Study {
    /// Opens and tests the adapters of the flags. Results are kept in `folder`.
    pub fn new(common: &Common, folder: Option<ReproductionFolder>) -> Result<Self, Failure> {
        let mut each = per_adapter(common)?.into_iter();
        let studies = each.len() as u64;
        let first = each.next().unwrap_or_else(|| common.clone());
        let name_adapter = |failure| name_adapter(failure, &first);
        let context = Self::open(&first, studies).map_err(name_adapter)?;
        // The other adapters are opened and tested at the same time.
        let worker = |(index, common): (usize, Common)| {
            let folder = folder.clone();
            Worker::new(move |channels| Self::work(index, &common, folder, studies, &channels))
        };
        let workers = (1..).zip(each).map(worker).collect::<Result<_, Failure>>()?;
        let mut study = Self { workers, ..Self::on(context, &first, folder).map_err(name_adapter)? };
        study.check_workers()?;
        Ok(study)
    }

    /// What the thread of the `index`-th of `studies` studies does.
    fn work(
        index: usize,
        common: &Common,
        folder: Option<ReproductionFolder>,
        studies: u64,
        Channels { given, ready, done }: &Channels,
    ) {
        let _span = tracing::info_span!("worker", worker = index).entered();
        prefix_warnings(&named(common.adapter.as_deref()));
        let study = Self::open(common, studies).and_then(|context| Self::on(context, common, folder));
        let mut study = match study {
            Ok(study) => Self { is_parallel: true, ..study },
            Err(failure) => return drop(ready.send(Err(name_adapter(failure, common)))),
        };
        let _ = ready.send(Ok(study.environment()));
        for runs in given {
            study.train_all(&runs);
            let _ = done.send(());
        }
    }

    /// Trains one run after the other until none is left. After a failure the other adapters stop and save.
    fn train_all(&mut self, runs: &Runs) {
        let _others = interrupt::StopAllOnPanic;
        let trained = std::iter::from_fn(|| runs.next()).try_for_each(|(name, run)| self.train(name, run).map(drop));
        if let Err(error) = trained {
            runs.fail(if interrupt::requested() { error } else { error.within(self.adapter()) });
            interrupt::stop_all();
        }
    }

    /// Refuses adapters of several makes: their runs would not be comparable.
    fn check_workers(&mut self) -> Result<(), Failure> {
        let first = self.environment();
        for worker in &mut self.workers {
            let other = worker.environment()?;
            if (&other.adapter, &other.driver, &other.backend) != (&first.adapter, &first.driver, &first.backend) {
                return Err(Failure::usage(format!(
                    "--adapters: '{}' ({}, {}) and '{}' ({}, {}) are not of one make, so their bits may differ: give \
                     adapters of the same name, driver and interface",
                    first.adapter, first.driver, first.backend, other.adapter, other.driver, other.backend
                )));
            }
            if other != first {
                return Err(Failure::other(
                    "--adapters: the self-test has another outcome than on the first of them: leave out the adapter that differs",
                ));
            }
        }
        Ok(())
    }

    /// How many runs are trained at the same time.
    pub(super) fn at_a_time(&self) -> u64 {
        self.workers.len() as u64 + 1
    }

    /// Note after a forecast, which counts one run after the other.
    pub(in crate::reproduce) fn workers_text(&self) -> String {
        match self.at_a_time() {
            1 => String::new(),
            n => format!("; the time is for one adapter, and runs are trained on {n} at a time"),
        }
    }

    fn adapter(&self) -> String {
        named(self.host.adapter.as_deref())
    }

    /// Trains the unfinished runs on all adapters at the same time. Does nothing with a single adapter, on which
    /// [`Study::train`] trains them in turn.
    pub fn train_parallel(&mut self, runs: &[(String, TrainConfig)]) -> Result<(), Failure> {
        let folder = self.folder()?;
        let is_left = |run: &&(String, TrainConfig)| finished_step(&folder.run(&run.0), &run.1).is_none();
        let left: Vec<(String, TrainConfig)> = runs.iter().filter(is_left).cloned().collect();
        if self.workers.is_empty() || left.len() < 2 {
            return Ok(());
        }
        let begun = self.begun + left.len();
        let runs = Arc::new(Runs::new(left));
        self.workers.iter().for_each(|worker| worker.begin(&runs));
        {
            let _span = tracing::info_span!("worker", worker = 0).entered();
            prefix_warnings(&self.adapter());
            self.is_parallel = true;
            self.train_all(&runs);
            self.is_parallel = false;
            prefix_warnings("");
        }
        self.workers.iter_mut().for_each(Worker::wait);
        self.begun = begun;
        runs.result()
    }
}
