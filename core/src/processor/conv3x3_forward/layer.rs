//! A dispatch of the convolution: its tensors, sizes and pieces.

use crate::processor::memory::View;
use crate::processor::shared::tensor::Tensor;

/// One dispatch of `conv3x3_forward`: a convolution, or its input gradient.
pub struct Conv3x3Forward {
    pub(super) x: Tensor,
    pub(super) packed: View<f32>,
    pub(super) y: Tensor,
    pub(super) samples: usize,
    /// Input channels C.
    pub(super) inputs: usize,
    /// Output channels K.
    pub(super) outputs: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    /// Floats from a row to the next.
    pub(super) row: usize,
    /// Floats from a plane to the next.
    pub(super) plane: usize,
    /// Floats from a replica's packed weights to the next one's.
    pub(super) packed_stride: usize,
    pub(super) accumulate: bool,
    /// Samples in a piece.
    pub(super) batch: usize,
    /// Groups of four output channels in a piece.
    pub(super) groups: usize,
    /// 1 in columns of the image and 0 beyond, for all columns that a row's vectors may cover.
    pub(super) mask: Vec<f32>,
}

/// A piece: samples and groups of output channels of a replica.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    pub(super) replica: usize,
    pub(super) first_sample: usize,
    pub(super) samples: usize,
    pub(super) first_group: usize,
    pub(super) groups: usize,
}

impl Conv3x3Forward {
    /// Number of computed columns: the width, padded to vectors of four.
    #[inline(always)]
    pub(super) fn columns(&self) -> usize {
        self.row - 4
    }

    /// Index in x of the first tap of a sample's first pixel: one row up and one column to the left of it.
    #[inline(always)]
    pub(super) fn corner(&self, piece: Piece, sample: usize) -> usize {
        self.x.start(piece.replica, sample) + 3
    }

    /// Index in y of the first pixel of a sample's output channel 0.
    #[inline(always)]
    pub(super) fn target(&self, piece: Piece, sample: usize) -> usize {
        self.y.start(piece.replica, sample) + self.row + 4
    }

    /// The weights of each of G groups. Groups beyond the last one have its weights.
    #[inline(always)]
    pub(super) fn weights<const G: usize>(&self, replica: usize, group: usize) -> [*const f32; G] {
        let last = self.outputs.div_ceil(4) - 1;
        let mut weights = [std::ptr::null(); G];
        for (g, w) in weights.iter_mut().enumerate() {
            let group = (group + g).min(last);
            *w = self.packed.at(replica * self.packed_stride + group * self.inputs * 36).cast_const();
        }
        weights
    }

    #[inline(always)]
    pub(super) fn is_masked(&self) -> bool {
        self.width != self.columns()
    }
}
