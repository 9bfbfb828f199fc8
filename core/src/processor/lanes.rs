//! Vectors of float32: one trait with an implementation for each instruction set and class (rule 12 of docs/RULES.md).
//!
//! Classes differ only in `mac`, which rounds once (fused) or twice (separate). Every other operation is IEEE-754, bit for bit,
//! on every machine.

#[cfg(all(target_arch = "x86_64", not(test)))]
mod avx2_rows;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod plain;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;
#[cfg(all(target_arch = "x86_64", not(test)))]
mod x86;

#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
pub use plain::Plain;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub use simd128::Simd128;
#[cfg(all(target_arch = "x86_64", not(test)))]
pub use x86::{Avx2, Avx512};

/// Vectors of an instruction set in one class. All functions are `#[inline(always)]`: they compile to the set's instructions in
/// a function that has its target features.
///
/// # Safety
/// The machine must support the instruction set. Addresses must be valid for what is loaded or stored there.
pub trait Lanes: Copy + Send + Sync + 'static {
    /// Floats in a vector: 16, 8 or 4.
    const N: usize;
    /// Vector registers: 32 or 16.
    const REGISTERS: usize;
    /// Whether `mac` rounds once.
    const FUSED: bool;
    /// Whether this set has [`Lanes::row_of_taps`] and [`Lanes::row_of_strip`].
    const HAS_ROWS: bool = false;
    /// A vector of N floats.
    type V: Copy;

    /// Loads N floats from any address.
    unsafe fn load(from: *const f32) -> Self::V;
    /// Stores N floats to any address.
    unsafe fn store(to: *mut f32, v: Self::V);
    /// Loads S rows of N / S floats each, `stride` floats apart. S is 1, 2 or 4, and N / S is at least 4.
    unsafe fn load_rows<const S: usize>(from: *const f32, stride: usize) -> Self::V;
    /// Stores S rows, laid out as for [`Lanes::load_rows`].
    unsafe fn store_rows<const S: usize>(to: *mut f32, stride: usize, v: Self::V);
    /// Loads four floats from each of the first N / 4 addresses.
    unsafe fn load_quads(from: &[*const f32; 4]) -> Self::V;
    /// Stores four floats to each of the first N / 4 addresses.
    unsafe fn store_quads(to: &[*mut f32; 4], v: Self::V);
    /// Stores the first `count` floats (0 to N) to any address and touches nothing else.
    unsafe fn store_first(to: *mut f32, count: usize, v: Self::V);
    /// Loads N rows of 4 floats, `stride` floats apart, transposed: lane l of vector w is float w of row l.
    unsafe fn load_transposed(from: *const f32, stride: usize) -> [Self::V; 4];
    /// Stores N rows of 4 floats, `stride` floats apart, transposed: lane l of vector w becomes float w of row l.
    unsafe fn store_transposed(to: *mut f32, stride: usize, vs: [Self::V; 4]);
    /// The same value in all lanes.
    unsafe fn splat(value: f32) -> Self::V;
    /// a + b
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// a * b
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// 0 where a <= 0, a elsewhere, including NaN.
    unsafe fn relu(a: Self::V) -> Self::V;
    /// 1 where a > 0, 0 elsewhere.
    unsafe fn is_positive(a: Self::V) -> Self::V;
    /// acc + a * b, rounded as the class requires.
    unsafe fn mac(a: Self::V, b: Self::V, acc: Self::V) -> Self::V;

    /// Adds three neighbouring taps to the sums of four output channels x three vectors of pixels, which begin at `at`. `column` is the
    /// number of floats from a tap to the next, `weights` are `[tap][channel]`. Each sum takes the taps in turn.
    unsafe fn row_of_taps(_sums: &mut [[Self::V; 3]; 4], _at: [*const f32; 3], _column: usize, _weights: *const f32) {
        unreachable!("HAS_ROWS is false")
    }

    /// Adds a row of a strip of four pixels to the sums of the nine taps of a weight gradient. `x` is the first tap of the first
    /// pixel, `row` the number of floats from its row to the next, and `dy` has a vector for each pixel. Each sum takes the pixels in
    /// turn.
    unsafe fn row_of_strip(_sums: &mut [Self::V; 9], _x: *const f32, _row: usize, _dy: *const f32) {
        unreachable!("HAS_ROWS is false")
    }

    /// Prefetches a cache line that will be needed soon. Any address is allowed.
    #[inline(always)]
    fn prefetch(_: *const f32) {}

    /// acc + a * b for one float, rounded as the class requires.
    #[inline(always)]
    fn mac1(a: f32, b: f32, acc: f32) -> f32 {
        if Self::FUSED { a.mul_add(b, acc) } else { a * b + acc }
    }
}
