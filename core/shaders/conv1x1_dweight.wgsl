#import mac
// Gradient of a 1x1 convolution (stride 1) by its weights, as one partial sum for each block of pixels:
// partial[block][k][c] = sum over the block of dy[n,k,h,w] * x[n,c,h,w].
//
// Blocks and order as in conv3x3_dweight. A thread computes TILE_K output channels x TILE_C input channels.
// Constants: C, K, HEIGHT, WIDTH, ROW, PLANE (vec4 units), IMAGES, TILE_C, TILE_K, LANES.

@group(0) @binding(1) var<storage, read> x: array<vec4f>;             // planes [R][N][C]
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;            // planes [R][N][K]
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;   // [R][blocks][K][C]

const STRIPS = (WIDTH + 3u) / 4u;
const GROUPS_C = (C + TILE_C - 1u) / TILE_C;
const GROUPS_K = (K + TILE_K - 1u) / TILE_K;
const THREADS = GROUPS_C * GROUPS_K;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let blocks = STRIPS * ((job.samples + IMAGES - 1u) / IMAGES);
    let thread = (job.first_tile + tile.x) * LANES + lane;
    let t = min(thread, THREADS * blocks - 1u);
    // Strips vary fastest, so that neighbouring threads load neighbouring vectors.
    let strip = t % STRIPS;
    let c = ((t / STRIPS) % GROUPS_C) * TILE_C;
    let k = ((t / (STRIPS * GROUPS_C)) % GROUPS_K) * TILE_K;
    let image_block = t / (STRIPS * THREADS);
    let first_image = image_block * IMAGES;
    let images = min(IMAGES, job.samples - first_image);
    var acc: array<array<f32, TILE_C>, TILE_K>;
    for (var i = 0u; i < images; i++) {
        let n = tile.y * job.samples + first_image + i;
        for (var h = 0u; h < HEIGHT; h++) {
            let pixels = (h + 1u) * ROW + 1u + strip;
            // Tiles may extend beyond C and K. There, threads read the last channel again and write nothing.
            var v: array<vec4f, TILE_C>;
            for (var l = 0u; l < TILE_C; l++) {
                v[l] = x[(n * C + min(c + l, C - 1u)) * PLANE + pixels];
            }
            for (var j = 0u; j < TILE_K; j++) {
                let d = dy[(n * K + min(k + j, K - 1u)) * PLANE + pixels];
                for (var l = 0u; l < TILE_C; l++) {
                    acc[j][l] = mac(d.w, v[l].w, mac(d.z, v[l].z, mac(d.y, v[l].y, mac(d.x, v[l].x, acc[j][l]))));
                }
            }
        }
    }
    if (thread >= THREADS * blocks) {
        return;
    }
    let block = tile.y * blocks + image_block * STRIPS + strip;
    for (var j = 0u; j < TILE_K; j++) {
        for (var l = 0u; l < TILE_C; l++) {
            if (k + j < K && c + l < C) {
                partial[(block * K + k + j) * C + c + l] = acc[j][l];
            }
        }
    }
}
