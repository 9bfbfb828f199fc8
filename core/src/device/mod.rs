//! The one interface to all devices: a GPU through wgpu, or the machine's cores.
//!
//! [`Context`] is an adapter with its device, [`Buffers`] are the allocated buffers of a table, [`Program`] is a recording
//! prepared for a device, [`Submitter`] runs programs, and [`Readback`] copies bytes to the host without blocking the step loop.

mod adapter;
mod context;
mod error;
mod fill;
mod program;
mod readback;
mod summary;
mod times;

#[cfg(not(feature = "processor"))]
mod no_cores;
#[cfg(not(feature = "gpu"))]
mod no_gpu;

// Each of the page's modules contains the code of one device.
#[cfg(feature = "gpu")]
use crate::gpu;
#[cfg(feature = "processor")]
use crate::processor as cores;
#[cfg(not(feature = "processor"))]
use no_cores as cores;
#[cfg(not(feature = "gpu"))]
use no_gpu as gpu;

pub use adapter::{AdapterChoice, Options, adapters};
pub use context::Context;
pub use error::{DeviceError, human_bytes};
pub use fill::{Fill, JUNK_WORD};
pub use program::{Buffers, Program, Submitter};
pub use readback::{Pending, Readback};
pub use summary::{AdapterLimit, AdapterSummary, Family};
pub use times::{DispatchTime, RunTime};

pub use crate::gpu::{ShaderPatch, ShaderPath};
