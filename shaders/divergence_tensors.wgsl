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

var<workgroup> sh_sums: array<vec3f, 64>;
var<workgroup> sh_counts: array<vec2u, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = job.first_tile + tile.x;
    let tensor = tensors[index];
    let base = tile.y * (job.parameter_stride / 64u) + tensor.x;
    var sums = vec3f(0.0);
    var counts = vec2u(0u);
    for (var i = lane; i < tensor.y; i += 64u) {
        let block = blocks[2u * (base + i)];
        sums += bitcast<vec3f>(vec3u(block.x, block.w, blocks[2u * (base + i) + 1u].x));
        counts = vec2u(max(counts.x, block.y), counts.y + block.z);
    }
    sh_sums[lane] = sums;
    sh_counts[lane] = counts;
    workgroupBarrier();
    for (var width = 32u; width > 0u; width >>= 1u) {
        if (lane < width) {
            sh_sums[lane] += sh_sums[lane + width];
            let other = sh_counts[lane + width];
            sh_counts[lane] = vec2u(max(sh_counts[lane].x, other.x), sh_counts[lane].y + other.y);
        }
        workgroupBarrier();
    }
    if (lane == 0u) {
        let total = sh_sums[0];
        let count = sh_counts[0];
        results[tile.y * job.tensors + index] =
            Distance(total.x / f32(tensor.z), count.x, count.y, sqrt(total.y), sqrt(total.z), 0u, 0u, 0u);
    }
}
