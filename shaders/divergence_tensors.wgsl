// Adds the blocks of each parameter tensor: mean of the relative distance, largest distance in ulps, differing
// elements. Order: lane l adds blocks l, l + 64, ... in turn; the lanes are added pairwise. One workgroup a tensor.

@group(0) @binding(1) var<storage, read> blocks: array<vec4u>;          // [R][blocks]
@group(0) @binding(2) var<storage, read> tensors: array<vec4u>;         // first block, blocks, elements, 0
@group(0) @binding(3) var<storage, read_write> results: array<vec4u>;   // [R][tensors]: bits of the mean, ulps, differing, 0

var<workgroup> sh_sum: array<f32, 64>;
var<workgroup> sh_count: array<vec2u, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = job.first_tile + tile.x;
    let tensor = tensors[index];
    let base = tile.y * (job.parameter_stride / 64u) + tensor.x;
    var sum = 0.0;
    var count = vec2u(0u);
    for (var i = lane; i < tensor.y; i += 64u) {
        let block = blocks[base + i];
        sum += bitcast<f32>(block.x);
        count = vec2u(max(count.x, block.y), count.y + block.z);
    }
    sh_sum[lane] = sum;
    sh_count[lane] = count;
    workgroupBarrier();
    for (var width = 32u; width > 0u; width >>= 1u) {
        if (lane < width) {
            sh_sum[lane] += sh_sum[lane + width];
            let other = sh_count[lane + width];
            sh_count[lane] = vec2u(max(sh_count[lane].x, other.x), sh_count[lane].y + other.y);
        }
        workgroupBarrier();
    }
    if (lane == 0u) {
        let mean = sh_sum[0] / f32(tensor.z);
        results[tile.y * job.argument + index] = vec4u(bitcast<u32>(mean), sh_count[0], 0u);
    }
}
