//! Matrix products of the dense layer's passes: `out[i][j] = start[j] + sum over s of value[i][s] * panel[s][j]`, s in turn.
//!
//! The panel has [`COLUMNS`] columns of the product's right operand and as many steps s as fit the L1 cache; it is packed once for all
//! rows i. Lanes are columns. A product of more steps continues from the sums in `out`, which are whole float32 numbers: the order of
//! a sum, and so its bits, is that of one loop over s.

use crate::processor::lanes::Lanes;

/// Columns of a panel: two of the widest vectors.
pub const COLUMNS: usize = 32;

/// Steps of a panel, 24 KiB. A packer may write up to three more.
pub const STEPS: usize = 192;

/// Floats of a panel.
pub const FLOATS: usize = (STEPS + 4) * COLUMNS;

/// The left operand, and the sums.
#[derive(Clone, Copy)]
pub struct Rows {
    /// Value of the first row at the panel's first step.
    pub values: *const f32,
    /// Floats from a row's values to the next row's.
    pub row: usize,
    /// Floats from a step's value to the next step's.
    pub step: usize,
    /// First column of the first row of sums.
    pub out: *mut f32,
    /// Floats from a row of sums to the next.
    pub out_row: usize,
    /// Number of rows.
    pub count: usize,
    /// Columns that are stored, at most [`COLUMNS`].
    pub columns: usize,
}

/// Ranges of at most [`STEPS`] steps.
pub fn blocks(steps: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..steps).step_by(STEPS).map(move |first| first..steps.min(first + STEPS))
}

impl Rows {
    /// Adds the products with `steps` steps of a panel to the sums of all rows. The sums start with `start`, [`COLUMNS`] floats, or
    /// continue from `out`.
    ///
    /// # Safety
    /// The machine must support the instruction set, everything must be readable, and only the caller may access `out`.
    #[inline(always)]
    pub unsafe fn add<L: Lanes>(&self, panel: *const f32, steps: usize, start: Option<*const f32>) {
        let mut row = 0;
        while row < self.count {
            // SAFETY: upheld by the caller.
            unsafe {
                if L::REGISTERS >= 32 {
                    self.add_rows::<L, 8>(row, panel, steps, start);
                    row += 8;
                } else {
                    self.add_rows::<L, 4>(row, panel, steps, start);
                    row += 4;
                }
            }
        }
    }

    /// The same for ROWS rows from `first` on.
    #[inline(always)]
    unsafe fn add_rows<L: Lanes, const ROWS: usize>(
        &self,
        first: usize,
        panel: *const f32,
        steps: usize,
        start: Option<*const f32>,
    ) {
        let mut column = 0;
        while column < self.columns {
            // SAFETY: upheld by the caller.
            unsafe {
                if column + L::N < self.columns {
                    self.tile::<L, ROWS, 2>([first, column], panel, steps, start);
                    column += 2 * L::N;
                } else {
                    self.tile::<L, ROWS, 1>([first, column], panel, steps, start);
                    column += L::N;
                }
            }
        }
    }

    /// The same for ROWS rows and VECTORS vectors of columns.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "indices say which row meets which vector")]
    unsafe fn tile<L: Lanes, const ROWS: usize, const VECTORS: usize>(
        &self,
        [first, column]: [usize; 2],
        panel: *const f32,
        steps: usize,
        start: Option<*const f32>,
    ) {
        // Beyond the last row, the last one is computed again and not stored.
        let rows: [usize; ROWS] = std::array::from_fn(|i| (first + i).min(self.count - 1));
        // SAFETY: upheld by the caller; a vector of `out` may reach beyond the columns, and these lanes are dropped.
        unsafe {
            let out = rows.map(|row| self.out.add(row * self.out_row + column));
            let mut sums = [[L::splat(0.0); VECTORS]; ROWS];
            for i in 0..ROWS {
                for v in 0..VECTORS {
                    sums[i][v] = match start {
                        Some(start) => L::load(start.add(column + v * L::N)),
                        None => L::load(out[i].add(v * L::N)),
                    };
                }
            }
            let values = rows.map(|row| self.values.add(row * self.row));
            let mut panel = panel.add(column);
            for s in 0..steps {
                let mut products = [L::splat(0.0); VECTORS];
                for v in 0..VECTORS {
                    products[v] = L::load(panel.add(v * L::N));
                }
                for i in 0..ROWS {
                    let value = L::splat(*values[i].add(s * self.step));
                    for v in 0..VECTORS {
                        sums[i][v] = L::mac(products[v], value, sums[i][v]);
                    }
                }
                panel = panel.add(COLUMNS);
            }
            for i in 0..ROWS.min(self.count - first) {
                for v in 0..VECTORS {
                    let rest = self.columns - (column + v * L::N);
                    if rest >= L::N {
                        L::store(out[i].add(v * L::N), sums[i][v]);
                    } else {
                        L::store_first(out[i].add(v * L::N), rest, sums[i][v]);
                    }
                }
            }
        }
    }
}

/// Packs rows of the right operand: step s is `count` floats from `from + s * stride` on.
///
/// # Safety
/// The floats must be readable, and `panel` have [`FLOATS`] floats.
#[inline(always)]
pub unsafe fn pack_rows(from: *const f32, stride: usize, steps: usize, count: usize, panel: *mut f32) {
    for s in 0..steps {
        // SAFETY: upheld by the caller.
        unsafe {
            let to = panel.add(s * COLUMNS);
            std::ptr::copy_nonoverlapping(from.add(s * stride), to, count);
            to.add(count).write_bytes(0, COLUMNS - count);
        }
    }
}

/// Packs columns of the right operand: column j is `steps` floats from `from + j * stride` on.
///
/// # Safety
/// As for [`pack_rows`]; vectors of four may reach beyond the last step.
#[inline(always)]
pub unsafe fn pack_columns<L: Lanes>(from: *const f32, stride: usize, steps: usize, count: usize, panel: *mut f32) {
    let mut column = 0;
    while column < COLUMNS {
        // SAFETY: upheld by the caller.
        unsafe {
            let (from, to) = (from.wrapping_add(column * stride), panel.add(column));
            if column + L::N <= count {
                for s in (0..steps).step_by(4) {
                    for (w, v) in L::load_transposed(from.add(s), stride).into_iter().enumerate() {
                        L::store(to.add((s + w) * COLUMNS), v);
                    }
                }
            } else {
                for s in 0..steps {
                    for j in 0..L::N {
                        let value = if column + j < count { *from.add(j * stride + s) } else { 0.0 };
                        *to.add(s * COLUMNS + j) = value;
                    }
                }
            }
        }
        column += L::N;
    }
}
