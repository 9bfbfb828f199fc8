#import quad
// Converts the batch from bytes to float planes: crop out of an image padded by MARGIN with the padding byte, horizontal flip, then
// the normalised value of each byte, from the table of ops/batch_input.rs. All replicas share the planes. A thread writes 4 pixels.
// Constants: C, HEIGHT, WIDTH, ROW, PLANE (vec4 units), MARGIN (padding of the crop), PAD_BYTE.

@group(0) @binding(1) var<storage, read> bytes: array<u32>;         // [N][C][H][W], four bytes to a word
@group(0) @binding(2) var<storage, read> choices: array<u32>;       // [N]: dy | dx << 8 | flip << 16
@group(0) @binding(3) var<storage, read> levels: array<f32>;        // [C][256]: the normalised value of each byte
@group(0) @binding(4) var<storage, read_write> x: array<vec4f>;     // planes [N][C]

fn pixel(base: u32, h: i32, w: i32) -> u32 {
    var byte = PAD_BYTE;
    if (h >= 0 && h < i32(HEIGHT) && w >= 0 && w < i32(WIDTH)) {
        let at = base + u32(h) * WIDTH + u32(w);
        byte = (bytes[at / 4u] >> (8u * (at % 4u))) & 255u;
    }
    return byte;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let own = own_quad(tile, lane, HEIGHT, QUADS);
    if (!own.is_own) {
        return;
    }
    let choice = choices[own.plane / C];
    let from_h = i32(own.row + (choice & 255u)) - i32(MARGIN);
    let shift = i32((choice >> 8u) & 255u) - i32(MARGIN);
    let flip = (choice >> 16u) != 0u;
    let base = own.plane * HEIGHT * WIDTH;
    var value = vec4f(0.0);
    for (var i = 0u; i < 4u; i++) {
        let w = own.quad * 4u + i;
        if (w < WIDTH) {
            let column = select(w, WIDTH - 1u - w, flip);
            value[i] = levels[(own.plane % C) * 256u + pixel(base, from_h, i32(column) + shift)];
        }
    }
    x[own.plane * PLANE + (own.row + 1u) * ROW + 1u + own.quad] = value;
}
