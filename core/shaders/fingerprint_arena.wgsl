#import mix
// Adds one more arena of optimiser state to the fingerprint of each block of 64 parameters (one thread): wrapping sums of
// mix(bits, index, tensor). Integers wrap, so the order does not matter. Each arena has its own salt.

@group(0) @binding(1) var<storage, read> arena: array<u32>;              // [R] arenas
@group(0) @binding(2) var<storage, read> tensor_of_block: array<vec4u>;  // tensor, index of the first element in it, elements of the block
@group(0) @binding(3) var<storage, read_write> blocks: array<vec2u>;     // [R][blocks]

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let n_blocks = job.parameter_stride / 64u;
    let block = (job.first_tile + tile.x) * 64u + lane;
    if (block >= n_blocks) {
        return;
    }
    let place = tensor_of_block[block];
    let base = tile.y * job.parameter_stride + block * 64u;
    var sum = vec2u(0u);
    for (var i = 0u; i < place.z; i++) {
        let index = place.y + i;
        sum += vec2u(mix(arena[base + i], index, place.x, job.salt), mix(arena[base + i], index, place.x, job.salt + 1u));
    }
    blocks[tile.y * n_blocks + block] += sum;
}
