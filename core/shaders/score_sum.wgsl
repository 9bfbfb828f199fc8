#import opaque
#import pairwise
// Adds the losses and correct answers of all samples. Order: lane l adds samples l, l + 64, ... in turn; the lanes are added
// pairwise. One workgroup per replica.

@group(0) @binding(1) var<storage, read> scores: array<vec2f>;           // [R][N]
@group(0) @binding(2) var<storage, read_write> totals: array<vec2f>;     // [R]: sum of losses, number of correct answers

alias Part = vec2f;

fn combine(a: Part, b: Part) -> Part {
    return a + b;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let first = (job.first_tile + tile.x) * 64u + lane;
    var part = vec2f(0.0);
    for (var n = first; n < job.samples; n += 64u) {
        part = opaque2(part + scores[tile.y * job.samples + n]);
    }
    let total = combine_lanes(part, lane);
    if (lane == 0u) {
        totals[tile.y] = total;
    }
}
