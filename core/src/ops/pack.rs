//! Packs convolution weights into the order in which kernels read them, four channels to a vector, for all layers at once.

use bytemuck::{Pod, Zeroable};

use super::WORKGROUP;
use crate::record::{Binding, Kernel, Recording, Shader, Work};

/// Table entry of one layer. It matches `Layer` in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
struct PackEntry {
    source: u32,
    first_vector: u32,
    outer: u32,
    inner: u32,
    taps: u32,
    transposed: u32,
    vectors: u32,
    padding: u32,
}

/// The position of each layer's packed weights, and the tables with them that the kernel reads.
#[derive(Clone, Debug, Default)]
pub struct PackTable {
    layers: Vec<PackEntry>,
    layer_of_tile: Vec<u32>,
}

/// The pass that reads a layer's packed weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The forward pass: four output channels to a vector.
    Forward,
    /// The gradient by the input: four input channels to a vector and taps in reverse order, so that the forward kernel
    /// computes it.
    InputGradient,
}

impl PackTable {
    /// Adds a layer whose weight `[K][C][taps]` begins at element `source` of the parameter arena. Returns the byte offset of
    /// its packed weights in a replica's packed arena, a multiple of 256.
    pub fn add(&mut self, [k, c, taps]: [u32; 3], source: u32, direction: Direction) -> u64 {
        let forward = direction == Direction::Forward;
        let (outer, inner) = if forward { (k, c) } else { (c, k) };
        let vectors = outer.div_ceil(4) * inner * taps;
        let first_vector = self.layer_of_tile.len() as u32 * WORKGROUP;
        self.layers.push(PackEntry {
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

    /// Number of floats in one replica's packed arena.
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
