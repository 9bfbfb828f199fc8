#import division
// Correctly rounded square root. WGSL inherits the error of its sqrt from 1 / inverseSqrt(x): 2 ulp, then 2.5 ulp of the quotient, which
// is at most 9 units in the last place of the root, or 18 if the device's result is beyond the next power of two.

// IEEE-754 square root. The device's own root of the significand gives 24 bits, nearly; the integer remainder, which wraps but is
// small, corrects them and decides the rounding. There are no ties.
fn root(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let magnitude = bits & 0x7fffffffu;
    if (magnitude == 0u || bits == 0x7f800000u) {
        return x;
    }
    if (bits > 0x7f800000u) {
        return bitcast<f32>(bits | 0x7fc00000u); // negative or NaN
    }
    let parts = parts_of(magnitude);
    // significand * 2^scale, whose root is in [2^23, 2^24), with an even exponent.
    let scale = 24u - (u32(parts.exponent) & 1u);
    var s = u32(sqrt(f32(parts.significand << (scale - 22u))) * 2048.0);
    var rest = i32((parts.significand << scale) - s * s);
    for (var i = 0u; i < 20u && rest < 0; i++) {
        s -= 1u;
        rest += i32(2u * s + 1u);
    }
    for (var i = 0u; i < 20u && rest > i32(2u * s); i++) {
        rest -= i32(2u * s + 1u);
        s += 1u;
    }
    let exponent = (parts.exponent - 150 - i32(scale)) / 2 + 150;
    return bitcast<f32>((u32(exponent - 1) << 23u) + s + u32(rest > i32(s)));
}
