//! Runs recordings: twins are made once, then run again every step.
//!
//! A stretch of dispatches in which no replica reads what another one writes is run replica by replica: a replica's tensors stay
//! in the caches from one dispatch to the next, and threads that have a replica each need not wait for one another.

use std::cell::RefCell;
use std::sync::Arc;

use web_time::Instant;

use super::device::{Buffers, Processor};
use super::isa::{Class, Isa, Runnable};
use super::memory::{Memory, Scratch, View};
use super::scratch::{Own, Places, views};
use super::twin::Launch;
use super::twins;
use crate::device::{DeviceError, DispatchTime, RunTime};
use crate::record::{Binding, BufferId, Command, Dispatch, Recording, Shader};
use crate::threads::Threads;

/// A dispatch, ready to run.
struct Step {
    twin: Box<dyn Runnable>,
    pieces: usize,
    /// Index of the dispatch in the recording, or of the first of several.
    dispatch: usize,
}

enum Action {
    /// Dispatches over so many replicas, one after the other for each replica.
    Stretch {
        steps: Vec<Step>,
        replicas: usize,
    },
    Copy {
        from: View<u8>,
        to: View<u8>,
    },
    Clear(View<u8>),
}

/// A recording, ready to run on one set of buffers.
pub struct Program {
    actions: Vec<Action>,
    labels: Vec<(String, &'static str)>,
    /// What the views of all actions lie in.
    _memory: [Arc<Memory>; 2],
}

/// True where a replica reads what another one may write in the same recording.
fn crosses_replicas(shader: Shader) -> bool {
    matches!(shader, Shader::PdeMeasure | Shader::DivergenceBlocks)
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Program {
    /// Makes the twins of all dispatches.
    ///
    /// # Errors
    /// [`DeviceError::OutOfMemory`] where the system gives no memory.
    pub fn build(buffers: &Buffers, recording: &Recording) -> Result<Self, DeviceError> {
        let shared = &buffers.memory;
        let mut own = Own::default();
        let parts: Vec<Part<'_>> = parts(recording, &mut own);
        let Some(memory) = own.allocate() else {
            let label = "scratch of replicas that run apart".to_owned();
            return Err(DeviceError::OutOfMemory { label, asked: 0, limit: None });
        };
        let mut labels = Vec::new();
        let actions = parts.into_iter().map(|part| match part {
            Part::Stretch(stretch) => {
                let launches: Vec<_> = stretch
                    .iter()
                    .map(|(dispatch, places)| Launch::new(dispatch, views(places, shared, &memory)))
                    .collect();
                let steps = steps(&launches, labels.len());
                labels.extend(stretch.iter().map(|(dispatch, _)| (dispatch.label.clone(), dispatch.kernel.name())));
                Action::Stretch { steps, replicas: stretch[0].0.replicas as usize }
            }
            Part::Copy { from, to } => Action::Copy { from: shared.view(from), to: shared.view(to) },
            Part::Clear(buffer) => Action::Clear(shared.bytes(buffer)),
        });
        let actions = actions.collect();
        Ok(Self { actions, labels, _memory: [Arc::clone(shared), Arc::new(memory)] })
    }

    /// The number of dispatches.
    pub fn launches(&self) -> usize {
        self.labels.len()
    }

    /// Runs it once.
    pub fn run(&self, processor: &Processor) {
        let Processor { threads, isa, class, .. } = processor;
        threads.enter(|| self.actions.iter().for_each(|action| action.run(threads, (*isa, *class))));
    }

    /// Runs it `repeats` times in a row.
    ///
    /// # Errors
    /// As [`Processor::check`].
    pub fn time(&self, processor: &Processor, repeats: u32) -> Result<RunTime, DeviceError> {
        let start = Instant::now();
        (0..repeats.max(1)).for_each(|_| self.run(processor));
        processor.check()?;
        Ok(RunTime { seconds: start.elapsed().as_secs_f64() / f64::from(repeats.max(1)), longest_submit: 0.0 })
    }

    /// Runs it once and times each dispatch, over all replicas.
    ///
    /// # Errors
    /// As [`Processor::check`].
    pub fn profile(&self, processor: &Processor) -> Result<Vec<DispatchTime>, DeviceError> {
        let Processor { threads, isa, class, .. } = processor;
        let of = |(label, kernel): &(String, &'static str)| DispatchTime { label: label.clone(), kernel, seconds: 0.0 };
        let mut times: Vec<DispatchTime> = self.labels.iter().map(of).collect();
        for action in &self.actions {
            match action {
                Action::Stretch { steps, replicas } => {
                    for step in steps {
                        let start = Instant::now();
                        threads.enter(|| (0..*replicas).for_each(|replica| step.run(threads, (*isa, *class), replica)));
                        times[step.dispatch].seconds += start.elapsed().as_secs_f64();
                    }
                }
                other => other.run(threads, (*isa, *class)),
            }
        }
        processor.check()?;
        Ok(times)
    }
}

/// A part of a recording, before anything is allocated.
enum Part<'a> {
    /// Dispatches over the same replicas, none of which reads what another replica writes.
    Stretch(Vec<(&'a Dispatch, Places)>),
    Copy {
        from: Binding,
        to: Binding,
    },
    Clear(BufferId),
}

fn parts<'a>(recording: &'a Recording, own: &mut Own) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    let mut stretch: Vec<&Dispatch> = Vec::new();
    let mut finish = |stretch: &mut Vec<&'a Dispatch>, parts: &mut Vec<Part<'a>>| {
        if !stretch.is_empty() {
            let places = own.places(stretch);
            parts.push(Part::Stretch(stretch.drain(..).zip(places).collect()));
        }
    };
    for command in &recording.commands {
        match command {
            Command::Dispatch(dispatch) => {
                let crosses = crosses_replicas(dispatch.kernel.shader());
                if crosses || stretch.first().is_some_and(|first| first.replicas != dispatch.replicas) {
                    finish(&mut stretch, &mut parts);
                }
                stretch.push(dispatch);
                if crosses {
                    finish(&mut stretch, &mut parts);
                }
            }
            Command::Copy { from, to, bytes } => {
                finish(&mut stretch, &mut parts);
                let part = |(buffer, offset): (BufferId, u64)| Binding { buffer, offset, bytes: *bytes };
                parts.push(Part::Copy { from: part(*from), to: part(*to) });
            }
            Command::Clear(buffer) => {
                finish(&mut stretch, &mut parts);
                parts.push(Part::Clear(*buffer));
            }
        }
    }
    finish(&mut stretch, &mut parts);
    parts
}

/// The steps of a stretch, whose first dispatch is number `from` of the recording.
fn steps(launches: &[Launch<'_>], from: usize) -> Vec<Step> {
    let mut steps = Vec::with_capacity(launches.len());
    let mut at = 0;
    while at < launches.len() {
        let (twins, taken) = twins::next(&launches[at..]);
        let dispatch = from + at;
        steps.extend(twins.into_iter().map(|twin| Step { pieces: twin.pieces(), twin, dispatch }));
        at += taken;
    }
    steps
}

impl Step {
    /// All pieces of one replica.
    fn run(&self, threads: &Threads, at: (Isa, Class), replica: usize) {
        threads.spread(self.pieces, &|piece| {
            // SAFETY: the instruction set was checked when the processor was opened; steps of a replica run one after the other,
            // replicas of a stretch do not touch each other's elements, and pieces of a step write different ones.
            SCRATCH.with_borrow_mut(|scratch| unsafe { self.twin.run(at, replica, piece, scratch) });
        });
    }
}

impl Action {
    fn run(&self, threads: &Threads, at: (Isa, Class)) {
        match self {
            Self::Stretch { steps, replicas } => {
                threads.spread(*replicas, &|replica| steps.iter().for_each(|step| step.run(threads, at, replica)));
            }
            Self::Copy { from, to } => {
                // SAFETY: nothing else runs, and the buffers are different ones.
                unsafe { to.write(0..to.len()).copy_from_slice(from.read(0..from.len())) };
            }
            // SAFETY: nothing else runs.
            Self::Clear(buffer) => unsafe { buffer.write(0..buffer.len()).fill(0) },
        }
    }
}
