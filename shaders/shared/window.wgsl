// The largest of each 2x2 window of pixels, two windows from two rows. A tie goes to the first in row order, so that
// the backward pass finds the pixel that the forward pass took.

fn window_max(top: vec4f, bottom: vec4f) -> vec2f {
    var most = top.xz;
    most = select(most, top.yw, top.yw > most);
    most = select(most, bottom.xz, bottom.xz > most);
    return select(most, bottom.yw, bottom.yw > most);
}
