#import mac
// Mean and sum of squared distances of each leaf: 4 neighbouring pixels of one channel over up to 32 images.
// Distances are taken from the leaf's first value to avoid cancellation (never E[x^2] - E[x]^2).
// bn_finalize merges the leaves. Neighbouring lanes read neighbouring pixels.
// Constants: C, HEIGHT, WIDTH, ROW, PLANE (vec4 units), IMAGES.

@group(0) @binding(1) var<storage, read> y: array<vec4f>;                // planes [R][N][C]
@group(0) @binding(2) var<storage, read_write> leaves: array<vec2f>;     // [R][C][leaves]: mean, M2

const QUADS = (WIDTH + 3u) / 4u;
const POSITIONS = HEIGHT * QUADS;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let chunks = (job.samples + IMAGES - 1u) / IMAGES;
    let t = (job.first_tile + tile.x) * 64u + lane;
    if (t >= POSITIONS * chunks * C) {
        return;
    }
    let position = t % POSITIONS;
    let chunk = (t / POSITIONS) % chunks;
    let c = t / (POSITIONS * chunks);
    let quad = position % QUADS;
    let first = chunk * IMAGES;
    let images = min(IMAGES, job.samples - first);
    let mask = column_mask(quad * 4u, WIDTH);

    var at = ((tile.y * job.samples + first) * C + c) * PLANE + (position / QUADS + 1u) * ROW + 1u + quad;
    let shift = vec4f(y[at].x);
    var sum = vec4f(0.0);
    var squares = vec4f(0.0);
    for (var i = 0u; i < images; i++) {
        let d = (y[at] - shift) * mask;
        sum += d;
        squares = fma(d, d, squares);
        at += C * PLANE;
    }
    let count = lane_sum(mask) * f32(images);
    let s = lane_sum(sum);
    let offset = s / count;
    leaves[tile.y * C * POSITIONS * chunks + t] = vec2f(shift.x + offset, max(fma(-s, offset, lane_sum(squares)), 0.0));
}
