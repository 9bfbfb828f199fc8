//! The data of a dispatch, beside its buffers.

use bytemuck::{Pod, Zeroable};

/// Numbers that a shader may define for itself ([`super::Shader::arguments`]).
pub const ARGUMENTS: usize = 3;

/// The batch, strides that depend on the network, the first tile of a split dispatch, and what the shader names besides.
/// The WGSL struct is generated from these fields.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Job {
    /// Added to the workgroup's x: where a split dispatch begins. The device fills it in.
    pub first_tile: u32,
    /// Samples in the batch.
    pub samples: u32,
    /// Elements of one replica in the parameter, momentum and gradient arenas.
    pub parameter_stride: u32,
    /// Elements of one replica in the packed-weights arena.
    pub packed_stride: u32,
    /// Elements of one replica in the running-statistics arena.
    pub running_stride: u32,
    /// Values of the shader's own arguments, in its order; zeros behind them.
    pub arguments: [u32; ARGUMENTS],
}
