#import mac
#import relative
// Distance of each replica's parameters from the reference's, for each block of 64 consecutive parameters (one thread):
// sum of 2|a-b| / (|a|+|b|), largest distance in ulps, number of elements whose bits differ, sums of (a-b)^2 and b^2.
// Order: each vector lane adds its elements in turn, then the four lanes are added.

@group(0) @binding(1) var<storage, read> parameters: array<vec4f>;      // [R] arenas
@group(0) @binding(2) var<storage, read> reference: array<vec4f>;       // the arena of the first replica of the run
@group(0) @binding(3) var<storage, read_write> blocks: array<vec4u>;    // [R][blocks][2]: the five values

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let n_blocks = job.parameter_stride / 64u;
    let block = (job.first_tile + tile.x) * 64u + lane;
    if (block >= n_blocks) {
        return;
    }
    let base = tile.y * (job.parameter_stride / 4u) + block * 16u;
    var sum = vec4f(0.0);
    var squares = vec4f(0.0);
    var reference_squares = vec4f(0.0);
    var farthest = vec4u(0u);
    var differing = vec4u(0u);
    for (var i = 0u; i < 16u; i++) {
        let a = parameters[base + i];
        let b = reference[block * 16u + i];
        let ua = bitcast<vec4u>(a);
        let ub = bitcast<vec4u>(b);
        reference_squares = fma(b, b, reference_squares);
        if (any(ua != ub)) {
            let distances = vec4f(relative(ua.x, ub.x), relative(ua.y, ub.y), relative(ua.z, ub.z), relative(ua.w, ub.w));
            sum = opaque4(sum + distances);
            squares = fma(a - b, a - b, squares);
            farthest = max(farthest, vec4u(ulps(ua.x, ub.x), ulps(ua.y, ub.y), ulps(ua.z, ub.z), ulps(ua.w, ub.w)));
            differing += select(vec4u(0u), vec4u(1u), ua != ub);
        }
    }
    let most = max(max(farthest.x, farthest.y), max(farthest.z, farthest.w));
    let count = differing.x + differing.y + differing.z + differing.w;
    let at = 2u * (tile.y * n_blocks + block);
    blocks[at] = vec4u(bitcast<u32>(lane_sum(sum)), most, count, bitcast<u32>(lane_sum(squares)));
    blocks[at + 1u] = vec4u(bitcast<u32>(lane_sum(reference_squares)), 0u, 0u, 0u);
}
