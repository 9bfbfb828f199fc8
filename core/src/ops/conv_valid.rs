//! The one-layer network's convolution: one channel, one large kernel, no padding, shared input. Its input needs no
//! gradient.

use super::{Shape, Tile, weight_blocks, workgroups};
use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// A valid convolution layer.
#[derive(Clone, Copy, Debug)]
pub struct ConvValid {
    /// 1, H, W of the input.
    pub input: Shape,
    /// Edge length of the kernel. An arena pads each row of the kernel to whole vectors of four with zeros, which stay zero.
    pub kernel: u32,
}

impl ConvValid {
    /// Shape of the output: 1 x (H - kernel + 1) x (W - kernel + 1).
    #[must_use]
    pub fn output(&self) -> Shape {
        Shape::new(1, self.input.height - self.kernel + 1, self.input.width - self.kernel + 1)
    }

    /// Elements of the kernel in an arena: the square of the edge if the edge is a multiple of 4.
    #[must_use]
    pub fn weights(&self) -> u32 {
        self.kernel * self.kernel.next_multiple_of(4)
    }

    /// Number of blocks of the weight gradient: one for each row of each sample's output.
    #[must_use]
    pub fn blocks(&self, samples: u32) -> u32 {
        samples * self.output().height
    }

    /// Size of the weight gradient's partial sums for one replica, in bytes.
    #[must_use]
    pub fn partial_bytes(&self, samples: u32) -> u64 {
        u64::from(self.blocks(samples)) * u64::from(self.weights()) * 4
    }

    fn work(&self, rec: &Recording) -> Work {
        let samples = u64::from(rec.job.samples);
        let macs = samples * self.output().elements() * u64::from(self.weights());
        Work::new(2 * macs, 4 * samples * (self.input.elements() + self.output().elements()))
    }

    fn kernel(&self, shader: Shader, tile: Option<Tile>) -> Kernel {
        let mut all = vec![
            ("HEIGHT", self.output().height.into()),
            ("WIDTH", self.output().width.into()),
            ("KERNEL", self.kernel.into()),
            ("X_ROW", self.input.row().into()),
            ("X_PLANE", self.input.plane().into()),
            ("Y_ROW", self.output().row().into()),
            ("Y_PLANE", self.output().plane().into()),
        ];
        if let Some(tile) = tile {
            all.push(("TILE_ROWS", tile.rows.into()));
        }
        Kernel::new(shader, &all)
    }

    /// Appends `y = conv(x, w)`; `weight` is the parameter arena from the kernel to its end.
    pub fn forward(&self, rec: &mut Recording, label: &str, tile: Tile, [x, weight, y]: [Binding; 3]) {
        let kernel = self.kernel(Shader::ConvValidForward, Some(tile));
        let out = self.output();
        let tiles = out.quads().div_ceil(2) * out.height.div_ceil(tile.rows);
        let threads = u64::from(tiles) * u64::from(rec.job.samples);
        rec.dispatch(label, kernel, &[x, weight, y], workgroups(threads), self.work(rec));
    }

    /// Appends the gradient by the kernel, written to the arena at `gradient`.
    pub fn dweight(&self, rec: &mut Recording, label: &str, [x, dy, partial, gradient]: [Binding; 4]) {
        let kernel = self.kernel(Shader::ConvValidDweight, None);
        let blocks = self.blocks(rec.job.samples);
        // Each thread computes up to four vectors of a row of the kernel.
        let quads = self.kernel.div_ceil(4);
        let threads = u64::from(blocks) * u64::from(self.kernel * quads.div_ceil(quads.min(4)));
        rec.dispatch(label, kernel, &[x, dy, partial], workgroups(threads), self.work(rec));
        weight_blocks::reduce(rec, label, self.weights(), blocks, partial, gradient);
    }
}
