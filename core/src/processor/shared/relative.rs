//! Counterpart of shaders/shared/relative.wgsl: how far two floats are apart. Without branches, so that loops vectorise.

/// The rank of a float in the order of all floats.
#[inline(always)]
fn rank(bits: u32) -> i32 {
    if bits & 0x8000_0000 != 0 { i32::MIN.wrapping_sub(bits as i32) } else { bits as i32 }
}

/// Distance in units in the last place.
#[inline(always)]
pub fn ulps(a: u32, b: u32) -> u32 {
    let (ra, rb) = (rank(a), rank(b));
    let distance = (ra as u32).wrapping_sub(rb as u32);
    if ra > rb { distance } else { distance.wrapping_neg() }
}

/// A float times 2^(steps / 2^23), computed on its bits. Subnormal numbers count as zero.
#[inline(always)]
fn moved(bits: u32, steps: i32) -> f32 {
    let exponent = (bits & 0x7f80_0000) as i32;
    let value = f32::from_bits(bits.wrapping_add(steps as u32));
    if (exponent > 0) & (exponent.wrapping_add(steps) > 0) { value } else { 0.0 }
}

/// 2|a-b| / (|a|+|b|); 0 if the bits are equal or both are zero, 2 if one side is not finite.
#[inline(always)]
pub fn relative(a: u32, b: u32) -> f32 {
    let top = (a & 0x7f80_0000).max(b & 0x7f80_0000);
    let up = if top < 0x2000_0000 { 0x2000_0000 } else { 0 };
    let steps = if top > 0x7d80_0000 { -0x0200_0000 } else { up };
    let (x, y) = (moved(a, steps), moved(b, steps));
    let sum = x.abs() + y.abs();
    let quotient = 2.0 * ((x - y).abs() / sum);
    let finite = if sum > 0.0 { quotient } else { 0.0 };
    let value = if top == 0x7f80_0000 { 2.0 } else { finite };
    if a == b { 0.0 } else { value }
}
