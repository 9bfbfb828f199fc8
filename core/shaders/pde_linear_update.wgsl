#import mac
// A step of the linear one-layer equation, one element of the kernel per thread:
//     g = gram (G w) + (source + dot <s, w>) s + alpha w        w <- w - dt g
// with G the Gram matrix of the image's patches and s their sum. The coefficients determine the regime. Constants: ELEMENTS.

struct Coefficients {
    dt: f32,       // 0 once the replica has stopped
    alpha: f32,
    gram: f32,
    source: f32,
    dot: f32,
    unused0: f32,
    unused1: f32,
    unused2: f32,
}

@group(0) @binding(1) var<storage, read> gram: array<f32>;                    // [R] arenas: G w
@group(0) @binding(2) var<storage, read> source: array<f32>;                  // one arena, shared by all replicas
@group(0) @binding(3) var<storage, read> dots: array<f32>;                    // [R]
@group(0) @binding(4) var<storage, read> coefficients: array<Coefficients>;   // [R]
@group(0) @binding(5) var<storage, read_write> parameters: array<f32>;        // [R] arenas

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let e = (job.first_tile + tile.x) * 64u + lane;
    if (e >= ELEMENTS) {
        return;
    }
    let by = coefficients[tile.y];
    let at = tile.y * job.parameter_stride + e;
    let w = parameters[at];
    let g = mac(by.gram, gram[at], mac(mac(by.dot, dots[tile.y], by.source), source[e], opaque(by.alpha * w)));
    // select instead of a product with 0, because g may have overflowed.
    parameters[at] = select(w, mac(-by.dt, g, w), by.dt != 0.0);
}
