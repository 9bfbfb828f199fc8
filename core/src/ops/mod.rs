//! The operations of a network. Each file has the launches of one operation, forward and backward side by side, for the
//! shaders of the same name in `shaders/`. Operations append to a [`Recording`](crate::record::Recording).
//!
//! Shape letters, everywhere: R replica, N sample, C channel, H W pixel, K output channel; kh kw kernel.

pub mod activation;
pub mod adamw;
pub mod add;
pub mod batch_input;
pub mod batch_norm;
pub mod bias;
pub mod conv;
pub mod conv1x1;
pub mod conv_down;
pub mod conv_valid;
pub mod cross_entropy;
pub mod dense;
pub mod divergence;
pub mod fingerprint;
pub mod flatten;
pub mod flip_bit;
pub mod functions;
pub mod gate;
pub mod group_norm;
pub mod max_pool;
pub mod not_finite;
pub mod pack;
pub mod planes;
pub mod pool;
pub mod sgd;
mod staging;
pub mod tile;
pub mod tiles;
mod weight_blocks;

pub use activation::Activation;
pub use conv::Conv;
pub use conv_down::ConvDown;
pub use conv1x1::Conv1x1;
pub use planes::Shape;
pub use tile::{Pass, Tile};
pub use tiles::{ConvLayer, TileTarget, Tiles};

/// Invocations per workgroup, in all kernels except the fault injector and the convolutions, whose [`Tile`] decides it.
pub const WORKGROUP: u32 = 64;

/// Number of workgroups for `threads` threads.
///
/// # Panics
/// If the number exceeds u32. Such a tensor is far above the limits of every adapter.
#[must_use]
pub fn workgroups(threads: u64) -> u32 {
    u32::try_from(threads.div_ceil(u64::from(WORKGROUP)))
        .expect("tensor sizes are checked against the adapter's limits")
}
