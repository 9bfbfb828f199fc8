#import mac
#import norm
#import quad
// Gradient by batch norm's input (Ioffe & Szegedy 2015, section 3):
// dy = scale / sqrt(var + eps) * (g - mean(g) - normalized * mean(g * normalized)).
// A thread computes 4 columns of ROWS rows. Constants: C, HEIGHT, WIDTH, ROW, PLANE (vec4 units), ROWS.

@group(0) @binding(1) var<storage, read> y: array<vec4f>;            // planes [R][N][C]
@group(0) @binding(2) var<storage, read> g: array<vec4f>;            // planes [R][N][C], after bn_backward_reduce
@group(0) @binding(3) var<storage, read> channels: array<vec4f>;     // [R][C]
@group(0) @binding(4) var<storage, read> means: array<vec2f>;        // [R][C]
@group(0) @binding(5) var<storage, read_write> dy: array<vec4f>;     // planes [R][N][C]

const STRIPS = (HEIGHT + ROWS - 1u) / ROWS;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let own = own_quad(tile, lane, STRIPS, QUADS);
    if (!own.is_own) {
        return;
    }
    let c = own.plane % C;
    let channel = channels[tile.y * C + c];
    let mean = means[tile.y * C + c];
    let factor = opaque(channel.z * channel.y);
    for (var i = 0u; i < ROWS; i++) {
        let h = own.row * ROWS + i;
        if (h < HEIGHT) {
            let at = own.plane * PLANE + (h + 1u) * ROW + 1u + own.quad;
            var value = factor * fma(normalize(y[at], channel), vec4f(-mean.y), opaque4(g[at] - vec4f(mean.x)));
            if (WIDTH % 4u != 0u) {
                value = masked(value, own.quad * 4u, WIDTH);
            }
            dy[at] = value;
        }
    }
}
