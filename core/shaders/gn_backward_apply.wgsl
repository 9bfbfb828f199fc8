#import mac
#import norm
#import quad
// Gradient by group norm's input:
// dy = (scale * g - mean(scale * g) - normalized * mean(scale * g * normalized)) / sqrt(var + eps), means over the sample's group.
// A thread computes 4 columns of ROWS rows. Constants: C, HEIGHT, WIDTH, ROW, PLANE (vec4 units), ROWS, GROUP.

@group(0) @binding(1) var<storage, read> y: array<vec4f>;            // planes [R][N][C]
@group(0) @binding(2) var<storage, read> g: array<vec4f>;            // planes [R][N][C], after gn_backward_reduce
@group(0) @binding(3) var<storage, read> channels: array<vec4f>;     // [R][N][C]
@group(0) @binding(4) var<storage, read> means: array<vec2f>;        // [R][N][C / GROUP]
@group(0) @binding(5) var<storage, read_write> dy: array<vec4f>;     // planes [R][N][C]

const STRIPS = (HEIGHT + ROWS - 1u) / ROWS;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let own = own_quad(tile, lane, STRIPS, QUADS);
    if (!own.is_own) {
        return;
    }
    let channel = channels[own.plane];
    let mean = means[own.plane / GROUP];
    for (var i = 0u; i < ROWS; i++) {
        let h = own.row * ROWS + i;
        if (h < HEIGHT) {
            let at = own.plane * PLANE + (h + 1u) * ROW + 1u + own.quad;
            let centred = fma(vec4f(channel.z), g[at], vec4f(-mean.x));
            var value = channel.y * fma(normalize(y[at], channel), vec4f(-mean.y), centred);
            if (WIDTH % 4u != 0u) {
                value = masked(value, own.quad * 4u, WIDTH);
            }
            dy[at] = value;
        }
    }
}
