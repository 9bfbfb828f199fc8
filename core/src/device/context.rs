//! An adapter, opened.

use std::cell::Cell;

use super::DeviceError;
use super::adapter::{self, AdapterChoice, AdapterSummary, Candidate};
use super::cores::Processor;
use crate::gpu;
use crate::processor::Isa;
use crate::threads::Threads;

/// How a kernel's text reaches the driver of a GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShaderPath {
    /// On Vulkan as SPIR-V whose float operations the driver must evaluate as written; elsewhere as [`ShaderPath::Wgsl`].
    #[default]
    Spirv,
    /// As WGSL, which wgpu or a browser compiles. The driver may reorder float operations.
    Wgsl,
}

/// How an adapter is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which one.
    pub adapter: AdapterChoice,
    /// The threads that the processor computes in, and that pipelines are built in.
    pub threads: Threads,
    /// The instruction set of the processor's twins, where tests ask for another than the best one.
    pub instructions: Option<Isa>,
    /// How kernels reach a GPU's driver.
    pub shader_path: ShaderPath,
}

/// What computes.
pub(super) enum Inner {
    Gpu(Box<gpu::Context>),
    Processor(Processor),
}

/// An adapter with its device. Everything that runs there hangs on one of these.
pub struct Context {
    pub(super) inner: Inner,
    summary: AdapterSummary,
    memory_budget: Cell<Option<u64>>,
}

impl Context {
    /// Opens the chosen adapter, with the largest buffer limits it has (never less than WebGPU's defaults).
    ///
    /// # Errors
    /// [`DeviceError::NoAdapter`], [`DeviceError::UnknownAdapter`] or [`DeviceError::NoDevice`].
    pub async fn open(options: Options) -> Result<Self, DeviceError> {
        let Options { adapter, threads, instructions, shader_path } = options;
        let (summary, inner) = match adapter::choose(&adapter, instructions, threads.count()).await? {
            Candidate::Gpu(found) => {
                (found.summary.clone(), Inner::Gpu(Box::new(gpu::Context::new(found, threads, shader_path).await?)))
            }
            Candidate::Processor(summary, class) => {
                (summary, Inner::Processor(Processor::new(class, instructions, threads)?))
            }
        };
        Ok(Self { inner, summary, memory_budget: Cell::default() })
    }

    /// Opens the chosen adapter with all threads of the machine.
    ///
    /// # Errors
    /// As [`Context::open`].
    pub async fn new(choice: &AdapterChoice) -> Result<Self, DeviceError> {
        Self::open(Options { adapter: choice.clone(), ..Options::default() }).await
    }

    /// The adapter.
    #[must_use]
    pub fn adapter(&self) -> &AdapterSummary {
        &self.summary
    }

    /// Refuses allocations beyond `bytes` in all. Where buffers are the host's memory, systems hand it out without looking: a
    /// front end that knows how much is free says so here.
    pub fn set_memory_budget(&self, bytes: u64) {
        self.memory_budget.set(Some(bytes));
    }

    /// Bytes that may be allocated in all, where known.
    #[must_use]
    pub fn memory_budget(&self) -> Option<u64> {
        self.memory_budget.get()
    }

    /// The first thing that went wrong since the last call, as an error.
    ///
    /// # Errors
    /// [`DeviceError::DeviceLost`], [`DeviceError::OutOfMemory`], or [`DeviceError::Refused`] for a call that the driver refused.
    pub fn check(&self) -> Result<(), DeviceError> {
        match &self.inner {
            Inner::Gpu(gpu) => gpu.check(),
            Inner::Processor(processor) => processor.check(),
        }
    }

    /// Destroys the device, as a crashed driver would: a fault injector for tests.
    pub fn destroy(&self) {
        match &self.inner {
            Inner::Gpu(gpu) => gpu.destroy(),
            Inner::Processor(processor) => processor.destroy(),
        }
    }
}
