#import mac
// Gradients by the weights of conv_down_forward, partial sums for each block of pixels:
// partial[block][k][c][kh][kw] = sum over the block of dy[n,k,h,w] * x[n,c,2h+kh-1,2w+kw-1],
// partial_shortcut[block][k][c] = sum over the block of ds[n,k,h,w] * x[n,c,2h,2w].
//
// Blocks and order as in conv3x3_dweight. A thread computes 9 taps and the shortcut of TILE_K output channels of one input
// channel.
// Constants: C, K, HEIGHT, WIDTH (of dy), X_ROW, X_PLANE, Y_ROW, Y_PLANE (vec4 units), IMAGES, TILE_K.

@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> dy: array<vec4f>;
@group(0) @binding(3) var<storage, read> ds: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;          // [R][blocks][K][C][9]
@group(0) @binding(5) var<storage, read_write> partial_shortcut: array<f32>; // [R][blocks][K][C]

const STRIPS = (WIDTH + 3u) / 4u;
const GROUPS_K = (K + TILE_K - 1u) / TILE_K;
const THREADS = C * GROUPS_K;

// Columns 2 w - 1 ... 2 w + 7 of a row of x.
struct Window {
    left: f32,
    near: vec4f,
    far: vec4f,
}

fn window(at: u32) -> Window {
    return Window(x[at].w, x[at + 1u], x[at + 2u]);
}

fn add_row(d: vec4f, v: Window, acc: vec3f) -> vec3f {
    return mac3(d.w, v.far.yzw, mac3(d.z, vec3f(v.near.w, v.far.xy), mac3(d.y, v.near.yzw, mac3(d.x, vec3f(v.left, v.near.xy), acc))));
}

fn add_centre(d: vec4f, v: Window, acc: f32) -> f32 {
    return mac(d.w, v.far.z, mac(d.z, v.far.x, mac(d.y, v.near.z, mac(d.x, v.near.x, acc))));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let blocks = STRIPS * ((job.samples + IMAGES - 1u) / IMAGES);
    let thread = (job.first_tile + tile.x) * 64u + lane;
    let t = min(thread, THREADS * blocks - 1u);
    let c = t % C;
    let group = (t / C) % GROUPS_K;
    let block = t / THREADS;
    let strip = block % STRIPS;
    let first_image = (block / STRIPS) * IMAGES;
    let r = tile.y;

    // A group may reach beyond K; those threads read channel K - 1 again and write nothing.
    var ks: array<u32, TILE_K>;
    for (var j = 0u; j < TILE_K; j++) {
        ks[j] = min(group * TILE_K + j, K - 1u) * Y_PLANE;
    }
    let images = min(IMAGES, job.samples - first_image);
    var acc: array<array<vec3f, 3>, TILE_K>;
    var acc_shortcut: array<f32, TILE_K>;
    for (var i = 0u; i < images; i++) {
        let n = r * job.samples + first_image + i;
        var xi = (n * C + c) * X_PLANE + 2u * strip;
        var yi = n * K * Y_PLANE + Y_ROW + 1u + strip;
        var v0 = window(xi);
        for (var h = 0u; h < HEIGHT; h++) {
            let v1 = window(xi + X_ROW);
            xi += 2u * X_ROW;
            let v2 = window(xi);
            for (var j = 0u; j < TILE_K; j++) {
                let d = dy[yi + ks[j]];
                acc[j][0] = add_row(d, v0, acc[j][0]);
                acc[j][1] = add_row(d, v1, acc[j][1]);
                acc[j][2] = add_row(d, v2, acc[j][2]);
            }
            // A loop of its own, so that compilers that unroll only so much unroll both.
            for (var j = 0u; j < TILE_K; j++) {
                acc_shortcut[j] = add_centre(ds[yi + ks[j]], v1, acc_shortcut[j]);
            }
            yi += Y_ROW;
            v0 = v2;
        }
    }
    if (thread >= THREADS * blocks) {
        return;
    }
    for (var j = 0u; j < TILE_K; j++) {
        let k = group * TILE_K + j;
        if (k < K) {
            let at = (((r * blocks + block) * K + k) * C + c) * 9u;
            for (var kh = 0u; kh < 3u; kh++) {
                partial[at + kh * 3u] = acc[j][kh].x;
                partial[at + kh * 3u + 1u] = acc[j][kh].y;
                partial[at + kh * 3u + 2u] = acc[j][kh].z;
            }
        }
    }
    for (var j = 0u; j < TILE_K; j++) {
        let k = group * TILE_K + j;
        if (k < K) {
            partial_shortcut[((r * blocks + block) * K + k) * C + c] = acc_shortcut[j];
        }
    }
}
