//! The uniform data of a dispatch.

use bytemuck::{Pod, Zeroable};

/// Maximum number of arguments that a shader defines for itself ([`super::Shader::arguments`]).
pub const ARGUMENTS: usize = 3;

/// The uniform that every shader binds at 0: the batch size, strides that depend on the network, the first tile of a split
/// dispatch, and the shader's arguments. The WGSL struct is generated from these fields.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Job {
    /// First tile of this piece of a split dispatch, added to the workgroup's x. The device fills it in.
    pub first_tile: u32,
    /// Samples in the batch.
    pub samples: u32,
    /// Elements of each replica in the parameter, momentum and gradient arenas.
    pub parameter_stride: u32,
    /// Elements of each replica in the packed-weights arena.
    pub packed_stride: u32,
    /// Elements of each replica in the running-statistics arena.
    pub running_stride: u32,
    /// Always 0. Shaders combine floats with it, so that a compiler cannot see how they were computed (`shaders/shared/opaque.wgsl`).
    pub zero: u32,
    /// Values of [`super::Shader::arguments`], in that order, followed by zeros.
    pub arguments: [u32; ARGUMENTS],
}
