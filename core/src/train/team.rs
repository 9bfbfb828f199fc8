//! A run whose replicas train in several places that share no memory, such as the workers of a page.
//!
//! The *lead* is a [`Trainer`]: it makes the batches, measures, and holds the state of all replicas. Each [`Member`] trains some of the
//! chunks. It receives the upload of every batch, and returns a chunk's state and totals. Lead and members run the same recordings on
//! the same bytes, so the bits are those of a run in one place.

use std::collections::HashMap;
use std::pin::Pin;
use std::rc::Rc;

use super::config::TrainConfig;
use super::error::TrainError;
use super::plan::{Phase, Plan, RecordingKind, Tuning};
use super::trainer::{Trainer, allocated, dispatch_flops, plan_for, tuned};
use crate::data::Outline;
use crate::device::{Buffers, Context, DeviceError, Program, Readback, Submitter};
use crate::record::BufferId;

/// A batch for one chunk.
#[derive(Clone, Debug)]
pub struct Task {
    /// The chunk.
    pub chunk: usize,
    /// What to do.
    pub phase: Phase,
    /// Number of samples in the batch.
    pub samples: u32,
    /// Contents of [`Plan::upload`]; all tasks of a batch share them.
    pub upload: Rc<[u8]>,
    /// The state to begin with, if the member does not have it.
    pub state: Option<Vec<u8>>,
}

/// The results of tasks, in their order, or why a member stopped, in one line.
pub type Results = Pin<Box<dyn Future<Output = Result<Vec<Vec<u8>>, String>>>>;

/// Sends tasks to the members. It must not wait for them: the lead trains its own chunks meanwhile.
pub type Assign = Box<dyn Fn(Vec<Task>) -> Results>;

/// The chunks of member `member` of a team of `size`, in which the lead is member 0.
pub fn chunks_of(member: usize, size: usize, chunks: usize) -> impl Iterator<Item = usize> {
    (member..chunks).step_by(size.max(1))
}

/// The lead's view of the members.
pub(super) struct Team {
    assign: Assign,
    /// Chunks that members train.
    chunks: Vec<usize>,
    /// For each chunk, whether only the lead has its state.
    is_news: Vec<bool>,
}

/// The buffers that hold a chunk's state, with their whole length.
fn state_ranges(plan: &Plan, chunk: usize) -> Vec<(BufferId, u64, u64)> {
    let chunk = &plan.chunks[chunk];
    let whole = |buffer: BufferId| (buffer, 0, plan.table().spec(buffer).bytes);
    chunk.state().map(whole).collect()
}

/// What a task returns: the chunk's totals, and after a training step its state.
fn result_ranges(plan: &Plan, chunk: usize, phase: Phase) -> Vec<(BufferId, u64, u64)> {
    let its = &plan.chunks[chunk];
    let mut ranges = vec![(plan.metrics, its.metrics.totals, its.replicas.len() as u64 * 8)];
    if phase == Phase::Train {
        ranges.extend(state_ranges(plan, chunk));
    }
    ranges
}

/// Writes the concatenated bytes of `ranges`.
fn write(context: &Context, buffers: &Buffers, ranges: &[(BufferId, u64, u64)], mut bytes: &[u8]) {
    for &(buffer, offset, length) in ranges {
        let (these, rest) = bytes.split_at(length as usize);
        buffers.write(context, buffer, offset, these);
        bytes = rest;
    }
}

impl Trainer {
    /// Divides the chunks among the trainer and the members 1 to `size - 1` of a team, as [`chunks_of`] says. Members need the plan of
    /// this trainer: its config, its [`Tuning`] and a device of the same class.
    pub fn divide(&mut self, size: usize, assign: Assign) {
        let n = self.plan.chunks.len();
        let mut chunks: Vec<usize> = (1..size).flat_map(|member| chunks_of(member, size, n)).collect();
        chunks.sort_unstable();
        self.team = (!chunks.is_empty()).then(|| Team { assign, chunks, is_news: vec![true; n] });
    }

    /// Has the members know that the lead has changed the state of a chunk.
    pub(super) fn announce(&mut self, chunk: usize) {
        if let Some(team) = &mut self.team {
            team.is_news[chunk] = true;
        }
    }

    /// Whether a chunk is trained by a member.
    pub(super) fn is_elsewhere(&self, chunk: usize) -> bool {
        self.team.as_ref().is_some_and(|team| team.chunks.contains(&chunk))
    }

    /// Sends a batch to the members, if there are any.
    pub(super) async fn assign(
        &mut self,
        phase: Phase,
        samples: u32,
        upload: Vec<u8>,
    ) -> Result<Option<Results>, TrainError> {
        let tasks = self.tasks(phase, samples, upload).await?;
        Ok(self.team.as_ref().map(|team| (team.assign)(tasks)))
    }

    /// Waits for what [`Trainer::assign`] sent, and takes the results over.
    pub(super) async fn receive(&mut self, phase: Phase, results: Results) -> Result<(), TrainError> {
        let results = results.await.map_err(DeviceError::DeviceLost)?;
        let chunks = self.team.iter().flat_map(|team| &team.chunks);
        for (chunk, bytes) in chunks.zip(&results) {
            write(&self.context, &self.buffers, &result_ranges(&self.plan, *chunk, phase), bytes);
        }
        Ok(())
    }

    /// The tasks of a batch for the team.
    async fn tasks(&mut self, phase: Phase, samples: u32, upload: Vec<u8>) -> Result<Vec<Task>, TrainError> {
        let Some(team) = &mut self.team else { return Ok(Vec::new()) };
        let upload: Rc<[u8]> = upload.into();
        let mut tasks = Vec::with_capacity(team.chunks.len());
        for &chunk in &team.chunks {
            let mut state = None;
            if std::mem::take(&mut team.is_news[chunk]) {
                let (submitter, ranges) = (Submitter::new(&self.context), state_ranges(&self.plan, chunk));
                let pending = self.readback.capture_all(&self.context, submitter, &self.buffers, &ranges);
                state = Some(self.readback.take(&self.context, pending).await?);
            }
            tasks.push(Task { chunk, phase, samples, upload: Rc::clone(&upload), state });
        }
        Ok(tasks)
    }
}

/// A member of a team: it trains some chunks of a run, whose lead is elsewhere.
pub struct Member {
    context: Rc<Context>,
    plan: Plan,
    buffers: Buffers,
    programs: HashMap<RecordingKind, Program>,
    readback: Readback,
}

impl Member {
    /// Allocates and compiles what member `member` of a team of `size` needs for its chunks.
    ///
    /// # Errors
    /// Same as [`super::plan`]; [`TrainError::Gpu`] if the buffers do not fit in memory, the driver refuses a kernel, or the device
    /// is lost.
    pub async fn new(
        context: Rc<Context>,
        config: &TrainConfig,
        outline: &Outline,
        tuning: Tuning,
        (member, size): (usize, usize),
    ) -> Result<Self, TrainError> {
        let (tuning, limits) = tuned(&context, tuning);
        let mut plan = plan_for(config, outline, &tuning, limits)?;
        let chunks: Vec<usize> = chunks_of(member, size, plan.chunks.len()).collect();
        for chunk in (0..plan.chunks.len()).filter(|chunk| !chunks.contains(chunk)) {
            // A large network in as many members as it has replicas would need the square of its memory.
            state_ranges(&plan, chunk).into_iter().for_each(|(buffer, ..)| plan.table.shrink(buffer));
        }
        let buffers = allocated(&context, &plan, &tuning).await?;
        let mut programs = HashMap::new();
        for kind in plan.kinds() {
            let is_needed = match kind {
                RecordingKind::Input(_) => true,
                RecordingKind::Train(chunk, _) | RecordingKind::Evaluate(chunk, _) => chunks.contains(&chunk),
                _ => false,
            };
            if is_needed {
                let flops = dispatch_flops(&context, &tuning);
                let program = Program::build(&context, &buffers, plan.recording(kind), flops).await?;
                programs.insert(kind, program);
            }
        }
        Ok(Self { context, plan, buffers, programs, readback: Readback::default() })
    }

    /// Does a task, whose chunk is one of this member's, and returns what the lead expects.
    ///
    /// # Errors
    /// [`TrainError::Gpu`] if the device is lost, runs out of memory or refuses a call.
    pub async fn work(&self, task: &Task) -> Result<Vec<u8>, TrainError> {
        let Task { chunk, phase, samples, upload, state } = task;
        let (context, buffers) = (&*self.context, &self.buffers);
        buffers.write(context, self.plan.upload, 0, upload);
        if let Some(state) = state {
            write(context, buffers, &state_ranges(&self.plan, *chunk), state);
        }
        let mut submitter = Submitter::new(context);
        for kind in [RecordingKind::Input(*samples), phase.recording(*chunk, *samples)] {
            submitter.run(&self.programs[&kind], buffers);
        }
        let ranges = result_ranges(&self.plan, *chunk, *phase);
        let pending = self.readback.capture_all(context, submitter, buffers, &ranges);
        Ok(self.readback.take(context, pending).await?)
    }
}
