//! Runs recordings. Buffers and bind groups are created once; the commands are encoded in every step.

use web_time::Instant;
use wgpu::util::DeviceExt as _;

use super::{Context, platform};
use crate::device::{DeviceError, Fill, JUNK_WORD};
use crate::record::{BufferId, BufferTable, Command, Dispatch, Job, OPERATIONS_PER_BYTE, Recording};

/// The allocated buffers of a [`BufferTable`].
pub struct Buffers {
    buffers: Vec<wgpu::Buffer>,
}

impl Buffers {
    /// Allocates every buffer of `table`.
    ///
    /// # Errors
    /// [`DeviceError::OutOfMemory`] if the table does not fit, and any failure that [`Context::check`] reports.
    pub async fn allocate(context: &Context, table: &BufferTable, fill: Fill) -> Result<Self, DeviceError> {
        let asked = table.total_bytes();
        let scope = context.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let buffers: Vec<_> = table
            .specs()
            .iter()
            .map(|spec| {
                context.device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some(&spec.label),
                    size: spec.bytes,
                    usage,
                    mapped_at_creation: false,
                })
            })
            .collect();
        if scope.pop().await.is_some() {
            return Err(DeviceError::OutOfMemory { label: "all replicas".to_owned(), asked, limit: None });
        }
        let this = Self { buffers };
        if fill == Fill::Junk {
            for (index, spec) in table.specs().iter().enumerate() {
                let junk = vec![JUNK_WORD; (spec.bytes / 4) as usize];
                this.write(context, BufferId(index), 0, bytemuck::cast_slice(&junk));
            }
        }
        context.check()?;
        Ok(this)
    }

    /// Queues a write, which takes effect before the next submit. `offset` is in bytes.
    pub fn write(&self, context: &Context, buffer: BufferId, offset: u64, bytes: &[u8]) {
        context.queue.write_buffer(&self.buffers[buffer.0], offset, bytes);
    }

    pub(super) fn get(&self, id: BufferId) -> &wgpu::Buffer {
        &self.buffers[id.0]
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // In a browser only the garbage collector would free the memory, and it does not know how large a buffer is.
        self.buffers.iter().for_each(wgpu::Buffer::destroy);
    }
}

/// One piece of a dispatch, as wgpu objects.
pub(super) struct Launch {
    pub pipeline: wgpu::ComputePipeline,
    pub bind_group: wgpu::BindGroup,
    /// Workgroups in x and y.
    pub grid: [u32; 2],
    /// Cost of this piece in operations.
    pub cost: u64,
    /// Index of the dispatch in the recording.
    pub dispatch: usize,
}

pub(super) enum Action {
    Launch(Launch),
    Copy { from: (BufferId, u64), to: (BufferId, u64), bytes: u64 },
    Clear(BufferId),
}

/// A recording, prepared to run on one set of buffers.
pub struct Program {
    pub(super) actions: Vec<Action>,
    /// Label and shader name of each dispatch.
    pub(super) labels: Vec<(String, &'static str)>,
}

/// Maximum number of workgroups in one dimension in WebGPU.
const MAX_TILES: u32 = 65_535;

/// Tiles in each piece of a split dispatch: at most `limit_flops` operations, but at least one tile.
fn piece_tiles(dispatch: &Dispatch, limit_flops: u64) -> u32 {
    let pieces = dispatch.cost().div_ceil(limit_flops.max(1)).clamp(1, u64::from(dispatch.tiles)) as u32;
    dispatch.tiles.div_ceil(pieces).min(MAX_TILES)
}

impl Program {
    /// Builds pipelines (shared through the context) and bind groups. A dispatch of more than `limit_flops`
    /// operations is split along its tiles; results do not change.
    ///
    /// # Errors
    /// [`DeviceError::Refused`] if the driver refuses a kernel or a binding, and any failure that [`Context::check`] reports.
    pub async fn build(
        context: &Context,
        buffers: &Buffers,
        recording: &Recording,
        limit_flops: u64,
    ) -> Result<Self, DeviceError> {
        const SLOT: usize = 256;
        let scope = context.device.push_error_scope(wgpu::ErrorFilter::Validation);
        context.build_pipelines(recording.dispatches().map(|dispatch| &dispatch.kernel))?;
        let mut jobs = Vec::new();
        for dispatch in recording.dispatches() {
            let length = piece_tiles(dispatch, limit_flops);
            for first_tile in (0..dispatch.tiles).step_by(length as usize) {
                let start = jobs.len();
                jobs.resize(start + SLOT, 0);
                let job = Job { first_tile, ..dispatch.job };
                jobs[start..start + size_of::<Job>()].copy_from_slice(bytemuck::bytes_of(&job));
            }
        }
        jobs.resize(jobs.len().max(SLOT), 0);
        let job_buffer = context.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("jobs"),
            contents: &jobs,
            usage: wgpu::BufferUsages::UNIFORM,
        });
        let mut slot = 0;
        let mut actions = Vec::with_capacity(recording.commands.len());
        let mut labels = Vec::new();
        for command in &recording.commands {
            let dispatch = match command {
                Command::Dispatch(dispatch) => dispatch,
                Command::Copy { from, to, bytes } => {
                    actions.push(Action::Copy { from: *from, to: *to, bytes: *bytes });
                    continue;
                }
                Command::Clear(buffer) => {
                    actions.push(Action::Clear(*buffer));
                    continue;
                }
            };
            let pipeline = context.pipeline(&dispatch.kernel);
            let length = piece_tiles(dispatch, limit_flops);
            for first_tile in (0..dispatch.tiles).step_by(length as usize) {
                let tiles = length.min(dispatch.tiles - first_tile);
                let job = wgpu::BufferBinding {
                    buffer: &job_buffer,
                    offset: slot,
                    size: wgpu::BufferSize::new(size_of::<Job>() as u64),
                };
                slot += SLOT as u64;
                let entries: Vec<_> = std::iter::once(job)
                    .chain(dispatch.bindings.iter().map(|b| wgpu::BufferBinding {
                        buffer: buffers.get(b.buffer),
                        offset: b.offset,
                        size: wgpu::BufferSize::new(b.bytes),
                    }))
                    .enumerate()
                    .map(|(i, b)| wgpu::BindGroupEntry {
                        binding: i as u32,
                        resource: wgpu::BindingResource::Buffer(b),
                    })
                    .collect();
                let bind_group = context.device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some(&dispatch.label),
                    layout: &pipeline.get_bind_group_layout(0),
                    entries: &entries,
                });
                actions.push(Action::Launch(Launch {
                    pipeline: pipeline.clone(),
                    bind_group,
                    grid: [tiles, dispatch.replicas],
                    cost: (u128::from(dispatch.cost()) * u128::from(tiles) / u128::from(dispatch.tiles)) as u64,
                    dispatch: labels.len(),
                }));
            }
            labels.push((dispatch.label.clone(), dispatch.kernel.name()));
        }
        let error = scope.pop().await;
        // Checked first: if a kernel was refused in another thread, `error` only says that its bindings were refused, too.
        context.check()?;
        match error {
            Some(error) => Err(DeviceError::Refused(error.to_string())),
            None => Ok(Self { actions, labels }),
        }
    }

    /// Number of launches after splitting: the dispatches that reach the driver.
    #[must_use]
    pub fn launches(&self) -> usize {
        self.actions.iter().filter(|a| matches!(a, Action::Launch(_))).count()
    }
}

/// Encodes programs, and submits whenever enough work has accumulated (rule 8).
pub struct Submitter<'a> {
    context: &'a Context,
    encoder: Option<wgpu::CommandEncoder>,
    /// Cost of the encoded commands in operations.
    cost: u64,
    last: Option<wgpu::SubmissionIndex>,
    mode: Mode,
}

/// What happens to encoded commands.
enum Mode {
    /// They are submitted.
    Submitted,
    /// They are submitted and waited for. Holds the duration of the longest submit in seconds.
    Timed(f64),
    /// They are discarded, to measure the cost of encoding alone.
    Discarded,
}

impl<'a> Submitter<'a> {
    /// Creates a submitter without any work.
    #[must_use]
    pub fn new(context: &'a Context) -> Self {
        Self { context, encoder: None, cost: 0, last: None, mode: Mode::Submitted }
    }

    /// Creates a submitter that encodes but never submits.
    #[must_use]
    pub fn discarding(context: &'a Context) -> Self {
        Self { mode: Mode::Discarded, ..Self::new(context) }
    }

    /// Creates a submitter that waits for each submit and times it.
    pub(super) fn timed(context: &'a Context) -> Self {
        Self { mode: Mode::Timed(0.0), ..Self::new(context) }
    }

    /// Duration of the longest submit so far in seconds; 0 if submits are not timed.
    pub(super) fn longest_submit(&self) -> f64 {
        match self.mode {
            Mode::Timed(longest) => longest,
            Mode::Submitted | Mode::Discarded => 0.0,
        }
    }

    fn encoder(&mut self) -> &mut wgpu::CommandEncoder {
        self.encoder.get_or_insert_with(|| self.context.device.create_command_encoder(&Default::default()))
    }

    /// Encodes `program` once. A long program is split into several submits.
    pub fn run(&mut self, program: &Program, buffers: &Buffers) {
        let limit = self.context.adapter().submit_flops();
        let mut actions = program.actions.iter().peekable();
        while let Some(action) = actions.peek() {
            match action {
                Action::Copy { from, to, bytes } => {
                    let (source, target) = (buffers.get(from.0), buffers.get(to.0));
                    self.encoder().copy_buffer_to_buffer(source, from.1, target, to.1, *bytes);
                    self.add_bytes(2 * bytes);
                    actions.next();
                }
                Action::Clear(buffer) => {
                    let buffer = buffers.get(*buffer);
                    self.encoder().clear_buffer(buffer, 0, None);
                    self.add_bytes(buffer.size());
                    actions.next();
                }
                Action::Launch(_) => {
                    let mut cost = self.cost;
                    let mut pass = self.encoder().begin_compute_pass(&Default::default());
                    while let Some(Action::Launch(launch)) = actions.peek() {
                        if cost > 0 && cost + launch.cost > limit {
                            break;
                        }
                        pass.set_pipeline(&launch.pipeline);
                        pass.set_bind_group(0, &launch.bind_group, &[]);
                        pass.dispatch_workgroups(launch.grid[0], launch.grid[1], 1);
                        cost += launch.cost;
                        actions.next();
                    }
                    drop(pass);
                    self.cost = cost;
                    if matches!(actions.peek(), Some(Action::Launch(_))) {
                        self.submit();
                    }
                }
            }
        }
    }

    /// Adds the cost of the `bytes` that a copy or a clear moves.
    fn add_bytes(&mut self, bytes: u64) {
        self.cost += bytes * OPERATIONS_PER_BYTE;
        if self.cost > self.context.adapter().submit_flops() {
            self.submit();
        }
    }

    pub(super) fn copy_to(&mut self, from: (&wgpu::Buffer, u64), to: (&wgpu::Buffer, u64), bytes: u64) {
        self.encoder().copy_buffer_to_buffer(from.0, from.1, to.0, to.1, bytes);
    }

    /// Sends the encoded commands to the queue.
    pub fn submit(&mut self) {
        if let Some(encoder) = self.encoder.take() {
            let commands = encoder.finish();
            match &mut self.mode {
                Mode::Submitted => self.last = Some(self.context.queue.submit([commands])),
                Mode::Timed(longest) => {
                    let (submission, seconds) = timed_submit(self.context, commands);
                    *longest = longest.max(seconds);
                    self.last = Some(submission);
                }
                Mode::Discarded => {}
            }
        }
        self.cost = 0;
    }

    /// Submits and waits until the GPU is idle: for measurements, not for the step loop.
    pub fn wait(self) {
        let context = self.context;
        if let Some(submission) = self.finish() {
            platform::wait_for(&context.device, &submission);
        }
    }

    pub(super) fn finish(mut self) -> Option<wgpu::SubmissionIndex> {
        self.submit();
        self.last.take()
    }
}

/// Submits, waits, and returns the duration in seconds.
pub(super) fn timed_submit(context: &Context, commands: wgpu::CommandBuffer) -> (wgpu::SubmissionIndex, f64) {
    let start = Instant::now();
    let submission = context.queue.submit([commands]);
    platform::wait_for(&context.device, &submission);
    (submission, start.elapsed().as_secs_f64())
}
