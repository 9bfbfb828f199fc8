//! Waiting for the GPU: one interface, two platforms.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod web;

#[cfg(not(target_arch = "wasm32"))]
pub use native::wait_for;
#[cfg(target_arch = "wasm32")]
pub use web::wait_for;
