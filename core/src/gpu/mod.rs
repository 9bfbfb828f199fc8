//! The GPU: the only code that names wgpu.
//!
//! [`Context`] is an adapter with its device, [`Kernel`] a compute shader with its constants, [`Recording`] a plain
//! list of what to dispatch, [`Program`] a recording with pipelines and bind groups built, [`Submitter`] encodes
//! programs into submits of bounded length and [`Readback`] brings bytes back without stopping the queue.

mod context;
mod error;
mod executor;
mod kernel;
mod platform;
mod profile;
mod readback;
mod recording;

pub use context::{AdapterChoice, AdapterLimit, AdapterSummary, Context, adapters};
pub use error::{GpuError, human_bytes};
pub use executor::{Buffers, Fill, Program, Submitter};
pub use kernel::{Constant, Job, Kernel, Shader};
pub(crate) use kernel::{code, code_length, shader, wgsl};
pub use platform::Spread;
pub use profile::{DispatchTime, RunTime};
pub use readback::{Pending, Readback};
pub use recording::{Binding, BufferId, BufferSpec, BufferTable, Command, Dispatch, Recording, Work};
