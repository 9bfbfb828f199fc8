// Packs convolution weights in the order in which kernels read them, four output channels to a vector, with zeros beyond the
// last channel: once for the forward pass and once, transposed and with reversed taps, for the gradient by the input.
// A thread writes one vector. A table maps each group of 64 vectors to its layer.

struct Layer {
    source: u32,      // first element in the parameter arena
    first_vector: u32, // first vector in the packed arena
    outer: u32,       // channels that go four to a vector: K forward, C for the gradient
    inner: u32,       // channels that are summed over: C forward, K for the gradient
    taps: u32,        // 1 or 9
    transposed: u32,  // 1: outer is the weight's second axis, and the taps are reversed
    vectors: u32,     // number of vectors of the layer
    padding: u32,
}

@group(0) @binding(1) var<storage, read> parameters: array<f32>;           // [R] arenas, weights [K][C][taps]
@group(0) @binding(2) var<storage, read> layers: array<Layer>;
@group(0) @binding(3) var<storage, read> layer_of_tile: array<u32>;
@group(0) @binding(4) var<storage, read_write> packed: array<vec4f>;       // [R] arenas

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = job.first_tile + group.x;
    let layer = layers[layer_of_tile[tile]];
    let v = tile * 64u + lane - layer.first_vector;
    if (v >= layer.vectors) {
        return;
    }
    let tap = v % layer.taps;
    let inner = (v / layer.taps) % layer.inner;
    let outer = (v / (layer.taps * layer.inner)) * 4u;
    let source_tap = select(tap, layer.taps - 1u - tap, layer.transposed == 1u);
    let base = group.y * job.parameter_stride + layer.source;
    var value = vec4f(0.0);
    for (var j = 0u; j < 4u; j++) {
        if (outer + j < layer.outer) {
            var pair = (outer + j) * layer.inner + inner;
            if (layer.transposed == 1u) {
                pair = inner * layer.outer + outer + j;
            }
            value[j] = parameters[base + pair * layer.taps + source_tap];
        }
    }
    packed[group.y * (job.packed_stride / 4u) + layer.first_vector + v] = value;
}
