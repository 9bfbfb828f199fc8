//! An open adapter.

use std::cell::Cell;

use super::adapter::{self, AdapterChoice, Candidate, Options};
use super::cores::Processor;
use super::{AdapterSummary, DeviceError, gpu};

/// The device that computes.
pub(super) enum Inner {
    Gpu(Box<gpu::Context>),
    Processor(Processor),
}

/// An adapter with its device. Buffers, programs and readback belong to one context.
pub struct Context {
    pub(super) inner: Inner,
    summary: AdapterSummary,
    memory_budget: Cell<Option<u64>>,
}

impl Context {
    /// Opens the chosen adapter with its largest buffer limits, which are at least WebGPU's defaults.
    ///
    /// # Errors
    /// [`DeviceError::NoAdapter`] if there is no adapter, [`DeviceError::UnknownAdapter`] if none matches,
    /// [`DeviceError::NoDevice`] if the adapter cannot open a device, and [`DeviceError::NoInstructions`] if the processor
    /// lacks the requested instruction set.
    pub async fn open(options: Options) -> Result<Self, DeviceError> {
        let Options { adapter, threads, instructions, shader_path, patch } = options;
        let (summary, inner) = match adapter::choose(&adapter, instructions, threads.count()).await? {
            Candidate::Gpu(found) => (
                found.summary.clone(),
                Inner::Gpu(Box::new(gpu::Context::new(found, threads, shader_path, patch).await?)),
            ),
            Candidate::Processor(summary, class) => {
                (summary, Inner::Processor(Processor::new(class, instructions, threads)?))
            }
        };
        Ok(Self { inner, summary, memory_budget: Cell::default() })
    }

    /// Opens the chosen adapter with all threads of the machine.
    ///
    /// # Errors
    /// Same as [`Context::open`].
    pub async fn new(choice: &AdapterChoice) -> Result<Self, DeviceError> {
        Self::open(Options { adapter: choice.clone(), ..Options::default() }).await
    }

    /// Properties of the adapter.
    #[must_use]
    pub fn adapter(&self) -> &AdapterSummary {
        &self.summary
    }

    /// Limits each [`Buffers::allocate`](super::Buffers::allocate) to `bytes` in total. Operating systems overcommit host
    /// memory, so a front end that knows how much is free sets this limit where buffers are in host memory.
    pub fn set_memory_budget(&self, bytes: u64) {
        self.memory_budget.set(Some(bytes));
    }

    /// The limit that [`Context::set_memory_budget`] set, in bytes.
    #[must_use]
    pub fn memory_budget(&self) -> Option<u64> {
        self.memory_budget.get()
    }

    /// Reports the first failure since the last call.
    ///
    /// # Errors
    /// [`DeviceError::DeviceLost`] if the device was lost, [`DeviceError::OutOfMemory`] if an allocation failed, and
    /// [`DeviceError::Refused`] if the driver refused a call.
    pub fn check(&self) -> Result<(), DeviceError> {
        match &self.inner {
            Inner::Gpu(gpu) => gpu.check(),
            Inner::Processor(processor) => processor.check(),
        }
    }

    /// Destroys the device, as a driver crash would: a fault injector for tests.
    pub fn destroy(&self) {
        match &self.inner {
            Inner::Gpu(gpu) => gpu.destroy(),
            Inner::Processor(processor) => processor.destroy(),
        }
    }
}
