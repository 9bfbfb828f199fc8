//! NEON, which every 64-bit ARM processor has.

use std::arch::aarch64::*;

use super::Lanes;

/// NEON: 4 floats, 32 registers.
#[derive(Clone, Copy)]
pub struct Neon<const FUSED: bool>;

/// Transposes a 4x4 matrix.
#[inline(always)]
unsafe fn turn([a, b, c, d]: [float32x4_t; 4]) -> [float32x4_t; 4] {
    // SAFETY: 64-bit ARM has NEON.
    unsafe {
        // (a0 c0 a1 c1), (b0 d0 b1 d1), ...
        let (ac, ac_high) = (vzip1q_f32(a, c), vzip2q_f32(a, c));
        let (bd, bd_high) = (vzip1q_f32(b, d), vzip2q_f32(b, d));
        [vzip1q_f32(ac, bd), vzip2q_f32(ac, bd), vzip1q_f32(ac_high, bd_high), vzip2q_f32(ac_high, bd_high)]
    }
}

// SAFETY of every function: 64-bit ARM has NEON; the caller guarantees the addresses.
impl<const FUSED: bool> Lanes for Neon<FUSED> {
    const N: usize = 4;
    const REGISTERS: usize = 32;
    const FUSED: bool = FUSED;
    type V = float32x4_t;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> float32x4_t {
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, v: float32x4_t) {
        unsafe { vst1q_f32(to, v) }
    }

    #[inline(always)]
    unsafe fn load_rows<const S: usize>(from: *const f32, _stride: usize) -> float32x4_t {
        assert!(S == 1, "rows must have at least four floats");
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn store_rows<const S: usize>(to: *mut f32, _stride: usize, v: float32x4_t) {
        assert!(S == 1, "rows must have at least four floats");
        unsafe { vst1q_f32(to, v) }
    }

    #[inline(always)]
    unsafe fn load_quads(from: &[*const f32; 4]) -> float32x4_t {
        unsafe { Self::load(from[0]) }
    }

    #[inline(always)]
    unsafe fn store_quads(to: &[*mut f32; 4], v: float32x4_t) {
        unsafe { Self::store(to[0], v) }
    }

    #[inline(always)]
    unsafe fn store_first(to: *mut f32, count: usize, v: float32x4_t) {
        let mut all = [0.0; 4];
        unsafe {
            vst1q_f32(all.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(all.as_ptr(), to, count);
        }
    }

    #[inline(always)]
    unsafe fn load_transposed(from: *const f32, stride: usize) -> [float32x4_t; 4] {
        unsafe {
            turn([
                vld1q_f32(from),
                vld1q_f32(from.add(stride)),
                vld1q_f32(from.add(2 * stride)),
                vld1q_f32(from.add(3 * stride)),
            ])
        }
    }

    #[inline(always)]
    unsafe fn store_transposed(to: *mut f32, stride: usize, vs: [float32x4_t; 4]) {
        unsafe {
            for (l, row) in turn(vs).into_iter().enumerate() {
                vst1q_f32(to.add(l * stride), row);
            }
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> float32x4_t {
        unsafe { vdupq_n_f32(value) }
    }

    #[inline(always)]
    unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn relu(a: float32x4_t) -> float32x4_t {
        unsafe { vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(a), vclezq_f32(a))) }
    }

    #[inline(always)]
    unsafe fn is_positive(a: float32x4_t) -> float32x4_t {
        unsafe { vreinterpretq_f32_u32(vandq_u32(vcgtzq_f32(a), vreinterpretq_u32_f32(vdupq_n_f32(1.0)))) }
    }

    #[inline(always)]
    unsafe fn mac(a: float32x4_t, b: float32x4_t, acc: float32x4_t) -> float32x4_t {
        unsafe { if FUSED { vfmaq_f32(acc, a, b) } else { vaddq_f32(vmulq_f32(a, b), acc) } }
    }
}
