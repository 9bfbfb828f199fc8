//! 3x3 convolution, stride 1, padding 1, without bias: direct, tiled in registers, on zero-bordered planes.

use serde::{Deserialize, Serialize};

use super::{Shape, Tile, workgroups};
use crate::gpu::{Binding, Constant, Job, Kernel, Recording, Work, shader};

/// Input and output channels that a thread of the weight gradient usually computes.
pub(crate) const DWEIGHT: [u32; 2] = [4, 4];

/// A convolution layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conv {
    /// C, H, W of the input.
    pub input: Shape,
    /// Output channels.
    pub out_channels: u32,
    /// True when the input is the batch, which all replicas share.
    pub shared_input: bool,
}

impl Conv {
    /// K, H, W of the output.
    #[must_use]
    pub fn output(&self) -> Shape {
        Shape { channels: self.out_channels, ..self.input }
    }

    /// K, C and taps of the weight tensor `[K][C][3][3]`.
    #[must_use]
    pub fn weight_dims(&self) -> [u32; 3] {
        [self.out_channels, self.input.channels, 9]
    }

    /// Elements of the weight tensor.
    #[must_use]
    pub fn weights(&self) -> u32 {
        self.weight_dims().iter().product()
    }

    /// Bytes of the weight gradient's partial sums, for one replica.
    #[must_use]
    pub fn partial_bytes(&self, samples: u32) -> u64 {
        u64::from(blocks(self.output(), samples)) * u64::from(self.weights()) * 4
    }

    fn work(&self, rec: &Recording) -> Work {
        let samples = u64::from(rec.job.samples);
        let macs = samples * self.output().elements() * u64::from(self.input.channels * 9);
        let values = samples * (self.input.elements() + self.output().elements()) + u64::from(self.weights());
        Work::new(2 * macs, 4 * values)
    }

    /// `y = conv(x, w)` on `[x, packed, y]`, `packed` from [`super::pack`] (forward).
    pub fn forward(&self, rec: &mut Recording, label: &str, tile: Tile, bindings: [Binding; 3]) {
        let pass = Direct { from: self.input, to: self.output(), shared: self.shared_input, accumulate: false };
        self.direct(rec, label, tile, pass, bindings);
    }

    /// `dx = dconv/dx (dy)`, or `dx += ...`, on `[dy, packed, dx]`; `packed` from [`super::pack`] (input gradient).
    pub fn dinput(&self, rec: &mut Recording, label: &str, tile: Tile, bindings: [Binding; 3], accumulate: bool) {
        let pass = Direct { from: self.output(), to: self.input, shared: false, accumulate };
        self.direct(rec, label, tile, pass, bindings);
    }

    fn direct(&self, rec: &mut Recording, label: &str, tile: Tile, pass: Direct, bindings: [Binding; 3]) {
        let Direct { from, to, shared, accumulate } = pass;
        // A tile never spans more rows than there are.
        let rows = tile.rows.clamp(1, to.height);
        let constants: [(&str, Constant); 10] = [
            ("C", from.channels.into()),
            ("K", to.channels.into()),
            ("HEIGHT", to.height.into()),
            ("WIDTH", to.width.into()),
            ("ROW", to.row().into()),
            ("PLANE", to.plane().into()),
            ("TILE_ROWS", rows.into()),
            ("SHARED_INPUT", shared.into()),
            ("ACCUMULATE", accumulate.into()),
            ("LANES", tile.lanes.into()),
        ];
        let tiles = u64::from(to.quads() * to.height.div_ceil(rows)) * u64::from(rec.job.samples);
        let threads = tiles * u64::from(to.channels.div_ceil(4));
        let kernel = Kernel::new(shader!("conv3x3_forward"), &constants);
        let work = self.work(rec);
        rec.dispatch(label, kernel, &bindings, tile.workgroups(threads), work);
    }

    /// Gradient by the weights: partial sums into `partial`, their sum into the arena from `gradient` on.
    pub fn dweight(&self, rec: &mut Recording, label: &str, tile: Tile, [x, dy, partial, gradient]: [Binding; 4]) {
        let (c, k, pixels) = (self.input.channels, self.out_channels, self.output());
        let [tile_c, tile_k] = tile.channels.unwrap_or(DWEIGHT);
        let constants: [(&str, Constant); 11] = [
            ("C", c.into()),
            ("K", k.into()),
            ("HEIGHT", pixels.height.into()),
            ("WIDTH", pixels.width.into()),
            ("ROW", pixels.row().into()),
            ("PLANE", pixels.plane().into()),
            ("IMAGES", block_images(pixels).into()),
            ("TILE_C", tile_c.into()),
            ("TILE_K", tile_k.into()),
            ("SHARED_INPUT", self.shared_input.into()),
            ("LANES", tile.lanes.into()),
        ];
        let blocks = blocks(pixels, rec.job.samples);
        let threads = u64::from(c.div_ceil(tile_c) * k.div_ceil(tile_k)) * u64::from(blocks);
        let kernel = Kernel::new(shader!("conv3x3_dweight"), &constants);
        let work = self.work(rec);
        rec.dispatch(label, kernel, &[x, dy, partial], tile.workgroups(threads), work);
        reduce_blocks(rec, label, self.weights(), blocks, partial, gradient);
    }
}

/// One direct pass: where from, where to.
struct Direct {
    from: Shape,
    to: Shape,
    shared: bool,
    accumulate: bool,
}

/// Images in a block of a weight gradient: about 256 pixels of the output in a strip of four columns (docs/ORDER.md).
pub fn block_images(output: Shape) -> u32 {
    (64 / output.height).max(1)
}

/// Blocks of a weight gradient.
pub fn blocks(output: Shape, samples: u32) -> u32 {
    output.quads() * samples.div_ceil(block_images(output))
}

/// Adds `blocks` partial sums of `elements` weights into the gradient arena, from `gradient` on.
pub fn reduce_blocks(
    rec: &mut Recording,
    label: &str,
    elements: u32,
    blocks: u32,
    partial: Binding,
    gradient: Binding,
) {
    let kernel = Kernel::new(shader!("conv_dweight_reduce"), &[("ELEMENTS", elements.into())]);
    let all = u64::from(elements) * u64::from(blocks);
    let job = Job { argument: blocks, ..rec.job };
    let tiles = workgroups(u64::from(elements));
    rec.dispatch_job(label, kernel, &[partial, gradient], tiles, Work::new(all, all * 4), job);
}
