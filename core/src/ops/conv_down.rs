//! The two convolutions that read the input of a residual block that halves the resolution, in one launch: 3x3 (padding 1)
//! and the 1x1 projection shortcut, both with stride 2 and without bias. The shortcut's single tap is the centre of the
//! nine, so that it needs almost no additional loads.

use serde::{Deserialize, Serialize};

use super::{Shape, Tile, weight_blocks};
use crate::record::{Binding, Constant, Kernel, Recording, Shader, Work};

/// A pair of layers. In all pairs of values, the first belongs to the 3x3 convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvDown {
    /// C, H, W of the input.
    pub input: Shape,
    /// Output channels of each layer.
    pub out_channels: u32,
}

/// The tensors of [`ConvDown::dweight`].
#[derive(Clone, Copy, Debug)]
pub struct WeightGradient {
    /// The input, planes.
    pub x: Binding,
    /// Gradients by the outputs, planes.
    pub dy: [Binding; 2],
    /// Scratch of [`ConvDown::partial_bytes`] for each replica.
    pub partial: [Binding; 2],
    /// The gradient arena from each weight to its end.
    pub gradient: [Binding; 2],
}

impl ConvDown {
    /// K, H, W of each output.
    #[must_use]
    pub fn output(&self) -> Shape {
        Shape::new(self.out_channels, self.input.height.div_ceil(2), self.input.width.div_ceil(2))
    }

    /// K, C and taps of the weight tensors `[K][C][3][3]` and `[K][C][1][1]`.
    #[must_use]
    pub fn weight_dims(&self) -> [[u32; 3]; 2] {
        [9, 1].map(|taps| [self.out_channels, self.input.channels, taps])
    }

    /// Number of elements of each weight tensor.
    #[must_use]
    pub fn weights(&self) -> [u32; 2] {
        self.weight_dims().map(|dims| dims.iter().product())
    }

    /// Size of each weight gradient's partial sums for one replica, in bytes.
    #[must_use]
    pub fn partial_bytes(&self, samples: u32) -> [u64; 2] {
        let blocks = u64::from(weight_blocks::count(self.output(), samples));
        self.weights().map(|elements| blocks * u64::from(elements) * 4)
    }

    fn work(&self, rec: &Recording) -> Work {
        let samples = u64::from(rec.job.samples);
        let macs = samples * self.output().elements() * u64::from(self.input.channels * 10);
        let weights = u64::from(self.weights().iter().sum::<u32>());
        let values = samples * (self.input.elements() + 2 * self.output().elements()) + weights;
        Work::new(2 * macs, 4 * values)
    }

    fn kernel(&self, shader: Shader, pixels: Shape, more: &[(&'static str, Constant)]) -> Kernel {
        let mut all: Vec<(&str, Constant)> = vec![
            ("C", self.input.channels.into()),
            ("K", self.out_channels.into()),
            ("HEIGHT", pixels.height.into()),
            ("WIDTH", pixels.width.into()),
            ("X_ROW", self.input.row().into()),
            ("X_PLANE", self.input.plane().into()),
            ("Y_ROW", self.output().row().into()),
            ("Y_PLANE", self.output().plane().into()),
        ];
        all.extend_from_slice(more);
        Kernel::new(shader, &all)
    }

    /// Appends `y = conv(x, w)` of both layers; `packed` is from [`super::pack`] (forward).
    pub fn forward(
        &self,
        rec: &mut Recording,
        label: &str,
        tile: Tile,
        x: Binding,
        packed: [Binding; 2],
        y: [Binding; 2],
    ) {
        let out = self.output();
        let rows = tile.rows_of(out);
        let kernel = self.kernel(Shader::ConvDownForward, out, &tile.constants(rows));
        let tiles = u64::from(out.quads() * out.height.div_ceil(rows)) * u64::from(rec.job.samples);
        let workgroups = tile.workgroups(tiles, tile.groups_of(out.channels));
        let work = self.work(rec);
        rec.dispatch(label, kernel, &[x, packed[0], packed[1], y[0], y[1]], workgroups, work);
    }

    /// Appends `dx`, the sum of both gradients by the input; `packed` is from [`super::pack`] (input gradient).
    pub fn dinput(
        &self,
        rec: &mut Recording,
        label: &str,
        tile: Tile,
        dy: [Binding; 2],
        packed: [Binding; 2],
        dx: Binding,
    ) {
        let dy_rows = self.output().height;
        // A row of dy gives two rows of dx.
        let rows = tile.rows_of(self.output());
        let kernel = self.kernel(Shader::ConvDownDinput, self.input, &tile.constants(rows));
        let tiles = u64::from(self.output().quads() * dy_rows.div_ceil(rows)) * u64::from(rec.job.samples);
        let workgroups = tile.workgroups(tiles, tile.groups_of(self.input.channels));
        let work = self.work(rec);
        rec.dispatch(label, kernel, &[dy[0], dy[1], packed[0], packed[1], dx], workgroups, work);
    }

    /// Appends the gradients by the weights.
    pub fn dweight(&self, rec: &mut Recording, label: &str, tile: Tile, tensors: WeightGradient) {
        let WeightGradient { x, dy, partial, gradient } = tensors;
        let out = self.output();
        let [tile_c, tile_k] = tile.channels;
        let images = weight_blocks::images(out);
        let more = [
            ("IMAGES", images.into()),
            ("TILE_C", tile_c.into()),
            ("TILE_K", tile_k.into()),
            ("LANES", tile.lanes.into()),
        ];
        let kernel = self.kernel(Shader::ConvDownDweight, out, &more);
        let blocks = weight_blocks::count(out, rec.job.samples);
        let threads =
            u64::from(self.input.channels.div_ceil(tile_c) * self.out_channels.div_ceil(tile_k)) * u64::from(blocks);
        let work = self.work(rec);
        rec.dispatch(label, kernel, &[x, dy[0], dy[1], partial[0], partial[1]], tile.workgroups(threads, 1), work);
        for (i, elements) in self.weights().into_iter().enumerate() {
            weight_blocks::reduce(rec, label, elements, blocks, partial[i], gradient[i]);
        }
    }
}
