//! AVX-512, and AVX2 with FMA.

use std::arch::x86_64::*;

use super::{Lanes, avx2_rows};

/// AVX-512 F, VL, DQ and BW: 16 floats, 32 registers.
#[derive(Clone, Copy)]
pub struct Avx512<const FUSED: bool>;

/// AVX2 and FMA: 8 floats, 16 registers.
#[derive(Clone, Copy)]
pub struct Avx2<const FUSED: bool>;

/// Transposes the 4x4 matrix in each part of four lanes.
#[inline(always)]
unsafe fn turn512([a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
    // SAFETY: the machine has AVX-512.
    unsafe {
        // (a0 c0 a1 c1), (b0 d0 b1 d1), ...
        let (ac, ac_high) = (_mm512_unpacklo_ps(a, c), _mm512_unpackhi_ps(a, c));
        let (bd, bd_high) = (_mm512_unpacklo_ps(b, d), _mm512_unpackhi_ps(b, d));
        [
            _mm512_unpacklo_ps(ac, bd),
            _mm512_unpackhi_ps(ac, bd),
            _mm512_unpacklo_ps(ac_high, bd_high),
            _mm512_unpackhi_ps(ac_high, bd_high),
        ]
    }
}

/// Transposes the 4x4 matrix in each part of four lanes.
#[inline(always)]
unsafe fn turn256([a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
    // SAFETY: the machine has AVX2.
    unsafe {
        // (a0 c0 a1 c1), (b0 d0 b1 d1), ...
        let (ac, ac_high) = (_mm256_unpacklo_ps(a, c), _mm256_unpackhi_ps(a, c));
        let (bd, bd_high) = (_mm256_unpacklo_ps(b, d), _mm256_unpackhi_ps(b, d));
        [
            _mm256_unpacklo_ps(ac, bd),
            _mm256_unpackhi_ps(ac, bd),
            _mm256_unpacklo_ps(ac_high, bd_high),
            _mm256_unpackhi_ps(ac_high, bd_high),
        ]
    }
}

// SAFETY of every function: the machine has AVX-512; the caller guarantees the addresses.
impl<const FUSED: bool> Lanes for Avx512<FUSED> {
    const N: usize = 16;
    const REGISTERS: usize = 32;
    const FUSED: bool = FUSED;
    type V = __m512;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, v: __m512) {
        unsafe { _mm512_storeu_ps(to, v) }
    }

    #[inline(always)]
    unsafe fn load_rows<const S: usize>(from: *const f32, stride: usize) -> __m512 {
        assert!(S == 1 || S == 2 || S == 4, "rows must have at least four floats");
        unsafe {
            match S {
                1 => _mm512_loadu_ps(from),
                2 => {
                    let low = _mm512_castps256_ps512(_mm256_loadu_ps(from));
                    _mm512_insertf32x8::<1>(low, _mm256_loadu_ps(from.add(stride)))
                }
                _ => {
                    let low = _mm512_castps128_ps512(_mm_loadu_ps(from));
                    let low = _mm512_insertf32x4::<1>(low, _mm_loadu_ps(from.add(stride)));
                    let low = _mm512_insertf32x4::<2>(low, _mm_loadu_ps(from.add(2 * stride)));
                    _mm512_insertf32x4::<3>(low, _mm_loadu_ps(from.add(3 * stride)))
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn store_rows<const S: usize>(to: *mut f32, stride: usize, v: __m512) {
        assert!(S == 1 || S == 2 || S == 4, "rows must have at least four floats");
        unsafe {
            match S {
                1 => _mm512_storeu_ps(to, v),
                2 => {
                    _mm256_storeu_ps(to, _mm512_castps512_ps256(v));
                    _mm256_storeu_ps(to.add(stride), _mm512_extractf32x8_ps::<1>(v));
                }
                _ => {
                    _mm_storeu_ps(to, _mm512_castps512_ps128(v));
                    _mm_storeu_ps(to.add(stride), _mm512_extractf32x4_ps::<1>(v));
                    _mm_storeu_ps(to.add(2 * stride), _mm512_extractf32x4_ps::<2>(v));
                    _mm_storeu_ps(to.add(3 * stride), _mm512_extractf32x4_ps::<3>(v));
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn load_quads(from: &[*const f32; 4]) -> __m512 {
        unsafe {
            let low = _mm512_castps128_ps512(_mm_loadu_ps(from[0]));
            let low = _mm512_insertf32x4::<1>(low, _mm_loadu_ps(from[1]));
            let low = _mm512_insertf32x4::<2>(low, _mm_loadu_ps(from[2]));
            _mm512_insertf32x4::<3>(low, _mm_loadu_ps(from[3]))
        }
    }

    #[inline(always)]
    unsafe fn store_quads(to: &[*mut f32; 4], v: __m512) {
        unsafe {
            _mm_storeu_ps(to[0], _mm512_castps512_ps128(v));
            _mm_storeu_ps(to[1], _mm512_extractf32x4_ps::<1>(v));
            _mm_storeu_ps(to[2], _mm512_extractf32x4_ps::<2>(v));
            _mm_storeu_ps(to[3], _mm512_extractf32x4_ps::<3>(v));
        }
    }

    #[inline(always)]
    unsafe fn store_first(to: *mut f32, count: usize, v: __m512) {
        unsafe { _mm512_mask_storeu_ps(to, ((1_u32 << count) - 1) as __mmask16, v) }
    }

    #[inline(always)]
    unsafe fn load_transposed(from: *const f32, stride: usize) -> [__m512; 4] {
        unsafe {
            // Part p of vector j is row 4 p + j.
            turn512([
                Self::load_rows::<4>(from, 4 * stride),
                Self::load_rows::<4>(from.add(stride), 4 * stride),
                Self::load_rows::<4>(from.add(2 * stride), 4 * stride),
                Self::load_rows::<4>(from.add(3 * stride), 4 * stride),
            ])
        }
    }

    #[inline(always)]
    unsafe fn store_transposed(to: *mut f32, stride: usize, vs: [__m512; 4]) {
        unsafe {
            let [a, b, c, d] = turn512(vs);
            Self::store_rows::<4>(to, 4 * stride, a);
            Self::store_rows::<4>(to.add(stride), 4 * stride, b);
            Self::store_rows::<4>(to.add(2 * stride), 4 * stride, c);
            Self::store_rows::<4>(to.add(3 * stride), 4 * stride, d);
        }
    }

    #[inline(always)]
    fn prefetch(from: *const f32) {
        // SAFETY: a prefetch is a hint, valid for any address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) };
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn relu(a: __m512) -> __m512 {
        unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_NLE_UQ>(a, _mm512_setzero_ps()), a) }
    }

    #[inline(always)]
    unsafe fn is_positive(a: __m512) -> __m512 {
        unsafe {
            let mask = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, _mm512_setzero_ps());
            _mm512_maskz_mov_ps(mask, _mm512_set1_ps(1.0))
        }
    }

    #[inline(always)]
    unsafe fn mac(a: __m512, b: __m512, acc: __m512) -> __m512 {
        unsafe { if FUSED { _mm512_fmadd_ps(a, b, acc) } else { _mm512_add_ps(_mm512_mul_ps(a, b), acc) } }
    }
}

/// The eight values from `8 - count` on are a mask of the first `count` lanes.
const MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

// SAFETY of every function: the machine has AVX2 and FMA; the caller guarantees the addresses.
impl<const FUSED: bool> Lanes for Avx2<FUSED> {
    const N: usize = 8;
    const REGISTERS: usize = 16;
    const FUSED: bool = FUSED;
    const HAS_ROWS: bool = FUSED;
    type V = __m256;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, v: __m256) {
        unsafe { _mm256_storeu_ps(to, v) }
    }

    #[inline(always)]
    unsafe fn load_rows<const S: usize>(from: *const f32, stride: usize) -> __m256 {
        assert!(S == 1 || S == 2, "rows must have at least four floats");
        unsafe {
            match S {
                1 => _mm256_loadu_ps(from),
                _ => {
                    let low = _mm256_castps128_ps256(_mm_loadu_ps(from));
                    _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(from.add(stride)))
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn store_rows<const S: usize>(to: *mut f32, stride: usize, v: __m256) {
        assert!(S == 1 || S == 2, "rows must have at least four floats");
        unsafe {
            match S {
                1 => _mm256_storeu_ps(to, v),
                _ => {
                    _mm_storeu_ps(to, _mm256_castps256_ps128(v));
                    _mm_storeu_ps(to.add(stride), _mm256_extractf128_ps::<1>(v));
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn load_quads(from: &[*const f32; 4]) -> __m256 {
        unsafe {
            let low = _mm256_castps128_ps256(_mm_loadu_ps(from[0]));
            _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(from[1]))
        }
    }

    #[inline(always)]
    unsafe fn store_quads(to: &[*mut f32; 4], v: __m256) {
        unsafe {
            _mm_storeu_ps(to[0], _mm256_castps256_ps128(v));
            _mm_storeu_ps(to[1], _mm256_extractf128_ps::<1>(v));
        }
    }

    #[inline(always)]
    unsafe fn store_first(to: *mut f32, count: usize, v: __m256) {
        unsafe {
            let mask = _mm256_loadu_si256(MASKS.as_ptr().add(8 - count).cast());
            _mm256_maskstore_ps(to, mask, v);
        }
    }

    #[inline(always)]
    unsafe fn load_transposed(from: *const f32, stride: usize) -> [__m256; 4] {
        unsafe {
            // Part p of vector j is row 4 p + j.
            turn256([
                Self::load_rows::<2>(from, 4 * stride),
                Self::load_rows::<2>(from.add(stride), 4 * stride),
                Self::load_rows::<2>(from.add(2 * stride), 4 * stride),
                Self::load_rows::<2>(from.add(3 * stride), 4 * stride),
            ])
        }
    }

    #[inline(always)]
    unsafe fn store_transposed(to: *mut f32, stride: usize, vs: [__m256; 4]) {
        unsafe {
            let [a, b, c, d] = turn256(vs);
            Self::store_rows::<2>(to, 4 * stride, a);
            Self::store_rows::<2>(to.add(stride), 4 * stride, b);
            Self::store_rows::<2>(to.add(2 * stride), 4 * stride, c);
            Self::store_rows::<2>(to.add(3 * stride), 4 * stride, d);
        }
    }

    #[inline(always)]
    unsafe fn row_of_taps(sums: &mut [[__m256; 3]; 4], at: [*const f32; 3], column: usize, weights: *const f32) {
        unsafe { avx2_rows::row_of_taps(sums, at, column, weights) }
    }

    #[inline(always)]
    unsafe fn row_of_strip(sums: &mut [__m256; 9], x: *const f32, row: usize, dy: *const f32) {
        unsafe { avx2_rows::row_of_strip(sums, x, row, dy) }
    }

    #[inline(always)]
    fn prefetch(from: *const f32) {
        // SAFETY: a prefetch is a hint, valid for any address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) };
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn relu(a: __m256) -> __m256 {
        unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_NLE_UQ>(a, _mm256_setzero_ps()), a) }
    }

    #[inline(always)]
    unsafe fn is_positive(a: __m256) -> __m256 {
        unsafe {
            let mask = _mm256_cmp_ps::<_CMP_GT_OQ>(a, _mm256_setzero_ps());
            _mm256_and_ps(mask, _mm256_set1_ps(1.0))
        }
    }

    #[inline(always)]
    unsafe fn mac(a: __m256, b: __m256, acc: __m256) -> __m256 {
        unsafe { if FUSED { _mm256_fmadd_ps(a, b, acc) } else { _mm256_add_ps(_mm256_mul_ps(a, b), acc) } }
    }
}
