//! Which tile each convolution of a network gets.

use serde::{Deserialize, Serialize};

use super::{Conv, ConvDown, Pass, Shape, Tile};

/// A convolution layer by its geometry. Layers of equal geometry share a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConvLayer {
    /// A convolution with stride 1.
    Conv(Conv),
    /// A pair of convolutions with stride 2.
    ConvDown(ConvDown),
}

impl ConvLayer {
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

impl From<Conv> for ConvLayer {
    fn from(conv: Conv) -> Self {
        Self::Conv(conv)
    }
}

impl From<ConvDown> for ConvLayer {
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

impl Tile {
    /// The default tile of a layer, before `tune` measures anything.
    ///
    /// In a larger tile, each load serves more products. On a software adapter a load costs as much as two dozen products, so
    /// large tiles pay even if the accumulators spill to memory. On a GPU spilling costs many times more than it saves, so its
    /// default tiles do not spill registers (counted with AMD's compiler, `core/tests/registers.rs`). On NVIDIA's GPUs
    /// workgroups stage their input: an H200 then needs 0.60 to 0.88 of the time (docs/PERFORMANCE.md). Staging takes
    /// registers, too many for RDNA 3's compiler, so other GPUs stage only where `tune` has measured that it is faster.
    #[must_use]
    pub fn default_for(layer: ConvLayer, pass: Pass, target: TileTarget) -> Self {
        let software = target == TileTarget::Software;
        let (rows, groups, channels) = match (layer, pass, software) {
            (ConvLayer::Conv(_), _, true) => (8, 2, [4, 8]),
            (ConvLayer::Conv(_), _, false) => (4, 1, [1, 8]),
            (ConvLayer::ConvDown(_), Pass::Forward, true) => (8, 2, [4, 8]),
            (ConvLayer::ConvDown(_), Pass::Forward, false) => (1, 2, [2, 2]),
            (ConvLayer::ConvDown(_), _, true) => (8, 1, [4, 8]),
            (ConvLayer::ConvDown(_), _, false) => (1, 1, [2, 2]),
        };
        let written = if pass == Pass::InputGradient { layer.input() } else { layer.output() };
        let groups = groups.min(written.channels.div_ceil(4));
        // A layer of few tiles should fill its workgroups even with a small batch.
        let is_small = layer.output().quads() * layer.output().height.div_ceil(rows) <= 4;
        // With three input channels there is little to share.
        let staging = match (layer, pass) {
            _ if target != TileTarget::NvidiaGpu => None,
            (ConvLayer::Conv(_), Pass::WeightGradient) => Some((64, 2)),
            (ConvLayer::Conv(conv), _) if conv.input.channels > 4 => Some((128, 4)),
            _ => None,
        };
        let lanes = staging.map_or(if is_small && !software { 32 } else { 64 }, |(lanes, _)| lanes);
        Self { rows, groups, channels, lanes, uniform: !software, staging: staging.map(|(_, sharers)| sharers) }
    }
}

/// The tile of each layer in each pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiles {
    default: DefaultTiles,
    chosen: Vec<(ConvLayer, Pass, Tile)>,
}

/// The tiles of layers for which none was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DefaultTiles {
    /// The same tile everywhere.
    All(Tile),
    /// [`Tile::default_for`].
    Of(TileTarget),
}

impl Tiles {
    /// Uses the same tile everywhere.
    #[must_use]
    pub fn all(tile: Tile) -> Self {
        Self { default: DefaultTiles::All(tile), chosen: Vec::new() }
    }

    /// Uses the default tiles of an adapter of this kind.
    #[must_use]
    pub fn default_for(target: TileTarget) -> Self {
        Self { default: DefaultTiles::Of(target), chosen: Vec::new() }
    }

    /// Uses `tile` for the layers of this geometry in this pass.
    pub fn choose(&mut self, layer: ConvLayer, pass: Pass, tile: Tile) {
        self.chosen.retain(|(of, in_pass, _)| (of, in_pass) != (&layer, &pass));
        self.chosen.push((layer, pass, tile));
    }

    /// The tile of a layer in a pass.
    #[must_use]
    pub fn of(&self, layer: impl Into<ConvLayer>, pass: Pass) -> Tile {
        let layer = layer.into();
        let chosen = self.chosen.iter().find(|(of, in_pass, _)| (of, in_pass) == (&layer, &pass));
        match (chosen, self.default) {
            (Some((_, _, tile)), _) => *tile,
            (None, DefaultTiles::All(tile)) => tile,
            (None, DefaultTiles::Of(target)) => Tile::default_for(layer, pass, target),
        }
    }

    /// The tile of a convolution that `tune` does not measure: one without padding, or 1x1 with stride 1.
    #[must_use]
    pub fn of_untuned(&self) -> Tile {
        match self.default {
            DefaultTiles::All(tile) => tile,
            DefaultTiles::Of(_) => Tile::default(),
        }
    }
}
