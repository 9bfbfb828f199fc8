// The fault injector: flips the last bit of one parameter. job.element: its index in the arena. job.replica: the replica.

@group(0) @binding(1) var<storage, read_write> parameters: array<u32>;  // [R] arenas

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) tile: vec3u) {
    if (tile.y == job.replica && tile.x + job.first_tile == 0u) {
        let at = tile.y * job.parameter_stride + job.element;
        parameters[at] = parameters[at] ^ 1u;
    }
}
