#import division
#import opaque
#import pairwise
#import root
// Combines the blocks of each parameter tensor: mean of the relative distance, largest distance in ulps, number of differing
// elements, norms of the difference and of the reference. Order: lane l adds blocks l, l + 64, ... in turn; the lanes are
// added pairwise. One workgroup per tensor.

struct Distance {
    rel_l1: f32,
    max_ulp: u32,
    differing: u32,
    l2: f32,
    reference_l2: f32,
    unused0: u32,
    unused1: u32,
    unused2: u32,
}

@group(0) @binding(1) var<storage, read> blocks: array<vec4u>;            // [R][blocks][2], from divergence_blocks
@group(0) @binding(2) var<storage, read> tensors: array<vec4u>;           // first block, blocks, elements, 0
@group(0) @binding(3) var<storage, read_write> results: array<Distance>;  // [R][tensors]

struct Part {
    sums: vec3f,   // rel_l1, l2, reference_l2
    counts: vec2u, // max_ulp, differing
}

fn combine(a: Part, b: Part) -> Part {
    return Part(opaque3(a.sums + b.sums), vec2u(max(a.counts.x, b.counts.x), a.counts.y + b.counts.y));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = job.first_tile + tile.x;
    let tensor = tensors[index];
    let base = tile.y * (job.parameter_stride / 64u) + tensor.x;
    var part = Part();
    for (var i = lane; i < tensor.y; i += 64u) {
        let block = blocks[2u * (base + i)];
        let sums = bitcast<vec3f>(vec3u(block.x, block.w, blocks[2u * (base + i) + 1u].x));
        part = combine(part, Part(sums, block.yz));
    }
    let total = combine_lanes(part, lane);
    if (lane == 0u) {
        let rel_l1 = quotient(total.sums.x, f32(tensor.z));
        results[tile.y * job.tensors + index] =
            Distance(rel_l1, total.counts.x, total.counts.y, root(total.sums.y), root(total.sums.z), 0u, 0u, 0u);
    }
}
