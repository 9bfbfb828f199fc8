#import division
// The distance of two floats, in units in the last place and relative to their magnitudes.

// Rank of a float in the order of all floats.
fn rank(bits: u32) -> i32 {
    return select(i32(bits), i32(0x80000000u) - i32(bits), (bits & 0x80000000u) != 0u);
}

fn ulps(a: u32, b: u32) -> u32 {
    let ra = rank(a);
    let rb = rank(b);
    // Unsigned, because the distance of two ranks can exceed 2^31.
    return select(u32(rb) - u32(ra), u32(ra) - u32(rb), ra > rb);
}

// A float times 2^(steps / 2^23), computed on its bits. Subnormal numbers count as zero, because adapters may flush them.
fn moved(bits: u32, steps: i32) -> f32 {
    let exponent = i32(bits & 0x7f800000u);
    return select(0.0, bitcast<f32>(u32(i32(bits) + steps)), exponent > 0 && exponent + steps > 0);
}

// 2|a-b| / (|a|+|b|); 0 where the bits are equal or both are zero, 2 where one side is not finite.
fn relative(a: u32, b: u32) -> f32 {
    if (a == b) {
        return 0.0;
    }
    let top = max(a & 0x7f800000u, b & 0x7f800000u);
    if (top == 0x7f800000u) {
        return 2.0;
    }
    // Scale both by the same power of 2, so that the sum does not overflow and the difference is not subnormal. A
    // multiplication does not work, because compilers may move the factor out of the sum.
    let steps = select(select(0, 0x20000000, top < 0x20000000u), -0x02000000, top > 0x7d800000u);
    let x = moved(a, steps);
    let y = moved(b, steps);
    let sum = abs(x) + abs(y);
    return select(0.0, 2.0 * quotient(abs(x - y), sum), sum > 0.0);
}
