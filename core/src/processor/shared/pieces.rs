//! How the work of a replica is split into pieces, each with the same number of items.

use std::ops::Range;

/// A piece of elementwise work passes over at least this many floats, which takes about 20 microseconds.
const FLOATS: usize = 32 << 10;

/// Items in pieces of `each`. The last piece may be smaller.
#[derive(Clone, Copy)]
pub struct Pieces {
    items: usize,
    each: usize,
}

impl Pieces {
    /// Pieces of at least [`FLOATS`] floats. An item has `floats` floats, or takes as long as that many.
    pub fn new(items: usize, floats: usize) -> Self {
        Self { items, each: FLOATS.div_ceil(floats.max(1)) }
    }

    /// Number of pieces.
    pub fn count(&self) -> usize {
        self.items.div_ceil(self.each).max(1)
    }

    /// The items of a piece.
    #[inline(always)]
    pub fn range(&self, piece: usize) -> Range<usize> {
        (piece * self.each).min(self.items)..((piece + 1) * self.each).min(self.items)
    }
}
