//! Counterpart of shaders/shared/mix.wgsl: a position-dependent hash of a word.

/// Finaliser of MurmurHash3 (Appleby).
#[inline(always)]
pub fn avalanche(value: u32) -> u32 {
    let h = (value ^ (value >> 16)).wrapping_mul(0x85eb_ca6b);
    let h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

/// The hash of a word at `index` of a tensor; `of_tensor` is `avalanche(tensor ^ salt)`.
#[inline(always)]
pub fn mix(bits: u32, index: u32, of_tensor: u32) -> u32 {
    avalanche(bits ^ avalanche(index ^ of_tensor))
}
