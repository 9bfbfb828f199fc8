//! How the launches of a convolution are cut into threads and workgroups, and which cut each layer gets. Results do not
//! depend on it (*tile-independent*): a tile changes who computes a sum, never the order of its terms (docs/ORDER.md).

use serde::{Deserialize, Serialize};

use super::{Conv, ConvDown, Shape};

/// How much a thread of a convolution computes, and how many threads make a workgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tile {
    /// Output rows of a thread in the forward pass and the gradient by the input; 1, 2, 4 or 8.
    pub rows: u32,
    /// Input and output channels of a thread in the gradient by the weights; by default what suits the kind of layer.
    pub channels: Option<[u32; 2]>,
    /// Threads of a workgroup.
    pub lanes: u32,
    /// Staging: the threads of a workgroup bring what they read into its memory together, and so many groups of output channels
    /// share it (of 4 in the forward pass and the gradient by the input, of the tile's in that by the weights). Otherwise
    /// each thread reads for itself, and so it does where a layer does not fit, and in the pairs with stride 2.
    pub staging: Option<u32>,
}

/// Tall: what a thread loads is used for more products. 64 accumulators stay in the registers of a GPU, and on a software
/// adapter, where a load costs as much as two dozen products, it is half as fast again as two rows.
impl Default for Tile {
    fn default() -> Self {
        Self { rows: 4, channels: None, lanes: 64, staging: None }
    }
}

impl std::fmt::Display for Tile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rows", self.rows)?;
        if let Some([c, k]) = self.channels {
            write!(f, ", {c} x {k} channels")?;
        }
        write!(f, ", {} lanes", self.lanes)?;
        if let Some(groups) = self.staging {
            write!(f, ", staged for {groups} groups")?;
        }
        Ok(())
    }
}

impl Tile {
    /// A tile of so many rows.
    #[must_use]
    pub fn of_rows(rows: u32) -> Self {
        Self { rows, ..Self::default() }
    }

    /// Rows of a thread in planes of this shape: never more than there are.
    pub(super) fn rows_of(self, shape: Shape) -> u32 {
        self.rows.clamp(1, shape.height)
    }

    /// Workgroups for `threads` threads.
    pub(super) fn workgroups(self, threads: u64) -> u32 {
        counted(threads.div_ceil(u64::from(self.lanes)))
    }
}

/// A number of workgroups as a launch takes it.
///
/// # Panics
/// If they are more than a u32 counts: such a tensor is over every adapter's limit long before.
pub(super) fn counted(workgroups: u64) -> u32 {
    u32::try_from(workgroups).expect("tensor sizes are checked against the adapter's limits")
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

/// Which tile each layer uses in each pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tiles {
    usual: Tile,
    chosen: Vec<(Layer, Pass, Tile)>,
}

impl Tiles {
    /// The same one everywhere.
    #[must_use]
    pub fn all(usual: Tile) -> Self {
        Self { usual, chosen: Vec::new() }
    }

    /// That of layers for which none was chosen.
    #[must_use]
    pub fn usual(&self) -> Tile {
        self.usual
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
        chosen.map_or(self.usual, |(_, _, tile)| *tile)
    }
}
