//! How the launches of a convolution are cut into threads and workgroups, and which cut each layer gets. Results do not
//! depend on it (*tile-independent*): a tile changes who computes a sum, never the order of its terms (docs/ORDER.md).

use serde::{Deserialize, Serialize};

use super::{Conv, ConvDown, Shape};
use crate::record::Constant;

/// How much a thread of a convolution computes, and how many threads make a workgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tile {
    /// Output rows of a thread in the forward pass and the gradient by the input; 1, 2, 4 or 8.
    pub rows: u32,
    /// Groups of four output channels of a thread in the same passes; 1, 2 or 4. (In the gradient by the input: of its channels.)
    pub groups: u32,
    /// Input and output channels of a thread in the gradient by the weights: 1 to 8 and 1 to 16, powers of two.
    pub channels: [u32; 2],
    /// Threads of a workgroup.
    pub lanes: u32,
    /// A workgroup computes one thread's groups of output channels, whose weights a GPU loads once for all of its threads; of these some
    /// are left over where a batch has fewer tiles.
    pub uniform: bool,
    /// Staging: the threads of a workgroup bring what they read into its memory together, and so many with different output
    /// channels share it. Otherwise each thread reads for itself, and so it does where a layer does not fit, and in the pairs
    /// with stride 2.
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
    /// What suits a layer before anything is measured.
    ///
    /// What a thread loads is used for more products in a large tile. A software adapter, where a load costs as much as two
    /// dozen products, gains by it even when the accumulators overflow into memory. A GPU loses many times over then: its tiles
    /// spill no register (counted with AMD's compiler, `core/tests/registers.rs`). Workgroups of NVIDIA's GPUs stage what they
    /// read: an H200 then needs 0.60 to 0.88 of the time (docs/PERFORMANCE.md). That takes registers, too many for RDNA 3's
    /// compiler, so other GPUs stage only where `tune` has measured that it is faster.
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
        // A layer of few tiles shall fill a workgroup with a small batch, too.
        let is_small = layer.output().quads() * layer.output().height.div_ceil(rows) <= 4;
        // Of three input channels there is little to share.
        let staging = match (layer, pass) {
            _ if target != TileTarget::NvidiaGpu => None,
            (Layer::Conv(_), Pass::WeightGradient) => Some((64, 2)),
            (Layer::Conv(conv), _) if conv.input.channels > 4 => Some((128, 4)),
            _ => None,
        };
        let lanes = staging.map_or(if is_small && !software { 32 } else { 64 }, |(lanes, _)| lanes);
        Self { rows, groups, channels, lanes, uniform: !software, staging: staging.map(|(_, sharers)| sharers) }
    }

    /// A tile of so many rows.
    #[must_use]
    pub fn of_rows(rows: u32) -> Self {
        Self { rows, ..Self::default() }
    }

    /// Threads that share the output channels of a tile of pixels.
    pub(super) fn groups_of(self, channels: u32) -> u32 {
        channels.div_ceil(4 * self.groups)
    }

    /// Rows of a thread in planes of this shape: never more than there are.
    pub(super) fn rows_of(self, shape: Shape) -> u32 {
        self.rows.clamp(1, shape.height)
    }

    /// What the kernels of the pairs have to know of it, with `rows` rows.
    pub(super) fn constants(self, rows: u32) -> [(&'static str, Constant); 4] {
        [
            ("TILE_ROWS", rows.into()),
            ("GROUPS", self.groups.into()),
            ("LANES", self.lanes.into()),
            ("UNIFORM", self.uniform.into()),
        ]
    }

    /// Workgroups for `threads` threads in each of `groups` groups.
    ///
    /// # Panics
    /// If they are more than a u32 counts: such a tensor is over every adapter's limit long before.
    pub(super) fn workgroups(self, threads: u64, groups: u32) -> u32 {
        let (lanes, groups) = (u64::from(self.lanes), u64::from(groups));
        let workgroups =
            if self.uniform { threads.div_ceil(lanes) * groups } else { (threads * groups).div_ceil(lanes) };
        u32::try_from(workgroups).expect("tensor sizes are checked against the adapter's limits")
    }
}

/// A pass that training takes through a convolution.
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

/// What a tile is chosen for: layers of one geometry share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Stride 1.
    Conv(Conv),
    /// A pair with stride 2.
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

/// Adapters whose usual tiles differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TileTarget {
    /// A driver that computes on the processor.
    Software,
    /// A GPU of NVIDIA.
    NvidiaGpu,
    /// Another GPU.
    OtherGpu,
}

impl TileTarget {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Software, Self::NvidiaGpu, Self::OtherGpu];
}

/// Which tile each layer uses in each pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiles {
    usual: Usual,
    chosen: Vec<(Layer, Pass, Tile)>,
}

/// Tiles of the layers for which none was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Usual {
    /// The same one everywhere.
    All(Tile),
    /// [`Tile::usual`].
    Of(TileTarget),
}

impl Tiles {
    /// The same one everywhere.
    #[must_use]
    pub fn all(tile: Tile) -> Self {
        Self { usual: Usual::All(tile), chosen: Vec::new() }
    }

    /// The default ones of such an adapter.
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

    /// The tile of the convolution without padding, which is not measured.
    #[must_use]
    pub fn of_valid(&self) -> Tile {
        match self.usual {
            Usual::All(tile) => tile,
            Usual::Of(_) => Tile::default(),
        }
    }
}
