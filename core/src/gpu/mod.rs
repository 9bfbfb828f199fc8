//! The GPU device. No other code uses wgpu.
//!
//! `Context` is an adapter with its device, `Program` is a recording with its pipelines and bind groups, `Submitter`
//! encodes programs into submits of bounded length, and `Readback` copies bytes to the host without stopping the queue.

mod context;
#[cfg(test)]
mod contraction;
mod executor;
mod pipeline;
mod platform;
mod profile;
mod readback;
#[cfg(not(target_arch = "wasm32"))]
pub mod spirv;
pub mod wgsl;

pub(crate) use context::{Adapter, Context, adapters};
pub(crate) use executor::{Buffers, Program, Submitter};
pub use pipeline::{ShaderPatch, ShaderPath};
pub(crate) use readback::{Pending, Readback};
