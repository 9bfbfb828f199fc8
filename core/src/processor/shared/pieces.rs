//! How the work of a replica is cut into pieces: a number of equal items a piece.

use std::ops::Range;

/// Floats that a piece of elementwise work passes over at least: some 20 microseconds.
const FLOATS: usize = 32 << 10;

/// Items in pieces of `each`, the last one smaller.
#[derive(Clone, Copy)]
pub struct Pieces {
    items: usize,
    each: usize,
}

impl Pieces {
    /// Pieces of at least [`FLOATS`] floats, where an item has `floats` (or takes as long as so many).
    pub fn new(items: usize, floats: usize) -> Self {
        Self { items, each: FLOATS.div_ceil(floats.max(1)) }
    }

    /// Number of pieces.
    pub fn count(&self) -> usize {
        self.items.div_ceil(self.each).max(1)
    }

    /// Items of a piece.
    #[inline(always)]
    pub fn range(&self, piece: usize) -> Range<usize> {
        (piece * self.each).min(self.items)..((piece + 1) * self.each).min(self.items)
    }
}
