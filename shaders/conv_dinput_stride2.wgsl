#import mac
// Gradient by the input of a convolution with stride 2 (3x3 padding 1, or 1x1): dx[n,c,h,w] = sum over k and the taps
// that meet (h, w) of w[k,c,kh,kw] * dy[n,k,(h+p-kh)/2,(w+p-kw)/2], p the padding.
//
// A thread computes 8 pixels of one row of dx for 4 channels, from 4 or 5 columns of dy. Even and odd rows meet
// different taps: 3x3: even rows kh = 1, odd rows kh = 2 (dy row i) then kh = 0 (dy row i + 1); even columns kw = 1,
// odd columns kw = 2 (dy column j) then kw = 0 (column j + 1). Order: k, then kh and kw as named.
// Constants: C, K, HEIGHT, WIDTH (of dx), KERNEL, X_ROW, X_PLANE, Y_ROW, Y_PLANE (vec4 units), ODD_ROWS, ACCUMULATE.

@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read> packed: array<vec4f>; // [R][C/4][K][KERNEL^2], four c in a vector, not flipped
@group(0) @binding(3) var<storage, read_write> dx: array<vec4f>;

const TILES_X = (WIDTH + 7u) / 8u;
const TILES_Y = select((HEIGHT + 1u) / 2u, HEIGHT / 2u, ODD_ROWS);
const GROUPS_C = (C + 3u) / 4u;
const TAPS = KERNEL * KERNEL;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tiles = TILES_X * TILES_Y * job.samples;
    let thread = (job.first_tile + tile.x) * 64u + lane;
    let t = min(thread, tiles * GROUPS_C - 1u);
    let tx = t % TILES_X;
    let ty = (t / TILES_X) % TILES_Y;
    let n = (t / (TILES_X * TILES_Y)) % job.samples;
    let group = t / tiles;
    let r = tile.y;

    var yi = (r * job.samples + n) * K * Y_PLANE + (ty + 1u) * Y_ROW + 1u + tx;
    var wi = (r * job.packed_stride) / 4u + group * K * TAPS;
    var even: array<vec4f, 4>; // columns 0 2 4 6 of channel j
    var odd: array<vec4f, 4>;  // columns 1 3 5 7
    for (var k = 0u; k < K; k++) {
        let d = dy[yi];
        if (KERNEL == 1u) {
            if (!ODD_ROWS) {
                let w = packed[wi];
                even[0] = mac4(w.x, d, even[0]);
                even[1] = mac4(w.y, d, even[1]);
                even[2] = mac4(w.z, d, even[2]);
                even[3] = mac4(w.w, d, even[3]);
            }
        } else {
            let kh = select(1u, 2u, ODD_ROWS);
            let next = vec4f(d.yzw, dy[yi + 1u].x);
            let w0 = packed[wi + kh * 3u];
            let w1 = packed[wi + kh * 3u + 1u];
            let w2 = packed[wi + kh * 3u + 2u];
            even[0] = mac4(w1.x, d, even[0]);
            even[1] = mac4(w1.y, d, even[1]);
            even[2] = mac4(w1.z, d, even[2]);
            even[3] = mac4(w1.w, d, even[3]);
            odd[0] = mac4(w0.x, next, mac4(w2.x, d, odd[0]));
            odd[1] = mac4(w0.y, next, mac4(w2.y, d, odd[1]));
            odd[2] = mac4(w0.z, next, mac4(w2.z, d, odd[2]));
            odd[3] = mac4(w0.w, next, mac4(w2.w, d, odd[3]));
            if (ODD_ROWS) {
                let e = dy[yi + Y_ROW];
                let e_next = vec4f(e.yzw, dy[yi + Y_ROW + 1u].x);
                let v0 = packed[wi];
                let v1 = packed[wi + 1u];
                let v2 = packed[wi + 2u];
                even[0] = mac4(v1.x, e, even[0]);
                even[1] = mac4(v1.y, e, even[1]);
                even[2] = mac4(v1.z, e, even[2]);
                even[3] = mac4(v1.w, e, even[3]);
                odd[0] = mac4(v0.x, e_next, mac4(v2.x, e, odd[0]));
                odd[1] = mac4(v0.y, e_next, mac4(v2.y, e, odd[1]));
                odd[2] = mac4(v0.z, e_next, mac4(v2.z, e, odd[2]));
                odd[3] = mac4(v0.w, e_next, mac4(v2.w, e, odd[3]));
            }
        }
        yi += Y_PLANE;
        wi += TAPS;
    }
    if (thread >= tiles * GROUPS_C) {
        return;
    }
    let h = 2u * ty + select(0u, 1u, ODD_ROWS);
    for (var j = 0u; j < 4u; j++) {
        let c = group * 4u + j;
        for (var half = 0u; half < 2u; half++) {
            let column = tx * 8u + half * 4u;
            if (c < C && column < WIDTH) {
                let at = ((r * job.samples + n) * C + c) * X_PLANE + (h + 1u) * X_ROW + 1u + column / 4u;
                let a = even[j];
                let b = odd[j];
                var value = select(vec4f(a.x, b.x, a.y, b.y), vec4f(a.z, b.z, a.w, b.w), half == 1u);
                value *= column_mask(column, WIDTH);
                if (ACCUMULATE) {
                    value += dx[at];
                }
                dx[at] = value;
            }
        }
    }
}
