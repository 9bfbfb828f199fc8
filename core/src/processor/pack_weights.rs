//! Twin of shaders/pack_weights.wgsl: convolution weights in the order in which the kernels read them, four output
//! channels in a vector, for all layers at once.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::twin::{Launch, Twin};

/// Vectors that one entry of `layer_of_tile` covers.
const TILE: usize = 64;
/// Tiles in a piece.
const TILES: usize = 64;
/// Words in an entry of `layers`.
const LAYER: usize = 8;

/// One dispatch of `pack_weights`: every layer of every replica.
pub struct PackWeights {
    parameters: View<f32>,
    layers: View<u32>,
    layer_of_tile: View<u32>,
    packed: View<f32>,
    parameter_stride: usize,
    packed_stride: usize,
}

impl Twin for PackWeights {
    fn new(launch: &Launch<'_>) -> Self {
        Self {
            parameters: launch.floats(0),
            layers: launch.words(1),
            layer_of_tile: launch.words(2),
            packed: launch.floats(3),
            parameter_stride: launch.job().parameter_stride as usize,
            packed_stride: launch.job().packed_stride as usize,
        }
    }

    fn pieces(&self) -> usize {
        self.tiles().div_ceil(TILES)
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, _scratch: &mut Scratch) {
        for tile in piece * TILES..((piece + 1) * TILES).min(self.tiles()) {
            // SAFETY: the dispatch only reads tables and parameters; tiles write different vectors.
            unsafe { self.pack(replica, tile) };
        }
    }
}

impl PackWeights {
    fn tiles(&self) -> usize {
        self.packed_stride / (TILE * 4)
    }

    #[inline(always)]
    unsafe fn pack(&self, replica: usize, tile: usize) {
        // SAFETY: upheld by the caller.
        let (layer, packed, parameters) = unsafe {
            let layer = self.layer_of_tile.read(tile..tile + 1)[0] as usize;
            let first = replica * self.packed_stride + tile * TILE * 4;
            let parameters = replica * self.parameter_stride;
            (
                self.layers.read(layer * LAYER..(layer + 1) * LAYER),
                self.packed.write(first..first + TILE * 4),
                self.parameters.read(parameters..parameters + self.parameter_stride),
            )
        };
        let [source, first_vector, outers, inners, taps, transposed, vectors, _] =
            std::array::from_fn(|i| layer[i] as usize);
        let first = tile * TILE - first_vector;
        let count = TILE.min(vectors.saturating_sub(first));
        let (mut tap, mut inner, mut outer) = (first % taps, first / taps % inners, first / (taps * inners) * 4);
        for vector in packed.chunks_exact_mut(4).take(count) {
            // `at` is the index of the first outer channel's weight, `next` the distance from an outer channel to the next.
            let (at, next) = match transposed {
                1 => ((inner * outers + outer) * taps + taps - 1 - tap, taps),
                _ => ((outer * inners + inner) * taps + tap, inners * taps),
            };
            for (j, value) in vector.iter_mut().enumerate() {
                *value = if outer + j < outers { parameters[source + at + j * next] } else { 0.0 };
            }
            tap += 1;
            if tap == taps {
                (tap, inner) = (0, inner + 1);
            }
            if inner == inners {
                (inner, outer) = (0, outer + 4);
            }
        }
    }
}
