#import mac
#import pairwise
// Inner product of each replica's kernel with the sum of the image's patches. Order: lane l takes elements l, l + 64, ... in
// turn; the lanes are added pairwise. One workgroup per replica. Constants: ELEMENTS.

@group(0) @binding(1) var<storage, read> parameters: array<f32>;      // [R] arenas
@group(0) @binding(2) var<storage, read> source: array<f32>;          // one arena, shared by all replicas
@group(0) @binding(3) var<storage, read_write> dots: array<f32>;      // [R]

alias Part = f32;

fn combine(a: Part, b: Part) -> Part {
    return a + b;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    var part = 0.0;
    for (var e = (job.first_tile + tile.x) * 64u + lane; e < ELEMENTS; e += 64u) {
        part = mac(parameters[tile.y * job.parameter_stride + e], source[e], part);
    }
    let dot_product = combine_lanes(part, lane);
    if (lane == 0u) {
        dots[tile.y] = dot_product;
    }
}
