#import mac
// Valid convolution of one channel with one large kernel (the one-layer network): y[n,h,w] = sum over kh, kw of
// w[kh,kw] * x[n,h+kh,w+kw]. A thread computes TILE_ROWS x 8 pixels, four taps at a time. Order: kh, then kw.
// Constants: HEIGHT, WIDTH (of y), KERNEL, X_ROW, X_PLANE, Y_ROW, Y_PLANE (vec4 units), TILE_ROWS.

@group(0) @binding(1) var<storage, read> x: array<vec4f>;          // planes [N], shared by all replicas
@group(0) @binding(2) var<storage, read> w: array<vec4f>;          // arena from the weight; rows padded with zeros to whole vectors
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;    // planes [R][N]

const QUADS_K = (KERNEL + 3u) / 4u;
const QUADS_W = (WIDTH + 3u) / 4u;
const TILES_X = (QUADS_W + 1u) / 2u;
const TILES_Y = (HEIGHT + TILE_ROWS - 1u) / TILE_ROWS;

// Adds four taps for four pixels, whose inputs are a and b.
fn taps(v: vec4f, a: vec4f, b: vec4f, acc: vec4f) -> vec4f {
    let first = mac4(v.y, vec4f(a.yzw, b.x), mac4(v.x, a, acc));
    return mac4(v.w, vec4f(a.w, b.xyz), mac4(v.z, vec4f(a.zw, b.xy), first));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let threads = TILES_X * TILES_Y * job.samples;
    let thread = (job.first_tile + tile.x) * 64u + lane;
    let t = min(thread, threads - 1u);
    let column = (t % TILES_X) * 2u;
    let ty = (t / TILES_X) % TILES_Y;
    let n = t / (TILES_X * TILES_Y);
    let r = tile.y;
    var xi = n * X_PLANE + (ty * TILE_ROWS + 1u) * X_ROW + 1u + column;
    var wi = r * job.parameter_stride / 4u;
    var left: array<vec4f, TILE_ROWS>;
    var right: array<vec4f, TILE_ROWS>;
    for (var kh = 0u; kh < KERNEL; kh++) {
        var near: array<vec4f, TILE_ROWS>;
        var next: array<vec4f, TILE_ROWS>;
        for (var i = 0u; i < TILE_ROWS; i++) {
            near[i] = x[xi + i * X_ROW];
            next[i] = x[xi + i * X_ROW + 1u];
        }
        for (var q = 0u; q < QUADS_K; q++) {
            let v = w[wi + q];
            for (var i = 0u; i < TILE_ROWS; i++) {
                let far = x[xi + i * X_ROW + q + 2u];
                left[i] = taps(v, near[i], next[i], left[i]);
                right[i] = taps(v, next[i], far, right[i]);
                near[i] = next[i];
                next[i] = far;
            }
        }
        xi += X_ROW;
        wi += QUADS_K;
    }
    if (thread >= threads) {
        return;
    }
    for (var i = 0u; i < TILE_ROWS; i++) {
        let h = ty * TILE_ROWS + i;
        if (h < HEIGHT) {
            let at = (r * job.samples + n) * Y_PLANE + (h + 1u) * Y_ROW + 1u + column;
            y[at] = left[i] * column_mask(column * 4u, WIDTH);
            if (column + 1u < QUADS_W) {
                y[at + 1u] = right[i] * column_mask(column * 4u + 4u, WIDTH);
            }
        }
    }
}
