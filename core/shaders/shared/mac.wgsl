#import opaque
// Accumulation: acc + a * b. All sums of products use these functions, the only ones whose rounding depends on the class of the
// device (docs/ORDER.md).

fn mac(a: f32, b: f32, acc: f32) -> f32 {
    return fma(a, b, acc);
}

fn mac3(a: f32, b: vec3f, acc: vec3f) -> vec3f {
    return fma(vec3f(a), b, acc);
}

fn mac4(a: f32, b: vec4f, acc: vec4f) -> vec4f {
    return fma(vec4f(a), b, acc);
}

// Sum of the four lanes of a vector, always in the order (x + y) + (z + w).
fn lane_sum(v: vec4f) -> f32 {
    let lanes = opaque4(v);
    return opaque(lanes.x + lanes.y) + opaque(lanes.z + lanes.w);
}

// 1 in lanes where `column` + lane is inside a row of `width`, else 0. Rows are padded to whole vectors with zeros.
fn column_mask(column: u32, width: u32) -> vec4f {
    return select(vec4f(0.0), vec4f(1.0), vec4u(column) + vec4u(0u, 1u, 2u, 3u) < vec4u(width));
}

// `value` in columns inside a row of `width`, zeros of its sign beyond.
fn masked(value: vec4f, column: u32, width: u32) -> vec4f {
    return opaque4(value) * column_mask(column, width);
}
