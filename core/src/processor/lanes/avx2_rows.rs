//! The inner loops of 3x3 convolutions for AVX2 with FMA, in assembly.
//!
//! They need nearly all of the 16 registers. The compiler (rustc 1.95, LLVM 22) puts one vector more into memory in each turn, and
//! multiply-adds wait until it has been stored and loaded again. docs/PERFORMANCE.md has what that costs.

use std::arch::asm;
use std::arch::x86_64::__m256;

/// See [`Lanes::row_of_taps`](super::Lanes::row_of_taps). Registers: 12 sums, three vectors of pixels, one weight.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub unsafe fn row_of_taps(sums: &mut [[__m256; 3]; 4], at: [*const f32; 3], column: usize, weights: *const f32) {
    macro_rules! channel {
        ($weight:literal, $a:literal, $b:literal, $c:literal) => {
            concat!(
                "vbroadcastss {weight}, dword ptr [{weights} + ",
                $weight,
                "]\n",
                "vfmadd231ps {",
                $a,
                "}, {weight}, {pixels0}\n",
                "vfmadd231ps {",
                $b,
                "}, {weight}, {pixels1}\n",
                "vfmadd231ps {",
                $c,
                "}, {weight}, {pixels2}\n",
            )
        };
    }
    macro_rules! tap {
        ($column:literal, [$w0:literal, $w1:literal, $w2:literal, $w3:literal]) => {
            concat!(
                "vmovups {pixels0}, ymmword ptr [{at0}",
                $column,
                "]\n",
                "vmovups {pixels1}, ymmword ptr [{at1}",
                $column,
                "]\n",
                "vmovups {pixels2}, ymmword ptr [{at2}",
                $column,
                "]\n",
                channel!($w0, "sum00", "sum01", "sum02"),
                channel!($w1, "sum10", "sum11", "sum12"),
                channel!($w2, "sum20", "sum21", "sum22"),
                channel!($w3, "sum30", "sum31", "sum32"),
            )
        };
    }
    let [[a0, a1, a2], [b0, b1, b2], [c0, c1, c2], [d0, d1, d2]] = sums;
    // SAFETY: the caller guarantees the addresses; the code reads memory and writes registers only.
    unsafe {
        asm!(
            tap!("", [0, 4, 8, 12]),
            tap!(" + 4 * {column}", [16, 20, 24, 28]),
            tap!(" + 8 * {column}", [32, 36, 40, 44]),
            at0 = in(reg) at[0],
            at1 = in(reg) at[1],
            at2 = in(reg) at[2],
            column = in(reg) column,
            weights = in(reg) weights,
            pixels0 = out(ymm_reg) _,
            pixels1 = out(ymm_reg) _,
            pixels2 = out(ymm_reg) _,
            weight = out(ymm_reg) _,
            sum00 = inout(ymm_reg) *a0,
            sum01 = inout(ymm_reg) *a1,
            sum02 = inout(ymm_reg) *a2,
            sum10 = inout(ymm_reg) *b0,
            sum11 = inout(ymm_reg) *b1,
            sum12 = inout(ymm_reg) *b2,
            sum20 = inout(ymm_reg) *c0,
            sum21 = inout(ymm_reg) *c1,
            sum22 = inout(ymm_reg) *c2,
            sum30 = inout(ymm_reg) *d0,
            sum31 = inout(ymm_reg) *d1,
            sum32 = inout(ymm_reg) *d2,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
}

/// See [`Lanes::row_of_strip`](super::Lanes::row_of_strip). Registers: nine sums, four vectors of dy, three values of x, so that the
/// rows of taps take turns and no sum waits for its last multiply-add.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub unsafe fn row_of_strip(sums: &mut [__m256; 9], x: *const f32, row: usize, dy: *const f32) {
    // Value j of the three rows of x.
    macro_rules! values {
        ($j:literal) => {
            concat!(
                "vbroadcastss {x0}, dword ptr [{x} + ",
                $j,
                "]\n",
                "vbroadcastss {x1}, dword ptr [{x} + 4 * {row} + ",
                $j,
                "]\n",
                "vbroadcastss {x2}, dword ptr [{x} + 8 * {row} + ",
                $j,
                "]\n",
            )
        };
    }
    // A vector of dy meets these values at tap kw of each row.
    macro_rules! meet {
        ($dy:literal, $kw:literal) => {
            concat!(
                "vfmadd231ps {sum0",
                $kw,
                "}, {x0}, {",
                $dy,
                "}\n",
                "vfmadd231ps {sum1",
                $kw,
                "}, {x1}, {",
                $dy,
                "}\n",
                "vfmadd231ps {sum2",
                $kw,
                "}, {x2}, {",
                $dy,
                "}\n",
            )
        };
    }
    let [a0, a1, a2, b0, b1, b2, c0, c1, c2] = sums;
    // SAFETY: the caller guarantees the addresses; the code reads memory and writes registers only.
    unsafe {
        asm!(
            "vmovups {dy0}, ymmword ptr [{dy}]",
            "vmovups {dy1}, ymmword ptr [{dy} + 32]",
            "vmovups {dy2}, ymmword ptr [{dy} + 64]",
            "vmovups {dy3}, ymmword ptr [{dy} + 96]",
            // Tap kw of pixel w meets value w + kw: for each tap the pixels come in order.
            values!(0), meet!("dy0", 0),
            values!(4), meet!("dy1", 0), meet!("dy0", 1),
            values!(8), meet!("dy2", 0), meet!("dy1", 1), meet!("dy0", 2),
            values!(12), meet!("dy3", 0), meet!("dy2", 1), meet!("dy1", 2),
            values!(16), meet!("dy3", 1), meet!("dy2", 2),
            values!(20), meet!("dy3", 2),
            x = in(reg) x,
            row = in(reg) row,
            dy = in(reg) dy,
            x0 = out(ymm_reg) _,
            x1 = out(ymm_reg) _,
            x2 = out(ymm_reg) _,
            dy0 = out(ymm_reg) _,
            dy1 = out(ymm_reg) _,
            dy2 = out(ymm_reg) _,
            dy3 = out(ymm_reg) _,
            sum00 = inout(ymm_reg) *a0,
            sum01 = inout(ymm_reg) *a1,
            sum02 = inout(ymm_reg) *a2,
            sum10 = inout(ymm_reg) *b0,
            sum11 = inout(ymm_reg) *b1,
            sum12 = inout(ymm_reg) *b2,
            sum20 = inout(ymm_reg) *c0,
            sum21 = inout(ymm_reg) *c1,
            sum22 = inout(ymm_reg) *c2,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
}
