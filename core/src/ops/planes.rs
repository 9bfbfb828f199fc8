//! Planes: the memory layout of images and activations.
//!
//! A tensor `[R][N][C][H][W]` is a sequence of planes, one for each (replica, sample, channel). A plane is H + 1 rows of
//! ceil(W / 4) + 1 vectors of four floats; its first row and the first vector of every row are zero. The zeros of the
//! next row and of the next plane serve as right and bottom border, so a 3x3 kernel reads without a branch and every
//! store is aligned. Everything outside the H x W pixels stays zero, because kernels mask their stores.

use serde::{Deserialize, Serialize};

use crate::record::{BufferId, BufferTable};

/// Channels and pixels of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shape {
    /// C
    pub channels: u32,
    /// H
    pub height: u32,
    /// W
    pub width: u32,
}

/// Rows that a tile may read beyond the last plane. Their values are never used.
const SLACK_ROWS: u32 = 20;

impl Shape {
    /// Creates a shape of C, H, W.
    #[must_use]
    pub fn new(channels: u32, height: u32, width: u32) -> Self {
        Self { channels, height, width }
    }

    /// Number of vectors of four pixels in a row, without the border.
    #[must_use]
    pub fn quads(&self) -> u32 {
        self.width.div_ceil(4)
    }

    /// Distance from one row to the next, in vectors of four floats.
    #[must_use]
    pub fn row(&self) -> u32 {
        self.quads() + 1
    }

    /// Distance from one plane to the next, in vectors of four floats.
    #[must_use]
    pub fn plane(&self) -> u32 {
        (self.height + 1) * self.row()
    }

    /// Number of elements, C H W.
    #[must_use]
    pub fn elements(&self) -> u64 {
        u64::from(self.channels) * u64::from(self.height) * u64::from(self.width)
    }

    /// Size of the planes of `samples` samples in `replicas` replicas, in bytes.
    #[must_use]
    pub fn plane_bytes(&self, replicas: u32, samples: u32) -> u64 {
        let planes = u64::from(replicas) * u64::from(samples) * u64::from(self.channels);
        (planes * u64::from(self.plane()) + u64::from(SLACK_ROWS * self.row())) * 16
    }

    /// Adds a buffer of planes to `table`. It must be cleared once before use.
    pub fn buffer(&self, table: &mut BufferTable, label: &str, replicas: u32, samples: u32) -> BufferId {
        table.add(label, self.plane_bytes(replicas, samples))
    }

    /// Converts dense values `[..][C][H][W]` to planes.
    #[must_use]
    pub fn to_planes(&self, dense: &[f32]) -> Vec<f32> {
        let (h, w) = (self.height as usize, self.width as usize);
        let (row, plane) = (self.row() as usize * 4, self.plane() as usize * 4);
        let count = dense.len() / (h * w);
        let mut planes = vec![0.0; count * plane + (SLACK_ROWS as usize) * row];
        for p in 0..count {
            for y in 0..h {
                let to = p * plane + (y + 1) * row + 4;
                planes[to..to + w].copy_from_slice(&dense[(p * h + y) * w..][..w]);
            }
        }
        planes
    }

    /// Converts `count` planes to dense values; `None` if anything outside the pixels is not zero.
    #[must_use]
    pub fn from_planes(&self, planes: &[f32], count: usize) -> Option<Vec<f32>> {
        let (h, w) = (self.height as usize, self.width as usize);
        let (row, plane) = (self.row() as usize * 4, self.plane() as usize * 4);
        let mut dense = Vec::with_capacity(count * h * w);
        for p in 0..count {
            let this = &planes[p * plane..(p + 1) * plane];
            for (y, line) in this.chunks(row).enumerate() {
                let pixels = if y == 0 { 0..0 } else { 4..4 + w };
                if line.iter().enumerate().any(|(x, v)| !pixels.contains(&x) && v.to_bits() << 1 != 0) {
                    return None;
                }
                dense.extend_from_slice(&line[pixels]);
            }
        }
        Some(dense)
    }
}
