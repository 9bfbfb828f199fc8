// The fault injector: flips the last bit of one parameter. job.argument: its element in the arena; argument2: replica.

@group(0) @binding(1) var<storage, read_write> parameters: array<u32>;  // [R] arenas

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) tile: vec3u) {
    if (tile.y == job.argument2 && tile.x + job.first_tile == 0u) {
        let at = tile.y * job.parameter_stride + job.argument;
        parameters[at] = parameters[at] ^ 1u;
    }
}
