//! Independent runs, trained at the same time: each adapter takes the next run from the list and trains it to its end. The
//! study itself has the first adapter; each other one has a thread, whose device lives as long as the study. Afterwards
//! [`Study::train`] finds the runs finished.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use lastbit_core::train::TrainConfig;

use super::Study;
use crate::failure::Failure;
use crate::reproduce::common::Common;
use crate::reproduce::folder::ReproductionFolder;
use crate::run::{Environment, finished_step};
use crate::terminal::prefix_warnings;
use crate::{device, interrupt};

/// The flags for each of `--adapters` alone; without `--adapters`, the flags as given.
pub fn per_adapter(common: &Common) -> Result<Vec<Common>, Failure> {
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
pub fn name_adapter(failure: Failure, common: &Common) -> Failure {
    if common.adapters.is_some() { failure.within(named(common.adapter.as_deref())) } else { failure }
}

/// Runs that are left, and the first failure.
struct Runs {
    left: Vec<(String, TrainConfig)>,
    next: AtomicUsize,
    failure: Mutex<Option<Failure>>,
}

impl Runs {
    /// Trains one run after the other until none is left. The first failure is kept; the other adapters then stop and save.
    fn train(&self, study: &mut Study) {
        let _others = interrupt::StopAllOnPanic;
        let trained = std::iter::from_fn(|| self.left.get(self.next.fetch_add(1, Ordering::SeqCst)))
            .try_for_each(|(name, config)| study.train(name, config).map(drop));
        if let Err(error) = trained {
            let failed = if interrupt::requested() { error } else { error.within(study.adapter()) };
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failed);
            interrupt::stop_all();
        }
    }
}

/// Another adapter and the thread that trains on it.
pub struct Worker {
    /// Runs to train; the thread ends when this sender is dropped.
    work: Option<Sender<Arc<Runs>>>,
    /// Environment of the adapter, sent once after its self-test.
    ready: Receiver<Result<Environment, Failure>>,
    /// Sent when no run is left.
    done: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread of the `index`-th of `studies` studies at the same time.
    pub fn new(
        index: usize,
        common: Common,
        folder: Option<ReproductionFolder>,
        studies: u64,
    ) -> Result<Self, Failure> {
        let ((work, given), (tested, ready), (finished, done)) = (channel::<Arc<Runs>>(), channel(), channel());
        let train = move || {
            let _span = tracing::info_span!("worker", worker = index).entered();
            prefix_warnings(&named(common.adapter.as_deref()));
            let study = Study::open(&common, studies).and_then(|context| Study::on(context, &common, folder));
            let mut study = match study {
                Ok(study) => Study { is_parallel: true, ..study },
                Err(failure) => return drop(tested.send(Err(name_adapter(failure, &common)))),
            };
            let _ = tested.send(Ok(study.environment()));
            for runs in given {
                runs.train(&mut study);
                let _ = finished.send(());
            }
        };
        let thread = device::thread_builder().spawn(train).map_err(device::thread_failure)?;
        Ok(Self { work: Some(work), ready, done, thread: Some(thread) })
    }

    /// Waits for the next message of the thread. A panic of the thread resumes here.
    fn receive<T>(&mut self, of: impl Fn(&Self) -> &Receiver<T>) -> T {
        of(self).recv().unwrap_or_else(|_| match self.thread.take().map(JoinHandle::join) {
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            _ => unreachable!("the thread sends its messages before it ends"),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.work = None;
        // Drop the device before the program ends. A panic was reported when it happened.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Study {
    /// Refuses adapters of several makes: their runs would not be comparable.
    pub(super) fn check_workers(&mut self) -> Result<(), Failure> {
        let first = self.environment();
        for worker in &mut self.workers {
            let other = worker.receive(|worker| &worker.ready)?;
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
        let runs = Arc::new(Runs { left, next: AtomicUsize::new(0), failure: Mutex::default() });
        // A thread that has ended is noticed below.
        self.workers
            .iter()
            .filter_map(|worker| worker.work.as_ref())
            .for_each(|work| drop(work.send(Arc::clone(&runs))));
        {
            let _span = tracing::info_span!("worker", worker = 0).entered();
            prefix_warnings(&self.adapter());
            self.is_parallel = true;
            runs.train(self);
            self.is_parallel = false;
            prefix_warnings("");
        }
        self.workers.iter_mut().for_each(|worker| worker.receive(|worker| &worker.done));
        self.begun = begun;
        let failure = runs.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(()), Err)
    }
}
