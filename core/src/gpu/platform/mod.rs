//! Waiting for the GPU, and work for several threads: one interface, two platforms.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod web;

#[cfg(not(target_arch = "wasm32"))]
pub use native::{Spread, wait_for};
#[cfg(target_arch = "wasm32")]
pub use web::{Spread, wait_for};
