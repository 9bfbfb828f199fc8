#import pairwise
// Adds the blocks of each replica's fingerprint. One workgroup per replica.

@group(0) @binding(1) var<storage, read> blocks: array<vec2u>;              // [R][blocks]
@group(0) @binding(2) var<storage, read_write> fingerprints: array<vec2u>;  // [R]

alias Part = vec2u;

fn combine(a: Part, b: Part) -> Part {
    return a + b;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let n_blocks = job.parameter_stride / 64u;
    var part = vec2u(0u);
    for (var i = job.first_tile * 64u + lane; i < n_blocks; i += 64u) {
        part += blocks[tile.y * n_blocks + i];
    }
    let sum = combine_lanes(part, lane);
    if (lane == 0u) {
        fingerprints[tile.y] = sum;
    }
}
