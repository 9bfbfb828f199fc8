//! Convolution weights in the order in which the kernels read them, four channels in a vector, for all layers at once.

use bytemuck::{Pod, Zeroable};

use super::WORKGROUP;
use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// One layer's entry in the table that the kernel reads: fields of `Layer` in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
struct Layer {
    source: u32,
    first_vector: u32,
    outer: u32,
    inner: u32,
    taps: u32,
    transposed: u32,
    vectors: u32,
    padding: u32,
}

/// Where each layer's packed weights lie, and the tables that say so to the GPU.
#[derive(Clone, Debug, Default)]
pub struct PackTable {
    layers: Vec<Layer>,
    layer_of_tile: Vec<u32>,
}

/// What a layer's packed weights are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Four output channels in a vector.
    Forward,
    /// Four input channels in a vector, taps in reverse: what the forward kernel wants for it.
    InputGradient,
}

impl PackTable {
    /// Adds a layer whose weight of `[K][C][taps]` begins at `source` in the parameter arena. Returns the byte offset of
    /// its packed weights in the arena of one replica, a multiple of 256.
    pub fn add(&mut self, [k, c, taps]: [u32; 3], source: u32, direction: Direction) -> u64 {
        let forward = direction == Direction::Forward;
        let (outer, inner) = if forward { (k, c) } else { (c, k) };
        let vectors = outer.div_ceil(4) * inner * taps;
        let first_vector = self.layer_of_tile.len() as u32 * WORKGROUP;
        self.layers.push(Layer {
            source,
            first_vector,
            outer,
            inner,
            taps,
            transposed: u32::from(!forward),
            vectors,
            padding: 0,
        });
        let tiles = vectors.div_ceil(WORKGROUP) as usize;
        let index = self.layers.len() as u32 - 1;
        self.layer_of_tile.resize(self.layer_of_tile.len() + tiles, index);
        u64::from(first_vector) * 16
    }

    /// Floats of one replica's packed arena.
    #[must_use]
    pub fn stride(&self) -> u32 {
        self.layer_of_tile.len() as u32 * WORKGROUP * 4
    }

    /// Contents of the layer table.
    #[must_use]
    pub fn layer_bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.layers)
    }

    /// Contents of the tile table.
    #[must_use]
    pub fn tile_bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.layer_of_tile)
    }

    /// Appends the launch that packs every layer of every replica.
    pub fn forward(&self, rec: &mut Recording, [parameters, layers, tiles, packed]: [Binding; 4]) {
        if self.layers.is_empty() {
            return;
        }
        let kernel = Kernel::new(Shader::PackWeights, &[]);
        let work = Work::new(0, u64::from(self.stride()) * 8);
        let bindings = [parameters, layers, tiles, packed];
        rec.dispatch("weights", kernel, &bindings, self.layer_of_tile.len() as u32, work);
    }
}
