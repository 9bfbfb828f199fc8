#import mac
// Valid convolution of one channel with one large kernel (the one-layer network): y[n,h,w] = sum over kh, kw of
// w[kh,kw] * x[n,h+kh,w+kw]. A thread computes TILE_ROWS x 4 pixels, four taps at a time. Order: kh, then kw.
// Constants: HEIGHT, WIDTH (of y), KERNEL, X_ROW, X_PLANE, Y_ROW, Y_PLANE (vec4 units), TILE_ROWS.

@group(0) @binding(1) var<storage, read> x: array<vec4f>;          // planes [N], shared by all replicas
@group(0) @binding(2) var<storage, read> w: array<vec4f>;          // arena, from the weight on, its rows padded with zeros to whole vectors
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;    // planes [R][N]

const QUADS_K = (KERNEL + 3u) / 4u;
const TILES_X = (WIDTH + 3u) / 4u;
const TILES_Y = (HEIGHT + TILE_ROWS - 1u) / TILE_ROWS;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let threads = TILES_X * TILES_Y * job.samples;
    let thread = (job.first_tile + tile.x) * 64u + lane;
    let t = min(thread, threads - 1u);
    let tx = t % TILES_X;
    let ty = (t / TILES_X) % TILES_Y;
    let n = t / (TILES_X * TILES_Y);
    let r = tile.y;
    var xi = n * X_PLANE + (ty * TILE_ROWS + 1u) * X_ROW + 1u + tx;
    var wi = r * job.parameter_stride / 4u;
    var acc: array<vec4f, TILE_ROWS>;
    for (var kh = 0u; kh < KERNEL; kh++) {
        var near: array<vec4f, TILE_ROWS>;
        for (var i = 0u; i < TILE_ROWS; i++) {
            near[i] = x[xi + i * X_ROW];
        }
        for (var q = 0u; q < QUADS_K; q++) {
            let v = w[wi + q];
            for (var i = 0u; i < TILE_ROWS; i++) {
                let a = near[i];
                let b = x[xi + i * X_ROW + q + 1u];
                acc[i] = mac4(v.x, a, acc[i]);
                acc[i] = mac4(v.y, vec4f(a.yzw, b.x), acc[i]);
                acc[i] = mac4(v.z, vec4f(a.zw, b.xy), acc[i]);
                acc[i] = mac4(v.w, vec4f(a.w, b.xyz), acc[i]);
                near[i] = b;
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
            y[(r * job.samples + n) * Y_PLANE + (h + 1u) * Y_ROW + 1u + tx] = acc[i] * column_mask(tx * 4u, WIDTH);
        }
    }
}
