#import division
#import math
// Applies one of the shared functions to given numbers, one per thread, for tests. The division divides by 1 in the first
// replica, by 2 in the second, and so on. Constants: FUNCTION. job.count: number of values.

@group(0) @binding(1) var<storage, read> values: array<u32>;           // [count]
@group(0) @binding(2) var<storage, read_write> results: array<u32>;    // [R][count]

fn result_of(bits: u32, k: u32) -> u32 {
    let x = bitcast<f32>(bits);
    switch FUNCTION {
        case 0u: { return divide_exactly(bits, k); }
        case 1u: { return bitcast<u32>(exp_finite(x)); }
        case 2u: { return bitcast<u32>(log_positive(x)); }
        case 3u: { return bitcast<u32>(sigmoid(x)); }
        default: { return bitcast<u32>(log1p_exp_neg_abs(x)); }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let i = (job.first_tile + tile.x) * 64u + lane;
    if (i < job.count) {
        results[tile.y * job.count + i] = result_of(values[i], tile.y + 1u);
    }
}
