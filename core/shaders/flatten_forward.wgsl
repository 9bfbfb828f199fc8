// feature[n, (c H + h) W + w] = x[n,c,h,w]. A thread computes one feature.
// Constants: C, HEIGHT, WIDTH, ROW, PLANE (vec4 units).

@group(0) @binding(1) var<storage, read> x: array<f32>;                 // planes [R][N][C]
@group(0) @binding(2) var<storage, read_write> features: array<f32>;    // [R][N][C H W]

const PIXELS = HEIGHT * WIDTH;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let t = (job.first_tile + tile.x) * 64u + lane;
    let planes = job.samples * C;
    if (t >= planes * PIXELS) {
        return;
    }
    let plane = tile.y * planes + t / PIXELS;
    let pixel = t % PIXELS;
    let row = plane * PLANE + (pixel / WIDTH + 1u) * ROW + 1u;
    features[tile.y * planes * PIXELS + t] = x[row * 4u + pixel % WIDTH];
}
