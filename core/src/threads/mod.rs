//! Threads that build pipelines and compute on the processor: one interface, two platforms.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod web;

#[cfg(not(target_arch = "wasm32"))]
pub use native::Threads;
#[cfg(target_arch = "wasm32")]
pub use web::Threads;
