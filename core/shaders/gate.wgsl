// out = x where the first replica's gate is above zero, else 0, elementwise: a ReLU, or its gradient, that is switched for all replicas as
// it is for the first one. Planes with their zero borders, or features. A thread does 4 elements.

@group(0) @binding(1) var<storage, read> gate: array<f32>;        // [R][elements], of which only the first replica's are read
@group(0) @binding(2) var<storage, read> x: array<f32>;           // [R][elements]
@group(0) @binding(3) var<storage, read_write> out: array<f32>;   // [R][elements]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let first = (job.first_tile + tile.x) * 256u + lane;
    for (var element = first; element < min(first + 256u, job.elements); element += 64u) {
        let at = tile.y * job.elements + element;
        out[at] = select(0.0, x[at], gate[element] > 0.0);
    }
}
