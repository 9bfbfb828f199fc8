#import division
#import mac
#import math
#import root
// Applies one of the shared functions to given operands, one result per thread: for tests, for certificates, and to find the class of
// a device. Constants: FUNCTION (of ops/functions.rs). job.count: number of operands.

@group(0) @binding(1) var<storage, read> operands: array<vec4u>;       // [count]: bits of x, y, z (or an integer), 0
@group(0) @binding(2) var<storage, read_write> results: array<u32>;    // [count]

fn result_of(bits: vec4u) -> u32 {
    let x = bitcast<f32>(bits.x);
    let y = bitcast<f32>(bits.y);
    switch FUNCTION {
        case 0u: { return divide_exactly(bits.x, bits.y); }
        case 1u: { return bitcast<u32>(exp_finite(x)); }
        case 2u: { return bitcast<u32>(log_positive(x)); }
        case 3u: { return bitcast<u32>(sigmoid(x)); }
        case 4u: { return bitcast<u32>(log1p_exp_neg_abs(x)); }
        case 5u: { return bitcast<u32>(quotient(x, y)); }
        case 6u: { return bitcast<u32>(root(x)); }
        case 7u: { return bitcast<u32>(mac(x, y, bitcast<f32>(bits.z))); }
        case 8u: { return bitcast<u32>(x * y); }
        case 9u: { return bitcast<u32>(x + y); }
        default: { return bitcast<u32>(hyperbolic_tangent(x)); }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let i = (job.first_tile + tile.x) * 64u + lane;
    if (i < job.count) {
        results[i] = result_of(operands[i]);
    }
}
