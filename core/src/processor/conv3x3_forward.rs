//! Twin of shaders/conv3x3_forward.wgsl and shaders/conv3x3_forward_staged.wgsl: 3x3 convolution, stride 1, padding 1.
//!
//! Order: c, then kh, then kw, one accumulator for each output. A tile of 8 output channels (4 if registers are few) x
//! up to three vectors of pixels stays in registers over all input channels: for each tap, each vector of pixels is
//! loaded once and each weight is broadcast once.

#![allow(clippy::needless_range_loop, reason = "an index that several arrays of registers share")]

mod direct;
mod gathered;
mod layer;
mod tile;
mod tiny;

use std::ops::Range;

use super::lanes::Lanes;
use super::memory::Scratch;
use super::twin::{BySample, Launch, Twin};
pub use layer::Conv3x3Forward;
use layer::Piece;

/// A piece should have this many pixels, so that loading the weights pays off.
const PIXELS: usize = 192;
/// Number of pieces that keeps a large machine busy.
const PIECES: usize = 32;
/// A piece is not split below this many groups of output channels, because each piece gathers its pixels again.
const GROUPS: usize = 16;

impl Twin for Conv3x3Forward {
    fn new(launch: &Launch<'_>) -> Self {
        let (outputs, height, row) = (launch.size("K"), launch.size("HEIGHT"), launch.size("ROW") * 4);
        let (samples, width, plane) = (launch.samples(), launch.size("WIDTH"), launch.size("PLANE") * 4);
        let x = launch.tensor(0, launch.size("C") * plane);
        let pixels = if tiny::suits(launch.size("C"), height, width) { tiny::PIXELS } else { PIXELS };
        let batch = pixels.div_ceil(height * (row - 4)).min(samples.max(1));
        let all_groups = outputs.div_ceil(4);
        let mut groups = all_groups;
        while groups / 2 >= GROUPS && launch.replicas() * samples.div_ceil(batch) * all_groups.div_ceil(groups) < PIECES
        {
            groups = (groups / 2).next_multiple_of(2);
        }
        Self {
            x: if launch.flag("SHARED_INPUT") { x.shared() } else { x },
            packed: launch.floats(1),
            y: launch.tensor(2, outputs * plane),
            samples,
            inputs: launch.size("C"),
            outputs,
            height,
            width,
            row,
            plane,
            packed_stride: launch.job().packed_stride as usize,
            accumulate: launch.flag("ACCUMULATE"),
            batch,
            groups,
            mask: (0..row + 16).map(|column| f32::from(u8::from(column < width))).collect(),
        }
    }

    fn pieces(&self) -> usize {
        self.samples.div_ceil(self.batch) * self.outputs.div_ceil(4).div_ceil(self.groups)
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let parts = self.outputs.div_ceil(4).div_ceil(self.groups);
        let (first_sample, first_group) = (piece / parts * self.batch, piece % parts * self.groups);
        let piece = Piece {
            replica,
            first_sample,
            samples: self.batch.min(self.samples - first_sample),
            first_group,
            groups: self.groups.min(self.outputs.div_ceil(4) - first_group),
        };
        self.compute::<L>(piece, scratch);
    }
}

impl BySample for Conv3x3Forward {
    #[inline(always)]
    fn run_samples<L: Lanes>(&self, replica: usize, samples: Range<usize>, scratch: &mut Scratch) {
        for first_sample in samples.clone().step_by(self.batch) {
            let piece = Piece {
                replica,
                first_sample,
                samples: self.batch.min(samples.end - first_sample),
                first_group: 0,
                groups: self.outputs.div_ceil(4),
            };
            self.compute::<L>(piece, scratch);
        }
    }
}

impl Conv3x3Forward {
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn compute<L: Lanes>(&self, piece: Piece, scratch: &mut Scratch) {
        // SAFETY: the machine has the instruction set; pieces write different samples or channels of y and only read
        // the rest.
        unsafe {
            if tiny::suits(self.inputs, self.height, self.width) {
                return if L::REGISTERS >= 32 {
                    tiny::run::<L, 3>(self, piece, scratch);
                } else {
                    tiny::run::<L, 1>(self, piece, scratch);
                };
            }
            match (direct::suits::<L>(self.columns()), L::REGISTERS >= 32) {
                (true, true) => direct::run::<L, 2>(self, piece, &mut scratch.prefetch),
                (true, false) => direct::run::<L, 1>(self, piece, &mut scratch.prefetch),
                (false, true) => gathered::run::<L, 2>(self, piece, scratch),
                (false, false) => gathered::run::<L, 1>(self, piece, scratch),
            }
        }
    }
}
