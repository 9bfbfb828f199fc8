#import mac
// Adds the blocks of a weight gradient in eight chains (block b goes to chain b mod 8, in order), and the chains as
// ((0+1)+(2+3))+((4+5)+(6+7)). Constants: ELEMENTS (of the weight tensor). job.blocks: number of blocks.

@group(0) @binding(1) var<storage, read> partial: array<f32>;            // [R][blocks][ELEMENTS]
@group(0) @binding(2) var<storage, read_write> gradient: array<f32>;     // arena from the tensor

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let e = (job.first_tile + tile.x) * 64u + lane;
    if (e >= ELEMENTS) {
        return;
    }
    let r = tile.y;
    let blocks = job.blocks;
    var at = r * blocks * ELEMENTS + e;
    var low = vec4f(0.0);
    var high = vec4f(0.0);
    for (var b = 0u; b + 8u <= blocks; b += 8u) {
        let first = vec4f(partial[at], partial[at + ELEMENTS], partial[at + 2u * ELEMENTS], partial[at + 3u * ELEMENTS]);
        at += 4u * ELEMENTS;
        let second = vec4f(partial[at], partial[at + ELEMENTS], partial[at + 2u * ELEMENTS], partial[at + 3u * ELEMENTS]);
        at += 4u * ELEMENTS;
        low = opaque4(low + first);
        high = opaque4(high + second);
    }
    for (var i = 0u; i < blocks % 8u; i++) {
        let lane_mask = vec4u(i) == vec4u(0u, 1u, 2u, 3u);
        let lane_mask_high = vec4u(i) == vec4u(4u, 5u, 6u, 7u);
        let value = vec4f(partial[at + i * ELEMENTS]);
        low = opaque4(low + select(vec4f(0.0), value, lane_mask));
        high = opaque4(high + select(vec4f(0.0), value, lane_mask_high));
    }
    gradient[r * job.parameter_stride + e] = opaque(lane_sum(low)) + opaque(lane_sum(high));
}
