// Measures the copy bandwidth of the benchmarks. Every thread copies four vectors, whose loads are in flight at the same time.

@group(0) @binding(1) var<storage, read> from_buffer: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> to_buffer: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let at = (job.first_tile + tile.x) * 256u + lane;
    let a = from_buffer[at];
    let b = from_buffer[at + 64u];
    let c = from_buffer[at + 128u];
    let d = from_buffer[at + 192u];
    to_buffer[at] = a;
    to_buffer[at + 64u] = b;
    to_buffer[at + 128u] = c;
    to_buffer[at + 192u] = d;
}
