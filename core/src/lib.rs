//! The core of lastbit: networks and perturbed SGD as WGSL compute shaders over wgpu and as their twins on the
//! processor, shared by the native trainer and the web page. It touches no files and no page, and reads the clock only for
//! measurements; front ends read events and send commands.

pub mod bench;
pub mod data;
pub mod device;
pub mod double;
pub mod gpu;
pub mod huge_pages;
pub mod nets;
pub mod ops;
pub mod pde;
#[cfg_attr(
    target_arch = "wasm32",
    allow(dead_code, unused_imports, reason = "it compiles, but the page does not use it yet")
)]
pub mod processor;
pub mod record;
pub mod rng;
pub mod smoke;
pub mod threads;
pub mod train;
