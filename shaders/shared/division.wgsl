// Correctly rounded division of a float32 by a small integer, on its bits (WGSL's `/` may be off by 2.5 ulp).

// IEEE-754 quotient of the float with these bits and k (1 <= k <= 63), rounded half to even, subnormals included.
// The division extends the 24-bit significand by 7 bits and keeps a sticky bit. That is enough to round correctly: the
// quotient is at least 2^30 / 63 > 2^24, so a guard bit and the remainder decide every case.
fn divide_exactly(bits: u32, k: u32) -> u32 {
    let sign = bits & 0x80000000u;
    let magnitude = bits & 0x7fffffffu;
    if (magnitude == 0u || magnitude >= 0x7f800000u) {
        return bits; // zero, infinity, NaN
    }
    // Significand in [2^23, 2^24), value = significand * 2^(exponent - 150). Subnormals are normalised first.
    var exponent = i32(magnitude >> 23u);
    var significand = magnitude & 0x007fffffu;
    if (exponent == 0) {
        let shift = countLeadingZeros(significand) - 8u;
        significand = significand << shift;
        exponent = 1 - i32(shift);
    } else {
        significand = significand | 0x00800000u;
    }
    let dividend = significand << 7u;
    var quotient = dividend / k;
    var sticky = u32(dividend != quotient * k);
    // value = quotient * 2^(exponent - 157). Reduce the quotient to 24 bits.
    let bits_over = 8u - countLeadingZeros(quotient); // 1..7 above 24 bits
    var drop = bits_over;
    var biased = exponent - 7 + i32(bits_over);
    if (biased < 1) {
        // Subnormal result: fewer bits remain.
        drop = min(bits_over + u32(1 - biased), 31u);
        biased = 1;
    }
    let kept = quotient >> drop;
    let rest = quotient & ((1u << drop) - 1u);
    let half = 1u << (drop - 1u);
    let up = rest > half || (rest == half && (sticky != 0u || (kept & 1u) != 0u));
    let rounded = kept + u32(up);
    // The hidden bit of a normal result carries into the exponent, and so does rounding up.
    return sign | ((u32(biased - 1) << 23u) + rounded);
}
