// Correctly rounded quotients on the bits of float32, rounded half to even, subnormals included. WGSL's `/` may be off by 2.5 ulp.

// A finite float other than zero: significand * 2^(exponent - 150), with the significand in [2^23, 2^24).
struct Parts {
    significand: u32,
    exponent: i32,
}

// The parts of the float with the bits `magnitude`, whose sign is clear.
fn parts_of(magnitude: u32) -> Parts {
    let exponent = i32(magnitude >> 23u);
    let fraction = magnitude & 0x007fffffu;
    if (exponent == 0) {
        // Subnormals are normalised.
        let shift = countLeadingZeros(fraction) - 8u;
        return Parts(fraction << shift, 1 - i32(shift));
    }
    return Parts(fraction | 0x00800000u, exponent);
}

// Bits of the float nearest to value * 2^(exponent - 150), where `value` has more than 24 bits, and `sticky` says that the exact
// value is a little larger.
fn nearest_float(value: u32, exponent: i32, sticky: bool) -> u32 {
    let bits_over = 8u - countLeadingZeros(value); // 1..7 above 24 bits
    var biased = exponent + i32(bits_over);
    var drop = bits_over;
    if (biased < 1) {
        // Fewer bits remain in a subnormal result.
        drop = min(bits_over + u32(1 - biased), 31u);
        biased = 1;
    }
    let kept = value >> drop;
    let rest = value & ((1u << drop) - 1u);
    let half = 1u << (drop - 1u);
    let up = rest > half || (rest == half && (sticky || (kept & 1u) != 0u));
    // The hidden bit of a normal result carries into the exponent, and so does rounding up. Beyond the largest float: infinity.
    return min((u32(biased - 1) << 23u) + kept + u32(up), 0x7f800000u);
}

// IEEE-754 quotient of the float with these bits and k (1 <= k <= 63).
// The division extends the 24-bit significand by 7 bits and keeps a sticky bit. That is enough to round correctly: the
// quotient is at least 2^30 / 63 > 2^24, so a guard bit and the remainder decide every case.
fn divide_exactly(bits: u32, k: u32) -> u32 {
    let magnitude = bits & 0x7fffffffu;
    if (magnitude == 0u || magnitude >= 0x7f800000u) {
        return bits; // zero, infinity, NaN
    }
    let parts = parts_of(magnitude);
    let dividend = parts.significand << 7u;
    let quotient = dividend / k;
    return (bits & 0x80000000u) | nearest_float(quotient, parts.exponent - 7, dividend != quotient * k);
}

// IEEE-754 quotient a / b. The device's own quotient of the significands gives 24 bits, nearly; the integer remainder, which wraps
// but is small, corrects them and decides the rounding.
fn quotient(a: f32, b: f32) -> f32 {
    let top = bitcast<u32>(a) & 0x7fffffffu;
    let bottom = bitcast<u32>(b) & 0x7fffffffu;
    let sign = (bitcast<u32>(a) ^ bitcast<u32>(b)) & 0x80000000u;
    if (min(top, bottom) == 0u || max(top, bottom) >= 0x7f800000u) {
        return bitcast<f32>(quotient_of_limits(sign, top, bottom));
    }
    let x = parts_of(top);
    let y = parts_of(bottom);
    // The quotient of the significands, times 2^23 or 2^24, is in [2^23, 2^24).
    let is_less = x.significand < y.significand;
    let scale = select(23u, 24u, is_less);
    var q = u32((f32(x.significand) / f32(y.significand)) * select(8388608.0, 16777216.0, is_less));
    let divisor = i32(y.significand);
    var rest = i32((x.significand << scale) - q * y.significand);
    // WGSL allows 2.5 ulp, so at most three units are too many or missing, or six if the device's result is beyond 1.
    for (var i = 0u; i < 8u && rest < 0; i++) {
        q -= 1u;
        rest += divisor;
    }
    for (var i = 0u; i < 8u && rest >= divisor; i++) {
        q += 1u;
        rest -= divisor;
    }
    // One more bit, and whether anything is left.
    let guard = 2 * rest >= divisor;
    let left = 2 * rest - select(0, divisor, guard);
    let exponent = x.exponent - y.exponent + select(126, 125, is_less);
    return bitcast<f32>(sign | nearest_float(2u * q + u32(guard), exponent, left != 0));
}

// Bits of the quotient of two magnitudes, of which one is zero, infinity or NaN.
fn quotient_of_limits(sign: u32, top: u32, bottom: u32) -> u32 {
    let is_nan = max(top, bottom) > 0x7f800000u || (top == bottom);
    let is_zero = top == 0u || bottom == 0x7f800000u;
    return select(sign | select(0x7f800000u, 0u, is_zero), 0x7fc00000u, is_nan);
}
