//! Four floats in plain Rust, for every machine. Without an FMA instruction, the fused class calls the C library for each `fma`.

use super::Lanes;

/// Plain Rust: 4 floats.
#[derive(Clone, Copy)]
pub struct Plain<const FUSED: bool>;

// SAFETY of every function: the caller guarantees the addresses; nothing else is required.
impl<const FUSED: bool> Lanes for Plain<FUSED> {
    const N: usize = 4;
    const REGISTERS: usize = 16;
    const FUSED: bool = FUSED;
    type V = [f32; 4];

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; 4] {
        // SAFETY: upheld by the caller.
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, v: [f32; 4]) {
        // SAFETY: upheld by the caller.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(v) }
    }

    #[inline(always)]
    unsafe fn load_rows<const S: usize>(from: *const f32, _stride: usize) -> [f32; 4] {
        assert!(S == 1, "rows must have at least four floats");
        // SAFETY: upheld by the caller.
        unsafe { Self::load(from) }
    }

    #[inline(always)]
    unsafe fn store_rows<const S: usize>(to: *mut f32, _stride: usize, v: [f32; 4]) {
        assert!(S == 1, "rows must have at least four floats");
        // SAFETY: upheld by the caller.
        unsafe { Self::store(to, v) }
    }

    #[inline(always)]
    unsafe fn load_quads(from: &[*const f32; 4]) -> [f32; 4] {
        // SAFETY: upheld by the caller.
        unsafe { Self::load(from[0]) }
    }

    #[inline(always)]
    unsafe fn store_quads(to: &[*mut f32; 4], v: [f32; 4]) {
        // SAFETY: upheld by the caller.
        unsafe { Self::store(to[0], v) }
    }

    #[inline(always)]
    unsafe fn store_first(to: *mut f32, count: usize, v: [f32; 4]) {
        for (i, value) in v.into_iter().enumerate().take(count) {
            // SAFETY: upheld by the caller.
            unsafe { to.add(i).write(value) };
        }
    }

    #[inline(always)]
    unsafe fn load_transposed(from: *const f32, stride: usize) -> [[f32; 4]; 4] {
        // SAFETY: upheld by the caller.
        let rows: [[f32; 4]; 4] = std::array::from_fn(|l| unsafe { Self::load(from.add(l * stride)) });
        std::array::from_fn(|w| std::array::from_fn(|l| rows[l][w]))
    }

    #[inline(always)]
    unsafe fn store_transposed(to: *mut f32, stride: usize, vs: [[f32; 4]; 4]) {
        let rows: [[f32; 4]; 4] = std::array::from_fn(|l| std::array::from_fn(|w| vs[w][l]));
        for (l, row) in rows.into_iter().enumerate() {
            // SAFETY: upheld by the caller.
            unsafe { Self::store(to.add(l * stride), row) };
        }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> [f32; 4] {
        [value; 4]
    }

    #[inline(always)]
    unsafe fn add(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    unsafe fn mul(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    unsafe fn relu(a: [f32; 4]) -> [f32; 4] {
        a.map(|a| if a <= 0.0 { 0.0 } else { a })
    }

    #[inline(always)]
    unsafe fn is_positive(a: [f32; 4]) -> [f32; 4] {
        a.map(|a| if a > 0.0 { 1.0 } else { 0.0 })
    }

    #[inline(always)]
    unsafe fn mac(a: [f32; 4], b: [f32; 4], acc: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|i| Self::mac1(a[i], b[i], acc[i]))
    }
}
