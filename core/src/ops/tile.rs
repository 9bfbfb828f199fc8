//! Tiles: how the launches of a convolution are divided into threads and workgroups, and which tile each layer gets. Results do
//! not depend on it (*tile-independent*): a tile changes which thread computes a sum, never the order of its terms
//! (docs/ORDER.md).

use serde::{Deserialize, Serialize};

use super::{Conv, ConvDown, Shape};
use crate::record::Constant;

/// How much a thread of a convolution computes, and how many threads make a workgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tile {
    /// Rows per thread that the forward pass and the gradient by the input write: 1, 2, 4 or 8.
    pub rows: u32,
    /// Groups of four channels per thread that the same passes write: 1, 2 or 4. These are output channels in the forward
    /// pass and input channels in the gradient by the input.
    pub groups: u32,
    /// Input and output channels per thread in the gradient by the weights: powers of two from 1 to 8 and from 1 to 16.
    pub channels: [u32; 2],
    /// Threads per workgroup.
    pub lanes: u32,
    /// If true, all threads of a workgroup compute the same output channels, so that a GPU loads their weights once. Threads
    /// idle if the batch has fewer tiles than threads.
    pub uniform: bool,
    /// Staging: the threads of a workgroup load their input into workgroup memory together, and this many threads with
    /// different output channels share it. With `None`, each thread reads from global memory; so it does if a layer does not
    /// fit, and in the pairs with stride 2.
    pub staging: Option<u32>,
}

impl Default for Tile {
    fn default() -> Self {
        Self { rows: 4, groups: 1, channels: [4, 4], lanes: 64, uniform: false, staging: None }
    }
}

impl std::fmt::Display for Tile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rows, groups, channels: [c, k], lanes, uniform, staging } = self;
        write!(f, "{rows} rows of {} channels, {c} x {k} channels, {lanes} lanes", 4 * groups)?;
        if *uniform {
            write!(f, ", uniform")?;
        }
        staging.map_or(Ok(()), |sharers| write!(f, ", staged for {sharers}"))
    }
}

impl Tile {
    /// The default tile of a layer, before `tune` measures anything.
    ///
    /// In a larger tile, each load serves more products. On a software adapter a load costs as much as two dozen products, so
    /// large tiles pay even if the accumulators spill to memory. On a GPU spilling costs many times more than it saves, so its
    /// default tiles do not spill registers (counted with AMD's compiler, `core/tests/registers.rs`). On NVIDIA's GPUs
    /// workgroups stage their input: an H200 then needs 0.60 to 0.88 of the time (docs/PERFORMANCE.md). Staging takes
    /// registers, too many for RDNA 3's compiler, so other GPUs stage only where `tune` has measured that it is faster.
    #[must_use]
    pub fn usual(layer: Layer, pass: Pass, target: TileTarget) -> Self {
        let software = target == TileTarget::Software;
        let (rows, groups, channels) = match (layer, pass, software) {
            (Layer::Conv(_), _, true) => (8, 2, [4, 8]),
            (Layer::Conv(_), _, false) => (4, 1, [1, 8]),
            (Layer::ConvDown(_), Pass::Forward, true) => (8, 2, [4, 8]),
            (Layer::ConvDown(_), Pass::Forward, false) => (1, 2, [2, 2]),
            (Layer::ConvDown(_), _, true) => (8, 1, [4, 8]),
            (Layer::ConvDown(_), _, false) => (1, 1, [2, 2]),
        };
        let written = if pass == Pass::InputGradient { layer.input() } else { layer.output() };
        let groups = groups.min(written.channels.div_ceil(4));
        // A layer of few tiles should fill its workgroups even with a small batch.
        let is_small = layer.output().quads() * layer.output().height.div_ceil(rows) <= 4;
        // With three input channels there is little to share.
        let staging = match (layer, pass) {
            _ if target != TileTarget::NvidiaGpu => None,
            (Layer::Conv(_), Pass::WeightGradient) => Some((64, 2)),
            (Layer::Conv(conv), _) if conv.input.channels > 4 => Some((128, 4)),
            _ => None,
        };
        let lanes = staging.map_or(if is_small && !software { 32 } else { 64 }, |(lanes, _)| lanes);
        Self { rows, groups, channels, lanes, uniform: !software, staging: staging.map(|(_, sharers)| sharers) }
    }

    /// The default tile with `rows` rows.
    #[must_use]
    pub fn of_rows(rows: u32) -> Self {
        Self { rows, ..Self::default() }
    }

    /// Number of threads that share the output channels of a tile of pixels.
    pub(super) fn groups_of(self, channels: u32) -> u32 {
        channels.div_ceil(4 * self.groups)
    }

    /// Rows per thread in planes of this shape, at most its height.
    pub(super) fn rows_of(self, shape: Shape) -> u32 {
        self.rows.clamp(1, shape.height)
    }

    /// Constants of the kernels of stride 2, with `rows` rows.
    pub(super) fn constants(self, rows: u32) -> [(&'static str, Constant); 4] {
        [
            ("TILE_ROWS", rows.into()),
            ("GROUPS", self.groups.into()),
            ("LANES", self.lanes.into()),
            ("UNIFORM", self.uniform.into()),
        ]
    }

    /// Number of workgroups for `threads` threads in each of `groups` groups.
    ///
    /// # Panics
    /// If the number exceeds u32. Such a tensor is far above the limits of every adapter.
    pub(super) fn workgroups(self, threads: u64, groups: u32) -> u32 {
        let (lanes, groups) = (u64::from(self.lanes), u64::from(groups));
        let workgroups =
            if self.uniform { threads.div_ceil(lanes) * groups } else { (threads * groups).div_ceil(lanes) };
        u32::try_from(workgroups).expect("tensor sizes are checked against the adapter's limits")
    }
}

/// A pass of training through a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pass {
    /// `y` from `x` and `w`.
    Forward,
    /// `dx` from `dy` and `w`.
    InputGradient,
    /// `dw` from `x` and `dy`.
    WeightGradient,
}

/// A convolution layer by its geometry. Layers of equal geometry share a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// A convolution with stride 1.
    Conv(Conv),
    /// A pair of convolutions with stride 2.
    ConvDown(ConvDown),
}

impl Layer {
    /// C, H, W of the input.
    #[must_use]
    pub fn input(&self) -> Shape {
        match self {
            Self::Conv(conv) => conv.input,
            Self::ConvDown(conv) => conv.input,
        }
    }

    /// K, H, W of the output.
    #[must_use]
    pub fn output(&self) -> Shape {
        match self {
            Self::Conv(conv) => conv.output(),
            Self::ConvDown(conv) => conv.output(),
        }
    }
}

impl From<Conv> for Layer {
    fn from(conv: Conv) -> Self {
        Self::Conv(conv)
    }
}

impl From<ConvDown> for Layer {
    fn from(conv: ConvDown) -> Self {
        Self::ConvDown(conv)
    }
}

/// Kinds of adapters with different default tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TileTarget {
    /// A driver that computes on the processor.
    Software,
    /// A GPU from NVIDIA.
    NvidiaGpu,
    /// Another GPU.
    OtherGpu,
}

impl TileTarget {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Software, Self::NvidiaGpu, Self::OtherGpu];
}

/// The tile of each layer in each pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiles {
    usual: Usual,
    chosen: Vec<(Layer, Pass, Tile)>,
}

/// The tiles of layers for which none was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Usual {
    /// The same tile everywhere.
    All(Tile),
    /// [`Tile::usual`].
    Of(TileTarget),
}

impl Tiles {
    /// Uses the same tile everywhere.
    #[must_use]
    pub fn all(tile: Tile) -> Self {
        Self { usual: Usual::All(tile), chosen: Vec::new() }
    }

    /// Uses the default tiles of an adapter of this kind.
    #[must_use]
    pub fn usual(target: TileTarget) -> Self {
        Self { usual: Usual::Of(target), chosen: Vec::new() }
    }

    /// Uses `tile` for the layers of this geometry in this pass.
    pub fn choose(&mut self, layer: Layer, pass: Pass, tile: Tile) {
        self.chosen.retain(|(of, in_pass, _)| (of, in_pass) != (&layer, &pass));
        self.chosen.push((layer, pass, tile));
    }

    /// The tile of a layer in a pass.
    #[must_use]
    pub fn of(&self, layer: impl Into<Layer>, pass: Pass) -> Tile {
        let layer = layer.into();
        let chosen = self.chosen.iter().find(|(of, in_pass, _)| (of, in_pass) == (&layer, &pass));
        match (chosen, self.usual) {
            (Some((_, _, tile)), _) => *tile,
            (None, Usual::All(tile)) => tile,
            (None, Usual::Of(target)) => Tile::usual(layer, pass, target),
        }
    }

    /// The tile of the convolution without padding, which `tune` does not measure.
    #[must_use]
    pub fn of_valid(&self) -> Tile {
        match self.usual {
            Usual::All(tile) => tile,
            Usual::Of(_) => Tile::default(),
        }
    }
}
