//! 3x3 convolution, stride 1, padding 1, without bias: direct, tiled in registers, on zero-bordered planes.

use serde::{Deserialize, Serialize};

use super::staging::Staging;
use super::{Pass, Shape, Tile, weight_blocks};
use crate::record::{Binding, Constant, Kernel, Recording, Shader, Work};

/// A convolution layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conv {
    /// C, H, W of the input.
    pub input: Shape,
    /// Output channels.
    pub out_channels: u32,
    /// True if the input is the batch, which all replicas share.
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

    /// Number of elements of the weight tensor.
    #[must_use]
    pub fn weights(&self) -> u32 {
        self.weight_dims().iter().product()
    }

    /// Size of the weight gradient's partial sums for one replica, in bytes.
    #[must_use]
    pub fn partial_bytes(&self, samples: u32) -> u64 {
        u64::from(weight_blocks::count(self.output(), samples)) * u64::from(self.weights()) * 4
    }

    fn work(&self, rec: &Recording) -> Work {
        let samples = u64::from(rec.job.samples);
        let macs = samples * self.output().elements() * u64::from(self.input.channels * 9);
        let values = samples * (self.input.elements() + self.output().elements()) + u64::from(self.weights());
        Work::new(2 * macs, 4 * values)
    }

    /// Appends `y = conv(x, w)` on `[x, packed, y]`; `packed` is from [`super::pack`] (forward).
    pub fn forward(&self, rec: &mut Recording, label: &str, tile: Tile, bindings: [Binding; 3]) {
        let pass = Direct { from: self.input, to: self.output(), shared: self.shared_input, accumulate: false };
        self.direct(rec, label, tile, pass, bindings);
    }

    /// Appends `dx = dconv/dx (dy)`, or `dx += ...`, on `[dy, packed, dx]`; `packed` is from [`super::pack`] (input gradient).
    pub fn dinput(&self, rec: &mut Recording, label: &str, tile: Tile, bindings: [Binding; 3], accumulate: bool) {
        let pass = Direct { from: self.output(), to: self.input, shared: false, accumulate };
        self.direct(rec, label, tile, pass, bindings);
    }

    /// How a workgroup stages its input, if `tile` asks for it and the layer fits.
    pub(super) fn staging(&self, pass: Pass, tile: Tile, samples: u32) -> Option<Staging> {
        let (input, output) = (self.input, self.output());
        match pass {
            Pass::Forward => Staging::direct(tile, input, output, samples),
            Pass::InputGradient => Staging::direct(tile, output, input, samples),
            Pass::WeightGradient => Staging::weight_gradient(tile, input, output, samples),
        }
    }

    /// Whether the pass with `tile` runs the staged kernel.
    #[must_use]
    pub fn is_staged(&self, pass: Pass, tile: Tile, samples: u32) -> bool {
        self.staging(pass, tile, samples).is_some()
    }

    fn direct(&self, rec: &mut Recording, label: &str, tile: Tile, pass: Direct, bindings: [Binding; 3]) {
        let Direct { from, to, shared, accumulate } = pass;
        let rows = tile.rows_of(to);
        let mut constants: Vec<(&str, Constant)> = vec![
            ("C", from.channels.into()),
            ("K", to.channels.into()),
            ("HEIGHT", to.height.into()),
            ("WIDTH", to.width.into()),
            ("ROW", to.row().into()),
            ("PLANE", to.plane().into()),
            ("TILE_ROWS", rows.into()),
            ("GROUPS", tile.groups.into()),
            ("SHARED_INPUT", shared.into()),
            ("ACCUMULATE", accumulate.into()),
        ];
        let samples = rec.job.samples;
        let work = self.work(rec);
        let (shader, lanes, workgroups) = match Staging::direct(tile, from, to, samples) {
            Some(staging) => {
                constants.extend(staging.constants);
                (Shader::Conv3x3ForwardStaged, staging.lanes, staging.workgroups)
            }
            None => {
                let tiles = u64::from(to.quads() * to.height.div_ceil(rows)) * u64::from(samples);
                constants.push(("UNIFORM", tile.uniform.into()));
                (Shader::Conv3x3Forward, tile.lanes, tile.workgroups(tiles, tile.groups_of(to.channels)))
            }
        };
        constants.push(("LANES", lanes.into()));
        rec.dispatch(label, Kernel::new(shader, &constants), &bindings, workgroups, work);
    }

    /// Appends the gradient by the weights: partial sums go to `partial`, and their sum to the arena at `gradient`.
    pub fn dweight(&self, rec: &mut Recording, label: &str, tile: Tile, [x, dy, partial, gradient]: [Binding; 4]) {
        let (c, k, pixels) = (self.input.channels, self.out_channels, self.output());
        let [tile_c, tile_k] = tile.channels;
        let mut constants: Vec<(&str, Constant)> = vec![
            ("C", c.into()),
            ("K", k.into()),
            ("HEIGHT", pixels.height.into()),
            ("WIDTH", pixels.width.into()),
            ("ROW", pixels.row().into()),
            ("PLANE", pixels.plane().into()),
            ("IMAGES", weight_blocks::images(pixels).into()),
            ("TILE_C", tile_c.into()),
            ("TILE_K", tile_k.into()),
            ("SHARED_INPUT", self.shared_input.into()),
        ];
        let samples = rec.job.samples;
        let blocks = weight_blocks::count(pixels, samples);
        let work = self.work(rec);
        let (shader, lanes, workgroups) = match Staging::weight_gradient(tile, self.input, pixels, samples) {
            Some(staging) => {
                constants.extend(staging.constants);
                (Shader::Conv3x3DweightStaged, staging.lanes, staging.workgroups)
            }
            None => {
                let threads = u64::from(c.div_ceil(tile_c) * k.div_ceil(tile_k)) * u64::from(blocks);
                (Shader::Conv3x3Dweight, tile.lanes, tile.workgroups(threads, 1))
            }
        };
        constants.push(("LANES", lanes.into()));
        rec.dispatch(label, Kernel::new(shader, &constants), &[x, dy, partial], workgroups, work);
        weight_blocks::reduce(rec, label, self.weights(), blocks, partial, gradient);
    }
}

/// Shapes and options of a forward pass or input gradient, which are the same kernel.
struct Direct {
    from: Shape,
    to: Shape,
    shared: bool,
    accumulate: bool,
}
