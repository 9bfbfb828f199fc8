#import pairwise
// Finds the first running statistic of each replica that is not finite. It belongs to the first layer of a step's forward pass
// with values that are not finite. The test uses bits, because compilers may assume that Inf and NaN do not occur. One workgroup
// per replica.

@group(0) @binding(1) var<storage, read> running: array<u32>;        // [R] arenas of statistics
@group(0) @binding(2) var<storage, read_write> firsts: array<u32>;   // [R]: index in the arena, or its length if all are finite

alias Part = u32;

fn combine(a: Part, b: Part) -> Part {
    return min(a, b);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    var first = job.running_stride;
    for (var i = job.first_tile * 64u + lane; i < job.running_stride; i += 64u) {
        let is_finite = (running[tile.y * job.running_stride + i] & 0x7f800000u) != 0x7f800000u;
        first = select(min(first, i), first, is_finite);
    }
    let first_of_all = combine_lanes(first, lane);
    if (lane == 0u) {
        firsts[tile.y] = first_of_all;
    }
}
