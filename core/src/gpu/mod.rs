//! The device over wgpu: the only code that names it.
//!
//! `Context` is an adapter with its device, `Program` a recording with pipelines and bind groups built, `Submitter`
//! encodes programs into submits of bounded length and `Readback` brings bytes back without stopping the queue.

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

pub(crate) use context::{Context, Found, found};
pub(crate) use executor::{Buffers, Program, Submitter};
pub(crate) use readback::{Pending, Readback};
