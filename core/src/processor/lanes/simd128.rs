//! WebAssembly's 128-bit vectors, which have no fused multiply-add.

use std::arch::wasm32::*;

use super::Lanes;

/// simd128: 4 floats; engines have at least 16 registers.
#[derive(Clone, Copy)]
pub struct Simd128;

/// Transposes a 4x4 matrix.
#[inline(always)]
fn turn([a, b, c, d]: [v128; 4]) -> [v128; 4] {
    // (a0 c0 a1 c1), (b0 d0 b1 d1), ...
    let (ac, ac_high) = (i32x4_shuffle::<0, 4, 1, 5>(a, c), i32x4_shuffle::<2, 6, 3, 7>(a, c));
    let (bd, bd_high) = (i32x4_shuffle::<0, 4, 1, 5>(b, d), i32x4_shuffle::<2, 6, 3, 7>(b, d));
    [
        i32x4_shuffle::<0, 4, 1, 5>(ac, bd),
        i32x4_shuffle::<2, 6, 3, 7>(ac, bd),
        i32x4_shuffle::<0, 4, 1, 5>(ac_high, bd_high),
        i32x4_shuffle::<2, 6, 3, 7>(ac_high, bd_high),
    ]
}

// SAFETY of every function: compiled with the feature; the caller guarantees the addresses.
impl Lanes for Simd128 {
    const N: usize = 4;
    const REGISTERS: usize = 16;
    const FUSED: bool = false;
    type V = v128;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> v128 {
        unsafe { v128_load(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, v: v128) {
        unsafe { v128_store(to.cast(), v) }
    }

    #[inline(always)]
    unsafe fn load_rows<const S: usize>(from: *const f32, _stride: usize) -> v128 {
        assert!(S == 1, "rows must have at least four floats");
        unsafe { v128_load(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store_rows<const S: usize>(to: *mut f32, _stride: usize, v: v128) {
        assert!(S == 1, "rows must have at least four floats");
        unsafe { v128_store(to.cast(), v) }
    }

    #[inline(always)]
    unsafe fn load_quads(from: &[*const f32; 4]) -> v128 {
        unsafe { Self::load(from[0]) }
    }

    #[inline(always)]
    unsafe fn store_quads(to: &[*mut f32; 4], v: v128) {
        unsafe { Self::store(to[0], v) }
    }

    #[inline(always)]
    unsafe fn store_first(to: *mut f32, count: usize, v: v128) {
        let mut all = [0.0_f32; 4];
        unsafe {
            v128_store(all.as_mut_ptr().cast(), v);
            std::ptr::copy_nonoverlapping(all.as_ptr(), to, count);
        }
    }

    #[inline(always)]
    unsafe fn load_transposed(from: *const f32, stride: usize) -> [v128; 4] {
        unsafe {
            turn([
                v128_load(from.cast()),
                v128_load(from.add(stride).cast()),
                v128_load(from.add(2 * stride).cast()),
                v128_load(from.add(3 * stride).cast()),
            ])
        }
    }

    #[inline(always)]
    unsafe fn store_transposed(to: *mut f32, stride: usize, vs: [v128; 4]) {
        unsafe {
            for (l, row) in turn(vs).into_iter().enumerate() {
                v128_store(to.add(l * stride).cast(), row);
            }
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> v128 {
        f32x4_splat(value)
    }

    #[inline(always)]
    unsafe fn add(a: v128, b: v128) -> v128 {
        f32x4_add(a, b)
    }

    #[inline(always)]
    unsafe fn mul(a: v128, b: v128) -> v128 {
        f32x4_mul(a, b)
    }

    #[inline(always)]
    unsafe fn relu(a: v128) -> v128 {
        v128_andnot(a, f32x4_le(a, f32x4_splat(0.0)))
    }

    #[inline(always)]
    unsafe fn is_positive(a: v128) -> v128 {
        v128_and(f32x4_gt(a, f32x4_splat(0.0)), f32x4_splat(1.0))
    }

    #[inline(always)]
    unsafe fn mac(a: v128, b: v128, acc: v128) -> v128 {
        f32x4_add(f32x4_mul(a, b), acc)
    }
}
