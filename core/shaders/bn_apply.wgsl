#import mac
#import activation
#import norm
#import quad
// a = activation(norm(y) + shortcut), the shortcut only with SHORTCUT. The coefficients are those of a channel (batch norm), or with
// PER_SAMPLE of a sample and channel (group norm). A thread computes 4 columns of ROWS rows.
// Constants: C, HEIGHT, WIDTH, ROW, PLANE (vec4 units), ROWS, SHORTCUT, PER_SAMPLE, ACTIVATION, BETA.

@group(0) @binding(1) var<storage, read> y: array<vec4f>;            // planes [R][N][C]
@group(0) @binding(2) var<storage, read> channels: array<vec4f>;     // [R][C], or [R][N][C] with PER_SAMPLE
@group(0) @binding(3) var<storage, read> shortcut: array<vec4f>;     // planes [R][N][C]; y without SHORTCUT
@group(0) @binding(4) var<storage, read_write> a: array<vec4f>;      // planes [R][N][C]

const STRIPS = (HEIGHT + ROWS - 1u) / ROWS;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let own = own_quad(tile, lane, STRIPS, QUADS);
    if (!own.is_own) {
        return;
    }
    let channel = channels[select(tile.y * C + own.plane % C, own.plane, PER_SAMPLE)];
    for (var i = 0u; i < ROWS; i++) {
        let h = own.row * ROWS + i;
        if (h < HEIGHT) {
            let at = own.plane * PLANE + (h + 1u) * ROW + 1u + own.quad;
            var z = scale_and_shift(normalize(y[at], channel), channel);
            if (SHORTCUT) {
                z = opaque4(z) + shortcut[at];
            }
            var value = activate(z);
            if (WIDTH % 4u != 0u) {
                value = masked(value, own.quad * 4u, WIDTH);
            }
            a[at] = value;
        }
    }
}
