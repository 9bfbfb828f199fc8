//! Buffers, and recordings made ready to run on them.

use super::context::Inner;
use super::{Context, DeviceError, cores};
use crate::gpu;
use crate::record::{BufferId, BufferTable, Recording};

/// What fresh buffers hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fill {
    /// Zeros, as WebGPU promises.
    #[default]
    Zero,
    /// A signalling pattern (a large float), so that a test sees what leans on zeros.
    Junk,
}

/// What [`Fill::Junk`] fills with: 1e30 as f32, wrong everywhere, yet finite.
pub const JUNK_WORD: u32 = 0x7149_f2ca;

/// Time of one dispatch (all of its pieces).
#[derive(Clone, Debug)]
pub struct DispatchTime {
    /// Layer.
    pub label: String,
    /// Shader file name.
    pub kernel: &'static str,
    /// Seconds.
    pub seconds: f64,
}

/// Times of a run, by the host's clock.
#[derive(Clone, Copy, Debug)]
pub struct RunTime {
    /// Seconds of one run.
    pub seconds: f64,
    /// Seconds from the longest submit to its end: what must stay far below the two seconds after which Windows takes a
    /// device for hung. 0 on the processor, which nobody takes for hung.
    pub longest_submit: f64,
}

/// What belongs to one device met what belongs to another.
const MIXED: &str = "buffers and programs are used on the device that made them";

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
    /// [`DeviceError::OverLimit`] before anything is allocated, [`DeviceError::OutOfMemory`] when it does not fit.
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

    /// Queues a write; it happens before the next submit.
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
    /// Makes a recording ready. On a GPU a dispatch of more than `limit_flops` operations is split along its tiles; results do
    /// not change.
    ///
    /// # Errors
    /// [`DeviceError::Refused`] if the driver takes a kernel or a binding for invalid.
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

    /// Launches after splitting: the number of dispatches that reach the driver.
    #[must_use]
    pub fn launches(&self) -> usize {
        match &self.inner {
            AnyProgram::Gpu(program) => program.launches(),
            AnyProgram::Processor(program) => program.launches(),
        }
    }

    /// Runs the program `repeats` times in a row, waiting for every submit.
    ///
    /// # Errors
    /// As [`Context::check`].
    pub fn time(&self, context: &Context, buffers: &Buffers, repeats: u32) -> Result<RunTime, DeviceError> {
        match (&self.inner, &context.inner, &buffers.inner) {
            (AnyProgram::Gpu(program), Inner::Gpu(gpu), AnyBuffers::Gpu(buffers)) => {
                program.time(gpu, buffers, repeats)
            }
            (AnyProgram::Processor(program), Inner::Processor(processor), _) => program.time(processor, repeats),
            _ => unreachable!("{MIXED}"),
        }
    }

    /// Runs the program once and times each dispatch by itself: by GPU timestamps where the adapter has them, by the host's clock
    /// otherwise.
    ///
    /// # Errors
    /// As [`Readback::take`](super::Readback::take).
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

/// Runs programs: a GPU gets them in submits of bounded length (rule 8), the processor computes at once.
pub struct Submitter<'a> {
    pub(super) inner: AnySubmitter<'a>,
}

pub(super) enum AnySubmitter<'a> {
    Gpu(gpu::Submitter<'a>),
    /// With whether programs are run at all.
    Processor(&'a cores::Processor, bool),
}

impl<'a> Submitter<'a> {
    /// Begins with nothing.
    #[must_use]
    pub fn new(context: &'a Context) -> Self {
        let inner = match &context.inner {
            Inner::Gpu(gpu) => AnySubmitter::Gpu(gpu::Submitter::new(gpu)),
            Inner::Processor(processor) => AnySubmitter::Processor(processor, true),
        };
        Self { inner }
    }

    /// One that encodes and sends nothing: to see what encoding alone costs.
    #[must_use]
    pub fn throwing_away(context: &'a Context) -> Self {
        let inner = match &context.inner {
            Inner::Gpu(gpu) => AnySubmitter::Gpu(gpu::Submitter::throwing_away(gpu)),
            Inner::Processor(processor) => AnySubmitter::Processor(processor, false),
        };
        Self { inner }
    }

    /// Runs `program` once, after what was given before.
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

    /// Sends what is there to the queue.
    pub fn submit(&mut self) {
        match &mut self.inner {
            AnySubmitter::Gpu(submitter) => submitter.submit(),
            AnySubmitter::Processor(..) => {}
        }
    }

    /// Submits and waits until all is done: for measurements, not for the step loop.
    pub fn wait(self) {
        match self.inner {
            AnySubmitter::Gpu(submitter) => submitter.wait(),
            AnySubmitter::Processor(..) => {}
        }
    }
}
