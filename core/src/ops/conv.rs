//! 3x3 (padding 1) and 1x1 convolution, stride 1 or 2, without bias: direct, tiled in registers, on zero-bordered planes.

use super::{Shape, workgroups};
use crate::gpu::{Binding, Constant, Job, Kernel, Recording, Shader, Work, shader};

/// How much a thread of a convolution computes. Results do not depend on it (*tile-independent*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Output rows; 1, 2 or 4.
    pub rows: u32,
}

/// Tall: what a thread loads is used for more products. 64 accumulators stay in the registers of a GPU, and on a software
/// adapter, where a load costs as much as two dozen products, it is half as fast again as two rows.
impl Default for Tile {
    fn default() -> Self {
        Self { rows: 4 }
    }
}

/// Groups of four channels that a thread of a 1x1 kernel computes: a kernel with one tap uses a pixel only once for each.
const GROUPS_1X1: u32 = 4;
/// Output channels that a thread of a weight gradient computes: 3x3 with stride 1 (where fewer loads serve a row of x),
/// and the others.
const DWEIGHT_K: [u32; 2] = [8, 16];
/// Input channels that a thread of the 1x1 weight gradient computes; one of the 3x3 kernel computes one.
const DWEIGHT_1X1_C: u32 = 8;

/// A convolution layer.
#[derive(Clone, Copy, Debug)]
pub struct Conv {
    /// C, H, W of the input.
    pub input: Shape,
    /// Output channels.
    pub out_channels: u32,
    /// 1 or 3.
    pub kernel: u32,
    /// 1 or 2.
    pub stride: u32,
    /// True when the input is the batch, which all replicas share.
    pub shared_input: bool,
}

impl Conv {
    /// K, H, W of the output.
    #[must_use]
    pub fn output(&self) -> Shape {
        Shape::new(self.out_channels, self.input.height.div_ceil(self.stride), self.input.width.div_ceil(self.stride))
    }

    /// Kernel taps: 1 or 9.
    #[must_use]
    pub fn taps(&self) -> u32 {
        self.kernel * self.kernel
    }

    /// Elements of the weight tensor `[K][C][kh][kw]`.
    #[must_use]
    pub fn weights(&self) -> u32 {
        self.out_channels * self.input.channels * self.taps()
    }

    /// Images in a block of the weight gradient: about 256 pixels in a strip of four columns (docs/ORDER.md).
    fn block_images(&self) -> u32 {
        (64 / self.output().height).max(1)
    }

    /// Blocks of the weight gradient.
    #[must_use]
    pub fn blocks(&self, samples: u32) -> u32 {
        self.output().quads() * samples.div_ceil(self.block_images())
    }

    /// Bytes of the weight gradient's partial sums, for one replica.
    #[must_use]
    pub fn partial_bytes(&self, samples: u32) -> u64 {
        u64::from(self.blocks(samples)) * u64::from(self.weights()) * 4
    }

    fn work(&self, rec: &Recording) -> Work {
        let samples = u64::from(rec.job.samples);
        let macs = samples * self.output().elements() * u64::from(self.input.channels * self.taps());
        let values = samples * (self.input.elements() + self.output().elements()) + u64::from(self.weights());
        Work::new(2 * macs, 4 * values)
    }

    /// `y = conv(x, w)`, `packed` from [`super::pack`] (forward).
    pub fn forward(&self, rec: &mut Recording, label: &str, tile: Tile, x: Binding, packed: Binding, y: Binding) {
        let pass = Pass { from: self.input, to: self.output(), shared: self.shared_input, accumulate: false };
        self.direct(rec, label, tile, pass, [x, packed, y]);
    }

    /// `dx = dconv/dx (dy)`, or `dx += ...`; `packed` from [`super::pack`] (input gradient).
    pub fn dinput(
        &self,
        rec: &mut Recording,
        label: &str,
        tile: Tile,
        [dy, packed, dx]: [Binding; 3],
        accumulate: bool,
    ) {
        if self.stride == 1 {
            let pass = Pass { from: self.output(), to: self.input, shared: false, accumulate };
            return self.direct(rec, label, tile, pass, [dy, packed, dx]);
        }
        let dy_rows = self.input.height.div_ceil(2);
        let rows = (tile.rows / 2).clamp(1, dy_rows);
        let groups = if self.kernel == 1 { GROUPS_1X1 } else { 1 };
        let kernel = self.kernel_of(
            shader!("conv_dinput_stride2"),
            self.input,
            &[
                ("KERNEL", self.kernel.into()),
                ("TILE_ROWS", rows.into()),
                ("TILE_GROUPS", groups.into()),
                ("ACCUMULATE", accumulate.into()),
            ],
        );
        let tiles = self.input.width.div_ceil(8) * dy_rows.div_ceil(rows);
        let sets = self.input.channels.div_ceil(4 * groups);
        let threads = u64::from(tiles * sets) * u64::from(rec.job.samples);
        let work = self.work(rec);
        rec.dispatch(label, kernel, &[dy, packed, dx], workgroups(threads), work);
    }

    /// Gradient by the weights: partial sums into `partial`, their sum into the arena from `gradient` on.
    pub fn dweight(&self, rec: &mut Recording, label: &str, [x, dy, partial, gradient]: [Binding; 4]) {
        let (c, k) = (self.input.channels, self.out_channels);
        let is_pointwise = self.kernel == 1;
        let tile_c = if is_pointwise { DWEIGHT_1X1_C } else { 1 };
        let tile_k = DWEIGHT_K[usize::from(is_pointwise || self.stride == 2)];
        let shader = if is_pointwise { shader!("conv1x1_dweight") } else { shader!("conv3x3_dweight") };
        let kernel = self.kernel_of(
            shader,
            self.output(),
            &[
                ("STRIDE", self.stride.into()),
                ("IMAGES", self.block_images().into()),
                ("TILE_C", tile_c.into()),
                ("TILE_K", tile_k.into()),
                ("SHARED_INPUT", self.shared_input.into()),
            ],
        );
        let blocks = self.blocks(rec.job.samples);
        let threads = u64::from(c.div_ceil(tile_c) * k.div_ceil(tile_k)) * u64::from(blocks);
        let work = self.work(rec);
        rec.dispatch(label, kernel, &[x, dy, partial], workgroups(threads), work);
        reduce_blocks(rec, label, self.weights(), blocks, partial, gradient);
    }

    fn direct(&self, rec: &mut Recording, label: &str, tile: Tile, pass: Pass, bindings: [Binding; 3]) {
        let Pass { from, to, shared, accumulate } = pass;
        // A tile never spans more rows than there are.
        let rows = if self.kernel == 1 { tile.rows / 2 } else { tile.rows }.clamp(1, to.height);
        let groups = if self.kernel == 1 { GROUPS_1X1 } else { 1 };
        let common: [(&str, Constant); 6] = [
            ("C", from.channels.into()),
            ("K", to.channels.into()),
            ("HEIGHT", to.height.into()),
            ("WIDTH", to.width.into()),
            ("TILE_ROWS", rows.into()),
            ("SHARED_INPUT", shared.into()),
        ];
        let strides: [(&str, Constant); 4] = [
            ("X_ROW", from.row().into()),
            ("X_PLANE", from.plane().into()),
            ("Y_ROW", to.row().into()),
            ("Y_PLANE", to.plane().into()),
        ];
        let one_stride: [(&str, Constant); 3] =
            [("ROW", to.row().into()), ("PLANE", to.plane().into()), ("ACCUMULATE", accumulate.into())];
        let mut all = common.to_vec();
        let shader = match (self.kernel, self.stride) {
            (3, 1) => {
                all.extend(one_stride);
                shader!("conv3x3_forward")
            }
            (3, _) => {
                all.extend(strides);
                shader!("conv3x3_forward_stride2")
            }
            _ => {
                all.extend(strides);
                let more: [(&str, Constant); 3] =
                    [("STRIDE", self.stride.into()), ("TILE_GROUPS", groups.into()), ("ACCUMULATE", accumulate.into())];
                all.extend(more);
                shader!("conv1x1_forward")
            }
        };
        let tiles = u64::from(to.quads() * to.height.div_ceil(rows)) * u64::from(rec.job.samples);
        let threads = tiles * u64::from(to.channels.div_ceil(4 * groups));
        let work = self.work(rec);
        rec.dispatch(label, Kernel::new(shader, &all), &bindings, workgroups(threads), work);
    }

    fn kernel_of(&self, shader: Shader, pixels: Shape, more: &[(&'static str, Constant)]) -> Kernel {
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
}

/// One direct pass: where from, where to.
struct Pass {
    from: Shape,
    to: Shape,
    shared: bool,
    accumulate: bool,
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
