//! Platform differences: how to wait for the GPU, and SPIR-V. Both files have the same interface.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod web;

#[cfg(not(target_arch = "wasm32"))]
pub use native::{compile_spirv, wait_for};
#[cfg(target_arch = "wasm32")]
pub use web::{compile_spirv, wait_for};
