//! Runs recordings. Twins are built once and run every step.
//!
//! A *stretch* is a sequence of dispatches in which no replica reads what another one writes. It runs replica by replica: a
//! replica's tensors stay in the caches from one dispatch to the next, and threads with different replicas do not wait for each
//! other.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use web_time::Instant;

use super::device::{Buffers, Processor};
use super::isa::{Class, Isa, Runnable};
use super::memory::{Memory, Scratch, View};
use super::sample_loop::{self, SampleLoop};
use super::scratch::{PrivateBuffers, ResolvedBinding, bound};
use super::shared::tensor::Tensor;
use super::twin::Launch;
use super::twins;
use crate::device::{DeviceError, DispatchTime, RunTime};
use crate::record::{Binding, BufferId, Command, Dispatch, Recording, Shader};
use crate::threads::Threads;

/// A dispatch, ready to run.
struct Step {
    twin: Box<dyn Runnable>,
    pieces: usize,
    /// Index of the dispatch in the recording, or of the first one if the twin computes several.
    dispatch: usize,
}

/// Consecutive dispatches of a stretch, which may form a sample loop.
struct Passage {
    /// The dispatches in order, each run in pieces.
    steps: Vec<Step>,
    /// The same dispatches as a loop over samples, for a thread that has a replica to itself.
    sample_loop: Option<Loop>,
}

/// A sample loop, ready to run.
struct Loop {
    /// Twins whose pieces are the groups of samples.
    members: Vec<Box<dyn Runnable>>,
    /// Twins that run in pieces after all samples.
    after: Vec<Box<dyn Runnable>>,
    /// Tensors in memory that members read or write, with the bytes of a group of samples.
    streams: Vec<(Tensor, usize)>,
    group: usize,
    /// Calls of `Prefetch::lines` during the last group: the estimate for the next one.
    calls: AtomicUsize,
}

enum Action {
    /// Passages, run in order for each of `replicas` replicas.
    Stretch {
        passages: Vec<Passage>,
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
    /// Keeps alive the memory that the views of all actions point to.
    _memory: [Arc<Memory>; 2],
}

/// Whether a replica reads what another one may write in the same recording.
fn crosses_replicas(shader: Shader) -> bool {
    matches!(shader, Shader::PdeMeasure | Shader::DivergenceBlocks | Shader::Gate)
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Program {
    /// Builds the twins of all dispatches.
    ///
    /// # Errors
    /// [`DeviceError::OutOfMemory`] if the scratch buffers cannot be allocated.
    pub fn build<'r>(buffers: &Buffers, recording: &'r Recording) -> Result<Self, DeviceError> {
        let shared = &buffers.memory;
        let mut private = PrivateBuffers::default();
        let parts: Vec<Part<'r>> = parts(recording, &mut private);
        let Some(memory) = private.allocate() else {
            let label = "scratch buffers of the replicas".to_owned();
            return Err(DeviceError::OutOfMemory { label, asked: 0, limit: None });
        };
        let mut labels = Vec::new();
        let actions = parts.into_iter().map(|part| match part {
            Part::Stretch { dispatches, bindings, loops } => {
                let launch = |(dispatch, bindings): (&&'r Dispatch, &Vec<ResolvedBinding>)| -> Launch<'r> {
                    Launch::new(dispatch, bound(bindings, shared, &memory))
                };
                let launches: Vec<_> = dispatches.iter().zip(&bindings).map(launch).collect();
                let mut passages = Vec::new();
                let mut at = 0;
                for (its, bindings) in loops {
                    passages.push(Passage::new(&launches[at..its.dispatches.start], labels.len() + at));
                    let members = dispatches[its.dispatches.clone()].iter().zip(&bindings);
                    let members: Vec<_> =
                        members.enumerate().map(|(slot, member)| launch(member).in_slot(slot)).collect();
                    at = its.dispatches.end;
                    passages.push(Passage {
                        sample_loop: Some(Loop::new(&members, &its)),
                        ..Passage::new(&launches[its.dispatches.clone()], labels.len() + its.dispatches.start)
                    });
                }
                passages.push(Passage::new(&launches[at..], labels.len() + at));
                labels.extend(dispatches.iter().map(|dispatch| (dispatch.label.clone(), dispatch.kernel.name())));
                Action::Stretch { passages, replicas: dispatches[0].replicas as usize }
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

    /// Runs the program once.
    pub fn run(&self, processor: &Processor) {
        let Processor { threads, isa, class, .. } = processor;
        threads.enter(|| self.actions.iter().for_each(|action| action.run(threads, (*isa, *class))));
    }

    /// Runs the program `repeats` times, at least once, and returns the seconds of one run.
    ///
    /// # Errors
    /// [`DeviceError::DeviceLost`] if the processor was destroyed.
    pub fn time(&self, processor: &Processor, repeats: u32) -> Result<RunTime, DeviceError> {
        let start = Instant::now();
        (0..repeats.max(1)).for_each(|_| self.run(processor));
        processor.check()?;
        Ok(RunTime { seconds: start.elapsed().as_secs_f64() / f64::from(repeats.max(1)), longest_submit: 0.0 })
    }

    /// Runs the program once and times each dispatch over all replicas. Dispatches run in pieces: the time of a sample loop, which
    /// [`Program::run`] prefers, cannot be divided among its dispatches.
    ///
    /// # Errors
    /// [`DeviceError::DeviceLost`] if the processor was destroyed.
    pub fn profile(&self, processor: &Processor) -> Result<Vec<DispatchTime>, DeviceError> {
        let Processor { threads, isa, class, .. } = processor;
        let of = |(label, kernel): &(String, &'static str)| DispatchTime { label: label.clone(), kernel, seconds: 0.0 };
        let mut times: Vec<DispatchTime> = self.labels.iter().map(of).collect();
        for action in &self.actions {
            match action {
                Action::Stretch { passages, replicas } => {
                    for step in passages.iter().flat_map(|passage| &passage.steps) {
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
    Stretch {
        dispatches: Vec<&'a Dispatch>,
        bindings: Vec<Vec<ResolvedBinding>>,
        /// Sample loops with the resolved bindings of their members.
        loops: Vec<(SampleLoop, Vec<Vec<ResolvedBinding>>)>,
    },
    Copy {
        from: Binding,
        to: Binding,
    },
    Clear(BufferId),
}

fn parts<'a>(recording: &'a Recording, private: &mut PrivateBuffers) -> Vec<Part<'a>> {
    let mut parts = Vec::new();
    // Dispatches with their index in the commands.
    let mut stretch: Vec<(usize, &Dispatch)> = Vec::new();
    let mut finish = |stretch: &mut Vec<(usize, &'a Dispatch)>, parts: &mut Vec<Part<'a>>| {
        if !stretch.is_empty() {
            let dispatches: Vec<&Dispatch> = stretch.iter().map(|(_, dispatch)| *dispatch).collect();
            let bindings = private.resolve(&dispatches);
            let loops = sample_loop::find(stretch, &recording.commands).into_iter().map(|its| {
                let bindings = private.resolve_in_loop(&its, dispatches[0].replicas, &bindings[its.dispatches.clone()]);
                (its, bindings)
            });
            let loops = loops.collect();
            parts.push(Part::Stretch { dispatches, bindings, loops });
            stretch.clear();
        }
    };
    for (number, command) in recording.commands.iter().enumerate() {
        match command {
            Command::Dispatch(dispatch) => {
                let crosses = crosses_replicas(dispatch.kernel.shader());
                if crosses || stretch.first().is_some_and(|(_, first)| first.replicas != dispatch.replicas) {
                    finish(&mut stretch, &mut parts);
                }
                stretch.push((number, dispatch));
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

impl Passage {
    /// A passage without a sample loop. The first launch is dispatch `from` of the recording.
    fn new(launches: &[Launch<'_>], from: usize) -> Self {
        let mut steps = Vec::with_capacity(launches.len());
        let mut at = 0;
        while at < launches.len() {
            let (twins, taken) = twins::next(&launches[at..]);
            let dispatch = from + at;
            steps.extend(twins.into_iter().map(|twin| Step { pieces: twin.pieces(), twin, dispatch }));
            at += taken;
        }
        Self { steps, sample_loop: None }
    }

    /// Runs the dispatches for one replica, in pieces.
    fn run(&self, threads: &Threads, at: (Isa, Class), replica: usize) {
        self.steps.iter().for_each(|step| step.run(threads, at, replica));
    }
}

impl Loop {
    fn new(launches: &[Launch<'_>], its: &SampleLoop) -> Self {
        let [members, after] = twins::in_loop(launches, its.group);
        let stream = |(member, binding, bytes): &(usize, usize, usize)| {
            let tensor = launches[*member].tensor(*binding, bytes / 4);
            (tensor, its.group * bytes)
        };
        let streams = its.streams.iter().map(stream).collect();
        Self { members, after, streams, group: its.group, calls: AtomicUsize::new(1) }
    }

    /// The ranges `(address, bytes)` of memory that the group from `sample` on reads and writes.
    fn runs(&self, replica: usize, sample: usize) -> impl Iterator<Item = (*const u8, usize)> {
        self.streams
            .iter()
            .map(move |(tensor, bytes)| (tensor.at(tensor.start(replica, sample)).cast_const().cast(), *bytes))
    }

    /// Runs all samples of one replica in the caller's thread. `next` is the loop that follows; its first group is prefetched.
    fn run(&self, at: (Isa, Class), replica: usize, next: Option<&Self>) {
        // SAFETY: as in `Step::run`. Members read from each other only what belongs to the same samples. Nothing interrupts a loop,
        // so nothing else touches what they keep in the thread's scratch.
        SCRATCH.with_borrow_mut(|scratch| unsafe {
            let groups = self.members[0].pieces();
            for group in 0..groups {
                let (from, sample) =
                    if group + 1 < groups { (Some(self), (group + 1) * self.group) } else { (next, 0) };
                let runs = from.into_iter().flat_map(|from| from.runs(replica, sample));
                scratch.prefetch.plan(runs, self.calls.load(Ordering::Relaxed));
                self.members.iter().for_each(|member| member.run(at, replica, group, scratch));
                self.calls.store(scratch.prefetch.calls(), Ordering::Relaxed);
            }
            for step in &self.after {
                (0..step.pieces()).for_each(|piece| step.run(at, replica, piece, scratch));
            }
        });
    }
}

impl Step {
    /// Runs all pieces of one replica.
    fn run(&self, threads: &Threads, at: (Isa, Class), replica: usize) {
        threads.parallel_for(self.pieces, &|piece| {
            // SAFETY: `Processor::new` checked the instruction set; steps of a replica run one after the other, replicas of a
            // stretch do not touch each other's elements, and pieces of a step write different ones.
            SCRATCH.with_borrow_mut(|scratch| unsafe { self.twin.run(at, replica, piece, scratch) });
        });
    }
}

impl Action {
    fn run(&self, threads: &Threads, at: (Isa, Class)) {
        match self {
            Self::Stretch { passages, replicas } => {
                // Loops are faster while every thread has a replica, pieces while some thread has none.
                let unfinished = AtomicUsize::new(*replicas);
                threads.parallel_for(*replicas, &|replica| {
                    for (i, passage) in passages.iter().enumerate() {
                        let is_alone = unfinished.load(Ordering::Relaxed) >= threads.count();
                        match &passage.sample_loop {
                            Some(its) if is_alone => {
                                let next = passages[i + 1..].iter().find_map(|passage| passage.sample_loop.as_ref());
                                its.run(at, replica, next);
                            }
                            _ => passage.run(threads, at, replica),
                        }
                    }
                    unfinished.fetch_sub(1, Ordering::Relaxed);
                });
            }
            Self::Copy { from, to } => {
                // SAFETY: nothing else runs, and the buffers differ.
                unsafe { to.write(0..to.len()).copy_from_slice(from.read(0..from.len())) };
            }
            // SAFETY: nothing else runs.
            Self::Clear(buffer) => unsafe { buffer.write(0..buffer.len()).fill(0) },
        }
    }
}
