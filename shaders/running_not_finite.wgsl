// The first running statistic of each replica that is not finite: the first layer of a step's forward pass whose values
// were not. By bits, because compilers may assume that there is no Inf or NaN. One workgroup a replica.

@group(0) @binding(1) var<storage, read> running: array<u32>;        // [R] arenas of statistics
@group(0) @binding(2) var<storage, read_write> firsts: array<u32>;   // [R]: element of the arena, its length for none

var<workgroup> sh_first: array<u32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    var first = job.running_stride;
    for (var i = job.first_tile * 64u + lane; i < job.running_stride; i += 64u) {
        let is_finite = (running[tile.y * job.running_stride + i] & 0x7f800000u) != 0x7f800000u;
        first = select(min(first, i), first, is_finite);
    }
    sh_first[lane] = first;
    workgroupBarrier();
    for (var width = 32u; width > 0u; width >>= 1u) {
        if (lane < width) {
            sh_first[lane] = min(sh_first[lane], sh_first[lane + width]);
        }
        workgroupBarrier();
    }
    if (lane == 0u) {
        firsts[tile.y] = sh_first[0];
    }
}
