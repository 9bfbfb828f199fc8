//! Allocated buffers, and recordings prepared to run on them.

use super::context::Inner;
use super::{Context, DeviceError, DispatchTime, Fill, RunTime, cores, gpu};
use crate::record::{BufferId, BufferTable, Recording};

/// Panic message where objects of two devices meet.
const MIXED: &str = "buffers and programs belong to the device that created them";

/// The allocated buffers of a [`BufferTable`].
pub struct Buffers {
    pub(super) inner: AnyBuffers,
}

pub(super) enum AnyBuffers {
    Gpu(gpu::Buffers),
    Processor(cores::Buffers),
}

impl Buffers {
    /// Allocates every buffer of `table`.
    ///
    /// # Errors
    /// [`DeviceError::OverLimit`] if a buffer exceeds the adapter's largest binding, [`DeviceError::OutOfMemory`] if the table
    /// exceeds the memory budget or the device's memory, and any failure that [`Context::check`] reports.
    pub async fn allocate(context: &Context, table: &BufferTable, fill: Fill) -> Result<Self, DeviceError> {
        let limit = context.adapter().binding_bytes();
        if let Some(spec) = table.first_over(limit) {
            return Err(DeviceError::OverLimit { label: spec.label.clone(), asked: spec.bytes, limit });
        }
        let asked = table.total_bytes();
        if let Some(budget) = context.memory_budget().filter(|budget| asked > *budget) {
            return Err(DeviceError::OutOfMemory { label: "all replicas".to_owned(), asked, limit: Some(budget) });
        }
        let inner = match &context.inner {
            Inner::Gpu(gpu) => AnyBuffers::Gpu(gpu::Buffers::allocate(gpu, table, fill).await?),
            Inner::Processor(processor) => AnyBuffers::Processor(cores::Buffers::allocate(processor, table, fill)?),
        };
        Ok(Self { inner })
    }

    /// Queues a write, which takes effect before the next submit. `offset` is in bytes.
    pub fn write(&self, context: &Context, buffer: BufferId, offset: u64, bytes: &[u8]) {
        match (&self.inner, &context.inner) {
            (AnyBuffers::Gpu(buffers), Inner::Gpu(gpu)) => buffers.write(gpu, buffer, offset, bytes),
            (AnyBuffers::Processor(buffers), Inner::Processor(_)) => buffers.write(buffer, offset, bytes),
            _ => unreachable!("{MIXED}"),
        }
    }
}

/// A recording, ready to run on one set of buffers.
pub struct Program {
    inner: AnyProgram,
}

enum AnyProgram {
    Gpu(gpu::Program),
    Processor(cores::Program),
}

impl Program {
    /// Prepares a recording to run on `buffers`. A GPU splits a dispatch of more than `limit_flops` operations along its tiles;
    /// results do not change.
    ///
    /// # Errors
    /// [`DeviceError::Refused`] if the driver refuses a kernel or a binding, [`DeviceError::OutOfMemory`] if the scratch memory
    /// of the processor cannot be allocated, and any failure that [`Context::check`] reports.
    pub async fn build(
        context: &Context,
        buffers: &Buffers,
        recording: &Recording,
        limit_flops: u64,
    ) -> Result<Self, DeviceError> {
        let inner = match (&context.inner, &buffers.inner) {
            (Inner::Gpu(gpu), AnyBuffers::Gpu(buffers)) => {
                AnyProgram::Gpu(gpu::Program::build(gpu, buffers, recording, limit_flops).await?)
            }
            (Inner::Processor(_), AnyBuffers::Processor(buffers)) => {
                AnyProgram::Processor(cores::Program::build(buffers, recording)?)
            }
            _ => unreachable!("{MIXED}"),
        };
        Ok(Self { inner })
    }

    /// Number of launches after splitting: the dispatches that reach the driver.
    #[must_use]
    pub fn launches(&self) -> usize {
        match &self.inner {
            AnyProgram::Gpu(program) => program.launches(),
            AnyProgram::Processor(program) => program.launches(),
        }
    }

    /// Runs the program `repeats` times, waits for each submit, and returns the mean duration.
    ///
    /// # Errors
    /// Same as [`Context::check`].
    pub fn time(&self, context: &Context, buffers: &Buffers, repeats: u32) -> Result<RunTime, DeviceError> {
        match (&self.inner, &context.inner, &buffers.inner) {
            (AnyProgram::Gpu(program), Inner::Gpu(gpu), AnyBuffers::Gpu(buffers)) => {
                program.time(gpu, buffers, repeats)
            }
            (AnyProgram::Processor(program), Inner::Processor(processor), _) => program.time(processor, repeats),
            _ => unreachable!("{MIXED}"),
        }
    }

    /// Runs the program once and times each dispatch separately: with timestamps on a hardware GPU that has them, else with the
    /// host's clock.
    ///
    /// # Errors
    /// Same as [`Readback::take`](super::Readback::take).
    pub async fn profile(&self, context: &Context, buffers: &Buffers) -> Result<Vec<DispatchTime>, DeviceError> {
        match (&self.inner, &context.inner, &buffers.inner) {
            (AnyProgram::Gpu(program), Inner::Gpu(gpu), AnyBuffers::Gpu(buffers)) => {
                program.profile(gpu, buffers).await
            }
            (AnyProgram::Processor(program), Inner::Processor(processor), _) => program.profile(processor),
            _ => unreachable!("{MIXED}"),
        }
    }
}

/// Runs programs. A GPU receives them in submits of bounded length (rule 8); the processor computes at once.
pub struct Submitter<'a> {
    pub(super) inner: AnySubmitter<'a>,
}

pub(super) enum AnySubmitter<'a> {
    Gpu(gpu::Submitter<'a>),
    /// The flag is false if programs are discarded.
    Processor(&'a cores::Processor, bool),
}

impl<'a> Submitter<'a> {
    /// Creates a submitter without any work.
    #[must_use]
    pub fn new(context: &'a Context) -> Self {
        let inner = match &context.inner {
            Inner::Gpu(gpu) => AnySubmitter::Gpu(gpu::Submitter::new(gpu)),
            Inner::Processor(processor) => AnySubmitter::Processor(processor, true),
        };
        Self { inner }
    }

    /// Creates a submitter that encodes but never submits, to measure the cost of encoding alone.
    #[must_use]
    pub fn discarding(context: &'a Context) -> Self {
        let inner = match &context.inner {
            Inner::Gpu(gpu) => AnySubmitter::Gpu(gpu::Submitter::discarding(gpu)),
            Inner::Processor(processor) => AnySubmitter::Processor(processor, false),
        };
        Self { inner }
    }

    /// Runs `program` once, after all work given before.
    pub fn run(&mut self, program: &Program, buffers: &Buffers) {
        match (&mut self.inner, &program.inner, &buffers.inner) {
            (AnySubmitter::Gpu(submitter), AnyProgram::Gpu(program), AnyBuffers::Gpu(buffers)) => {
                submitter.run(program, buffers);
            }
            (AnySubmitter::Processor(processor, does), AnyProgram::Processor(program), _) => {
                if *does {
                    program.run(processor);
                }
            }
            _ => unreachable!("{MIXED}"),
        }
    }

    /// Sends the encoded work to the queue.
    pub fn submit(&mut self) {
        match &mut self.inner {
            AnySubmitter::Gpu(submitter) => submitter.submit(),
            AnySubmitter::Processor(..) => {}
        }
    }

    /// Submits and waits until the device is idle: for measurements, not for the step loop.
    pub fn wait(self) {
        match self.inner {
            AnySubmitter::Gpu(submitter) => submitter.wait(),
            AnySubmitter::Processor(..) => {}
        }
    }
}
