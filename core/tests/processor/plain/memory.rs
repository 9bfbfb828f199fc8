//! The buffers that kernels read and write, and their layouts. The loops that are run most take a row at a
//! time, because an index with all its products takes longer than the arithmetic.

use std::cell::Cell;

/// A binding of a kernel: 32-bit words, which may be floats.
#[derive(Clone, Copy)]
pub(super) struct Array<'a>(pub(super) &'a [Cell<u32>]);

impl Array<'_> {
    #[inline]
    pub(super) fn word(self, at: usize) -> u32 {
        self.0[at].get()
    }

    #[inline]
    pub(super) fn set_word(self, at: usize, value: u32) {
        self.0[at].set(value);
    }

    #[inline]
    pub(super) fn get(self, at: usize) -> f32 {
        f32::from_bits(self.word(at))
    }

    #[inline]
    pub(super) fn set(self, at: usize, value: f32) {
        self.set_word(at, value.to_bits());
    }
}

/// Planes `[R][N][C]` of floats (`core/src/ops/planes.rs`). A row begins with four zeros, a plane with a row of zeros.
#[derive(Clone, Copy)]
pub(super) struct Planes<'a> {
    pub(super) array: Array<'a>,
    /// 0 if all replicas share one batch.
    pub(super) samples_of_replica: usize,
    pub(super) channels: usize,
    /// Floats from one row to the next.
    pub(super) row: usize,
    /// Floats from one plane to the next.
    pub(super) plane: usize,
}

impl<'a> Planes<'a> {
    pub(super) fn shared_if(self, shared: bool) -> Self {
        Self { samples_of_replica: if shared { 0 } else { self.samples_of_replica }, ..self }
    }

    /// Index of pixel h - 1, w - 1; h = 0 and w = 0 are the border. The next row follows the end of a row.
    pub(super) fn tap_at(self, [r, n, c, h, w]: [usize; 5]) -> usize {
        ((r * self.samples_of_replica + n) * self.channels + c) * self.plane + h * self.row + 3 + w
    }

    /// The row of pixels h - 1, from w - 1 = -1 on, and everything behind it.
    pub(super) fn row(self, r: usize, n: usize, c: usize, h: usize) -> Array<'a> {
        Array(&self.array.0[self.tap_at([r, n, c, h, 0])..])
    }

    /// Value of pixel h - 1, w - 1.
    #[inline]
    pub(super) fn tap(self, r: usize, n: usize, c: usize, h: usize, w: usize) -> f32 {
        self.array.get(self.tap_at([r, n, c, h, w]))
    }

    #[inline]
    pub(super) fn get(self, [r, n, c, h, w]: [usize; 5]) -> f32 {
        self.tap(r, n, c, h + 1, w + 1)
    }

    #[inline]
    pub(super) fn set(self, [r, n, c, h, w]: [usize; 5], value: f32) {
        self.array.set(self.tap_at([r, n, c, h + 1, w + 1]), value);
    }
}

/// Packed weights `[R][outer / 4][inner][taps][4]`.
pub(super) struct Packed<'a> {
    pub(super) array: Array<'a>,
    pub(super) stride: usize,
    pub(super) inner: usize,
    pub(super) taps: usize,
}

impl Packed<'_> {
    #[inline]
    pub(super) fn get(&self, r: usize, outer: usize, inner: usize, tap: usize) -> f32 {
        let vector = (outer / 4 * self.inner + inner) * self.taps + tap;
        self.array.get(r * self.stride + vector * 4 + outer % 4)
    }
}

/// Width of a row that is padded to whole vectors.
pub(super) fn whole(width: usize) -> usize {
    width.next_multiple_of(4)
}

/// 1 for a column inside the row, else 0.
pub(super) fn mask(w: usize, width: usize) -> f32 {
    if w < width { 1.0 } else { 0.0 }
}
