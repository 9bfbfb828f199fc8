//! A tile: how the launches of a convolution are divided into threads and workgroups. Results do not depend on it
//! (*tile-independent*): a tile changes which thread computes a sum, never the order of its terms (docs/ORDER.md).

use serde::{Deserialize, Serialize};

use super::Shape;
use crate::record::Constant;

/// How much a thread of a convolution computes, and how many threads make a workgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tile {
    /// Rows per thread that the forward pass and the gradient by the input write: 1, 2, 4 or 8.
    pub rows: u32,
    /// Groups of four channels per thread that the same passes write: 1, 2 or 4. These are output channels in the forward
    /// pass and input channels in the gradient by the input.
    pub groups: u32,
    /// Input and output channels per thread in the gradient by the weights: powers of two from 1 to 8 and from 1 to 16.
    pub channels: [u32; 2],
    /// Threads per workgroup.
    pub lanes: u32,
    /// If true, all threads of a workgroup compute the same output channels, so that a GPU loads their weights once. Threads
    /// idle if the batch has fewer tiles than threads.
    pub uniform: bool,
    /// Staging: the threads of a workgroup load their input into workgroup memory together, and this many threads with
    /// different output channels share it. With `None`, each thread reads from global memory; so it does if a layer does not
    /// fit, and in the pairs with stride 2.
    pub staging: Option<u32>,
}

impl Default for Tile {
    fn default() -> Self {
        Self { rows: 4, groups: 1, channels: [4, 4], lanes: 64, uniform: false, staging: None }
    }
}

impl std::fmt::Display for Tile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rows, groups, channels: [c, k], lanes, uniform, staging } = self;
        write!(f, "{rows} rows of {} channels, {c} x {k} channels, {lanes} lanes", 4 * groups)?;
        if *uniform {
            write!(f, ", uniform")?;
        }
        staging.map_or(Ok(()), |sharers| write!(f, ", staged for {sharers}"))
    }
}

impl Tile {
    /// The default tile with `rows` rows.
    #[must_use]
    pub fn with_rows(rows: u32) -> Self {
        Self { rows, ..Self::default() }
    }

    /// Number of threads that share the output channels of a tile of pixels.
    pub(super) fn groups_of(self, channels: u32) -> u32 {
        channels.div_ceil(4 * self.groups)
    }

    /// Rows per thread in planes of this shape, at most its height.
    pub(super) fn rows_of(self, shape: Shape) -> u32 {
        self.rows.clamp(1, shape.height)
    }

    /// Constants of the kernels of stride 2, with `rows` rows.
    pub(super) fn constants(self, rows: u32) -> [(&'static str, Constant); 4] {
        [
            ("TILE_ROWS", rows.into()),
            ("GROUPS", self.groups.into()),
            ("LANES", self.lanes.into()),
            ("UNIFORM", self.uniform.into()),
        ]
    }

    /// Number of workgroups for `threads` threads in each of `groups` groups.
    ///
    /// # Panics
    /// If the number exceeds u32. Such a tensor is far above the limits of every adapter.
    pub(super) fn workgroups(self, threads: u64, groups: u32) -> u32 {
        let (lanes, groups) = (u64::from(self.lanes), u64::from(groups));
        let workgroups =
            if self.uniform { threads.div_ceil(lanes) * groups } else { (threads * groups).div_ceil(lanes) };
        u32::try_from(workgroups).expect("tensor sizes are checked against the adapter's limits")
    }
}

/// A pass of training through a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pass {
    /// `y` from `x` and `w`.
    Forward,
    /// `dx` from `dy` and `w`.
    InputGradient,
    /// `dw` from `x` and `dy`.
    WeightGradient,
}
