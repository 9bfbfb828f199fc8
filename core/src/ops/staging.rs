//! Staging: the threads of a convolution's workgroup load their input into workgroup memory together and share it.

use super::{Shape, Tile, weight_blocks};
use crate::record::Constant;

/// Vectors of four floats that fit into workgroup memory on every adapter: WebGPU's 16 KiB.
const VECTORS: u32 = (16 << 10) / 16;
/// Maximum number of input channels that a workgroup loads at a time. More channels save barriers, but take registers during
/// the load.
const CHUNK: u32 = 8;

/// Parameters of a staged launch.
pub(super) struct Staging {
    /// Threads per workgroup.
    pub lanes: u32,
    /// Number of workgroups.
    pub workgroups: u32,
    /// Constants that only the staged kernel has.
    pub constants: Vec<(&'static str, Constant)>,
}

impl Staging {
    /// Staging of the forward kernel from planes of shape `from` to planes of shape `to`, for `samples` samples; `None` if the
    /// tile does not ask for it or the layer does not fit.
    pub fn direct(tile: Tile, from: Shape, to: Shape, samples: u32) -> Option<Self> {
        let sharers = tile.staging?;
        let groups = sharers * tile.groups;
        let (rows, pixels) = (tile.rows_of(to), tile.lanes / sharers);
        let (tiles_x, tiles_y) = (to.quads(), to.height.div_ceil(rows));
        // A workgroup covers whole images, or whole rows of tiles of one image.
        let bands = tiles_y.min(pixels / tiles_x);
        let images = pixels.checked_div(tiles_x * bands)?;
        let span = (bands * rows + 2) * to.row() + 1;
        let fits =
            |chunk: &u32| from.channels.is_multiple_of(*chunk) && 2 * chunk * (images * span + groups * 9) <= VECTORS;
        let chunk = (1..=CHUNK).rev().find(fits)?;
        let blocks = tiles_y.div_ceil(bands) * samples.div_ceil(images);
        Some(Self {
            lanes: pixels * sharers,
            workgroups: blocks * to.channels.div_ceil(4 * groups),
            constants: vec![
                ("PIXELS", pixels.into()),
                ("SHARERS", sharers.into()),
                ("BANDS", bands.into()),
                ("IMAGES", images.into()),
                ("CHUNK", chunk.into()),
            ],
        })
    }

    /// Staging of the gradient by the weights; `None` under the same conditions.
    pub fn weight_gradient(tile: Tile, input: Shape, output: Shape, samples: u32) -> Option<Self> {
        let sharers = tile.staging?;
        let [tile_c, tile_k] = tile.channels;
        let strips = output.quads();
        let groups_c = (tile.lanes / (strips * sharers)).min(input.channels.div_ceil(tile_c));
        let row = groups_c * tile_c * input.row() + 1 + sharers * tile_k * strips;
        if groups_c == 0 || 2 * row > VECTORS {
            return None;
        }
        let workgroups = input.channels.div_ceil(tile_c * groups_c) * output.channels.div_ceil(tile_k * sharers);
        Some(Self {
            lanes: strips * groups_c * sharers,
            workgroups: workgroups * samples.div_ceil(weight_blocks::images(output)),
            constants: vec![("GROUPS_C", groups_c.into()), ("SHARERS", sharers.into())],
        })
    }
}
