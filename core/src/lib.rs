//! The core of lastbit: networks and perturbed SGD as WGSL compute shaders over wgpu, shared by the native trainer and
//! the web page. It touches no files, no clock of the host's and no page; front ends read events and send commands.

pub mod bench;
pub mod data;
pub mod double;
pub mod gpu;
pub mod nets;
pub mod ops;
pub mod pde;
pub mod rng;
pub mod smoke;
pub mod train;
