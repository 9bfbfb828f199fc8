#import root
// Computes the coefficients of each channel from the running statistics, for evaluation. A thread computes one channel.
// Constants: C, EPSILON.

@group(0) @binding(1) var<storage, read> scale: array<f32>;             // arena from the layer's scale
@group(0) @binding(2) var<storage, read> shift: array<f32>;             // arena from the layer's shift
@group(0) @binding(3) var<storage, read> running: array<f32>;           // arena of statistics from the mean
@group(0) @binding(4) var<storage, read_write> channels: array<vec4f>;  // [R][C]: mean, 1/sqrt(var+eps), scale, shift

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let c = (job.first_tile + tile.x) * 64u + lane;
    if (c >= C) {
        return;
    }
    let p = tile.y * job.parameter_stride + c;
    let s = tile.y * job.running_stride + c;
    // job.mean_to_variance: elements from the layer's mean to its variance in the arena.
    let deviation = root(running[s + job.mean_to_variance] + EPSILON);
    channels[tile.y * C + c] = vec4f(running[s], quotient(1.0, deviation), scale[p], shift[p]);
}
