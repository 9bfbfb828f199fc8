// Coefficients with which bn_apply adds a bias instead of a batch norm: (y - 0) * 1 is y, so that a = activation(y + bias + shortcut).
// A thread computes one channel. Constants: C.

@group(0) @binding(1) var<storage, read> bias: array<f32>;              // arena from the layer's bias
@group(0) @binding(2) var<storage, read_write> channels: array<vec4f>;  // [R][C]: 0, 1, 1, bias

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let c = (job.first_tile + tile.x) * 64u + lane;
    if (c < C) {
        channels[tile.y * C + c] = vec4f(0.0, 1.0, 1.0, bias[tile.y * job.parameter_stride + c]);
    }
}
