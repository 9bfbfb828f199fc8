// The largest pixel of each 2x2 window, for two windows in two rows. A tie goes to the first pixel in row order, so that
// the backward pass finds the pixel that the forward pass chose.

fn window_max(top: vec4f, bottom: vec4f) -> vec2f {
    var most = top.xz;
    most = select(most, top.yw, top.yw > most);
    most = select(most, bottom.xz, bottom.xz > most);
    return select(most, bottom.yw, bottom.yw > most);
}
