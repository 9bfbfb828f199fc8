//! Twin of shaders/conv3x3_forward.wgsl and shaders/conv3x3_forward_staged.wgsl: 3x3 convolution, stride 1, padding 1.
//!
//! Order: c, then kh, then kw, one accumulator for each output. A tile of 8 output channels (4 if registers are few) x
//! up to three vectors of pixels stays in registers over all input channels: for each tap, each vector of pixels is
//! loaded once and each weight is broadcast once.

#![allow(clippy::needless_range_loop, reason = "an index that several arrays of registers share")]

mod direct;
mod gathered;
mod tile;
mod tiny;

use std::ops::Range;

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::tensor::Tensor;
use super::twin::{BySample, Launch, Twin};

/// One dispatch of `conv3x3_forward`: a convolution, or its input gradient.
pub struct Conv3x3Forward {
    x: Tensor,
    packed: View<f32>,
    y: Tensor,
    samples: usize,
    /// Input channels C.
    inputs: usize,
    /// Output channels K.
    outputs: usize,
    height: usize,
    width: usize,
    /// Floats from a row to the next.
    row: usize,
    /// Floats from a plane to the next.
    plane: usize,
    /// Floats from a replica's packed weights to the next one's.
    packed_stride: usize,
    accumulate: bool,
    /// Samples in a piece.
    batch: usize,
    /// Groups of four output channels in a piece.
    groups: usize,
    /// 1 in columns of the image and 0 beyond, for all columns that a row's vectors may cover.
    mask: Vec<f32>,
}

/// A piece should have this many pixels, so that loading the weights pays off.
const PIXELS: usize = 192;
/// Number of pieces that keeps a large machine busy.
const PIECES: usize = 32;
/// A piece is not split below this many groups of output channels, because each piece gathers its pixels again.
const GROUPS: usize = 16;

/// A piece: samples and groups of output channels of a replica.
#[derive(Clone, Copy)]
struct Piece {
    replica: usize,
    first_sample: usize,
    samples: usize,
    first_group: usize,
    groups: usize,
}

impl Conv3x3Forward {
    /// Number of computed columns: the width, padded to vectors of four.
    #[inline(always)]
    fn columns(&self) -> usize {
        self.row - 4
    }

    /// Index in x of the first tap of a sample's first pixel: one row up and one column to the left of it.
    #[inline(always)]
    fn corner(&self, piece: Piece, sample: usize) -> usize {
        self.x.start(piece.replica, sample) + 3
    }

    /// Index in y of the first pixel of a sample's output channel 0.
    #[inline(always)]
    fn target(&self, piece: Piece, sample: usize) -> usize {
        self.y.start(piece.replica, sample) + self.row + 4
    }

    /// The weights of each of G groups. Groups beyond the last one have its weights.
    #[inline(always)]
    fn weights<const G: usize>(&self, replica: usize, group: usize) -> [*const f32; G] {
        let last = self.outputs.div_ceil(4) - 1;
        let mut weights = [std::ptr::null(); G];
        for (g, w) in weights.iter_mut().enumerate() {
            let group = (group + g).min(last);
            *w = self.packed.at(replica * self.packed_stride + group * self.inputs * 36).cast_const();
        }
        weights
    }

    #[inline(always)]
    fn is_masked(&self) -> bool {
        self.width != self.columns()
    }
}

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
    #[inline(always)]
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
