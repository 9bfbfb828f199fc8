// Sums the leaves of each channel: the gradients by shift (sum g) and scale (sum g * normalized), and their means for
// bn_backward_apply. Order: lane l adds leaves l, l + 64, ... in turn; the lanes are added pairwise.
// One workgroup per channel. Constants: C, HEIGHT, WIDTH, IMAGES.

@group(0) @binding(1) var<storage, read> leaves: array<vec2f>;                 // [R][C][leaves]
@group(0) @binding(2) var<storage, read_write> scale_gradient: array<f32>;     // arena from the layer's scale
@group(0) @binding(3) var<storage, read_write> means: array<vec2f>;            // [R][C]: mean g, mean g * normalized

const QUADS = (WIDTH + 3u) / 4u;
const POSITIONS = HEIGHT * QUADS;

var<workgroup> sh_part: array<vec2f, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let n_leaves = POSITIONS * ((job.samples + IMAGES - 1u) / IMAGES);
    let c = job.first_tile + tile.x;
    let r = tile.y;
    var part = vec2f(0.0);
    for (var i = lane; i < n_leaves; i += 64u) {
        part += leaves[(r * C + c) * n_leaves + i];
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
        let total = sh_part[0];
        // job.scale_to_shift: elements from the layer's scale to its shift in the arena.
        scale_gradient[r * job.parameter_stride + c] = total.y;
        scale_gradient[r * job.parameter_stride + job.scale_to_shift + c] = total.x;
        means[r * C + c] = total / f32(job.samples * HEIGHT * WIDTH);
    }
}
