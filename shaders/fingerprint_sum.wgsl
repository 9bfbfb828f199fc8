// Adds the blocks of each replica's fingerprint. One workgroup per replica.

@group(0) @binding(1) var<storage, read> blocks: array<vec2u>;              // [R][blocks]
@group(0) @binding(2) var<storage, read_write> fingerprints: array<vec2u>;  // [R]

var<workgroup> sh_part: array<vec2u, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let n_blocks = job.parameter_stride / 64u;
    var part = vec2u(0u);
    for (var i = job.first_tile * 64u + lane; i < n_blocks; i += 64u) {
        part += blocks[tile.y * n_blocks + i];
    }
    sh_part[lane] = part;
    workgroupBarrier();
    for (var width = 32u; width > 0u; width >>= 1u) {
        if (lane < width) {
            sh_part[lane] += sh_part[lane + width];
        }
        workgroupBarrier();
    }
    if (lane == 0u) {
        fingerprints[tile.y] = sh_part[0];
    }
}
