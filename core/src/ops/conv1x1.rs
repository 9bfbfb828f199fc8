//! 1x1 convolution, stride 1, without bias: the projection shortcut of a residual block that widens without halving.

use super::{Shape, Tile, weight_blocks};
use crate::record::{Binding, Constant, Kernel, Recording, Shader, Work};

/// A convolution layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv1x1 {
    /// C, H, W of the input.
    pub input: Shape,
    /// Output channels.
    pub out_channels: u32,
}

impl Conv1x1 {
    /// K, H, W of the output.
    #[must_use]
    pub fn output(&self) -> Shape {
        Shape { channels: self.out_channels, ..self.input }
    }

    /// K, C and taps of the weight tensor `[K][C][1][1]`.
    #[must_use]
    pub fn weight_dims(&self) -> [u32; 3] {
        [self.out_channels, self.input.channels, 1]
    }

    /// Number of elements of the weight tensor.
    #[must_use]
    pub fn weights(&self) -> u32 {
        self.out_channels * self.input.channels
    }

    /// Size of the weight gradient's partial sums for one replica, in bytes.
    #[must_use]
    pub fn partial_bytes(&self, samples: u32) -> u64 {
        u64::from(weight_blocks::count(self.output(), samples)) * u64::from(self.weights()) * 4
    }

    fn work(&self, rec: &Recording) -> Work {
        let samples = u64::from(rec.job.samples);
        let macs = samples * self.output().elements() * u64::from(self.input.channels);
        let values = samples * (self.input.elements() + self.output().elements()) + u64::from(self.weights());
        Work::new(2 * macs, 4 * values)
    }

    fn constants([from, to]: [Shape; 2]) -> Vec<(&'static str, Constant)> {
        vec![
            ("C", from.channels.into()),
            ("K", to.channels.into()),
            ("HEIGHT", to.height.into()),
            ("WIDTH", to.width.into()),
            ("ROW", to.row().into()),
            ("PLANE", to.plane().into()),
        ]
    }

    /// Appends `y = conv(x, w)` on `[x, packed, y]`; `packed` is from [`super::pack`] (forward).
    pub fn forward(&self, rec: &mut Recording, label: &str, tile: Tile, bindings: [Binding; 3]) {
        self.direct(rec, label, tile, [self.input, self.output()], false, bindings);
    }

    /// Appends `dx = dconv/dx (dy)`, or `dx += ...`, on `[dy, packed, dx]`; `packed` is from [`super::pack`] (input gradient).
    pub fn dinput(&self, rec: &mut Recording, label: &str, tile: Tile, bindings: [Binding; 3], accumulate: bool) {
        self.direct(rec, label, tile, [self.output(), self.input], accumulate, bindings);
    }

    fn direct(
        &self,
        rec: &mut Recording,
        label: &str,
        tile: Tile,
        [from, to]: [Shape; 2],
        accumulate: bool,
        bindings: [Binding; 3],
    ) {
        let rows = tile.rows_of(to);
        let mut constants = Self::constants([from, to]);
        constants.extend([
            ("TILE_ROWS", rows.into()),
            ("ACCUMULATE", accumulate.into()),
            ("LANES", tile.lanes.into()),
            ("UNIFORM", tile.uniform.into()),
        ]);
        let tiles = u64::from(to.quads() * to.height.div_ceil(rows)) * u64::from(rec.job.samples);
        let workgroups = tile.workgroups(tiles, to.channels.div_ceil(4));
        let work = self.work(rec);
        rec.dispatch(label, Kernel::new(Shader::Conv1x1Forward, &constants), &bindings, workgroups, work);
    }

    /// Appends the gradient by the weights: partial sums go to `partial`, and their sum to the arena at `gradient`.
    pub fn dweight(&self, rec: &mut Recording, label: &str, tile: Tile, [x, dy, partial, gradient]: [Binding; 4]) {
        let pixels = self.output();
        let [tile_c, tile_k] = tile.channels;
        let mut constants = Self::constants([self.input, pixels]);
        constants.extend([
            ("IMAGES", weight_blocks::images(pixels).into()),
            ("TILE_C", tile_c.into()),
            ("TILE_K", tile_k.into()),
            ("LANES", tile.lanes.into()),
        ]);
        let blocks = weight_blocks::count(pixels, rec.job.samples);
        let groups = self.input.channels.div_ceil(tile_c) * self.out_channels.div_ceil(tile_k);
        let work = self.work(rec);
        let kernel = Kernel::new(Shader::Conv1x1Dweight, &constants);
        let workgroups = tile.workgroups(u64::from(groups) * u64::from(blocks), 1);
        rec.dispatch(label, kernel, &[x, dy, partial], workgroups, work);
        weight_blocks::reduce(rec, label, self.weights(), blocks, partial, gradient);
    }
}
