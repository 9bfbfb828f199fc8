// How fast this adapter streams memory: every thread copies one vector. What the benchmarks call the copy bandwidth.

@group(0) @binding(1) var<storage, read> from_buffer: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> to_buffer: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let at = (job.first_tile + tile.x) * 64u + lane;
    to_buffer[at] = from_buffer[at];
}
