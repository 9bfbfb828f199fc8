//! A thread that works on lists of runs, with a device that lives as long as the thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use lastbit_core::train::TrainConfig;

use crate::device;
use crate::failure::Failure;
use crate::run::Environment;

/// Runs that are left, and the first failure.
pub struct Runs {
    left: Vec<(String, TrainConfig)>,
    next: AtomicUsize,
    failure: Mutex<Option<Failure>>,
}

impl Runs {
    /// A list of runs by name.
    pub fn new(left: Vec<(String, TrainConfig)>) -> Self {
        Self { left, next: AtomicUsize::new(0), failure: Mutex::default() }
    }

    /// Takes the next run; each is taken once, whichever thread asks.
    pub fn next(&self) -> Option<&(String, TrainConfig)> {
        self.left.get(self.next.fetch_add(1, Ordering::SeqCst))
    }

    /// Keeps the failure if it is the first.
    pub fn fail(&self, failure: Failure) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    }

    /// The first failure, if there is any.
    pub fn result(&self) -> Result<(), Failure> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(()), Err)
    }
}

/// The worker's side of its channels.
pub struct Channels {
    /// Lists of runs to work on; it ends when the worker is dropped.
    pub given: Receiver<Arc<Runs>>,
    /// Takes the environment of the adapter, once after its self-test.
    pub ready: Sender<Result<Environment, Failure>>,
    /// Takes a message after each list.
    pub done: Sender<()>,
}

/// Another adapter and the thread that trains on it.
pub struct Worker {
    /// Runs to train; the thread ends when this sender is dropped.
    work: Option<Sender<Arc<Runs>>>,
    ready: Receiver<Result<Environment, Failure>>,
    done: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts a thread that does `work`.
    pub fn new(work: impl FnOnce(Channels) + Send + 'static) -> Result<Self, Failure> {
        let ((runs, given), (tested, ready), (finished, done)) = (channel(), channel(), channel());
        let channels = Channels { given, ready: tested, done: finished };
        let thread = device::thread_builder().spawn(move || work(channels)).map_err(device::thread_failure)?;
        Ok(Self { work: Some(runs), ready, done, thread: Some(thread) })
    }

    /// Waits for the environment of the adapter.
    pub fn environment(&mut self) -> Result<Environment, Failure> {
        self.receive(|worker| &worker.ready)
    }

    /// Gives the thread a list of runs. A thread that has ended is noticed by [`Self::wait`].
    pub fn begin(&self, runs: &Arc<Runs>) {
        self.work.iter().for_each(|work| drop(work.send(Arc::clone(runs))));
    }

    /// Waits until no run of the list is left.
    pub fn wait(&mut self) {
        self.receive(|worker| &worker.done);
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
