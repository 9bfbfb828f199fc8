// sum = a + b, elementwise: planes with their zero borders, or features. A thread does 4 elements.

@group(0) @binding(1) var<storage, read> a: array<f32>;           // [R][elements]
@group(0) @binding(2) var<storage, read> b: array<f32>;           // [R][elements]
@group(0) @binding(3) var<storage, read_write> sum: array<f32>;   // [R][elements]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let first = (job.first_tile + tile.x) * 256u + lane;
    for (var element = first; element < min(first + 256u, job.elements); element += 64u) {
        let at = tile.y * job.elements + element;
        sum[at] = a[at] + b[at];
    }
}
