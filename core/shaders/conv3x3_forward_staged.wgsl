#import mac
#import taps
// conv3x3_forward with staging: the threads of a workgroup load their common input into workgroup memory, CHUNK input channels
// at a time, and fetch the next chunk into registers while they compute (double buffering).
//
// A workgroup computes PIXELS tiles of TILE_ROWS x 4 pixels (BANDS rows of tiles of IMAGES images). Each tile has SHARERS
// threads, and each thread GROUPS groups of 4 output channels. Planes are contiguous with their borders, so the workgroup reads
// SPAN consecutive vectors of each.
// Order as in conv3x3_forward: c, then kh, then kw, one accumulator for each output.
// Constants: those of conv3x3_forward; PIXELS, SHARERS (LANES = PIXELS x SHARERS), BANDS, IMAGES, CHUNK (divides C).

@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> packed: array<vec4f>; // [R][K/4][C][9], four k in a vector
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

const TILES_X = (WIDTH + 3u) / 4u;
const TILES_Y = (HEIGHT + TILE_ROWS - 1u) / TILE_ROWS;
const GROUPS_K = (K + 3u) / 4u;
// Groups of a workgroup.
const OWN_GROUPS = SHARERS * GROUPS;
const BLOCKS_Y = (TILES_Y + BANDS - 1u) / BANDS;

const SPAN = (BANDS * TILE_ROWS + 2u) * ROW + 1u;
const OF_X = CHUNK * IMAGES * SPAN;
const OF_CHUNK = OF_X + CHUNK * OWN_GROUPS * 9u;
const LOADS = (OF_CHUNK + LANES - 1u) / LANES;

// Two chunks: [channel][image][SPAN], then weights [group][channel][9].
var<workgroup> staged: array<vec4f, 2u * OF_CHUNK>;

// The elements of a chunk that a thread loads: element l * LANES + lane.
alias Fetched = array<vec4f, LOADS>;

fn fetch(at: ptr<function, array<u32, LOADS>>, lane: u32, chunk: u32) -> Fetched {
    var fetched: Fetched;
    for (var l = 0u; l < LOADS; l++) {
        let e = l * LANES + lane;
        if (e < OF_X) {
            fetched[l] = x[(*at)[l] + chunk * CHUNK * PLANE];
        } else if (e < OF_CHUNK) {
            fetched[l] = packed[(*at)[l] + chunk * CHUNK * 9u];
        }
    }
    return fetched;
}

fn put(fetched: ptr<function, Fetched>, lane: u32, chunk: u32) {
    for (var l = 0u; l < LOADS; l++) {
        let e = l * LANES + lane;
        if (e < OF_CHUNK) {
            staged[(chunk & 1u) * OF_CHUNK + e] = (*fetched)[l];
        }
    }
}

fn weight(i: u32) -> vec4f {
    return staged[i];
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let blocks = BLOCKS_Y * ((job.samples + IMAGES - 1u) / IMAGES);
    let nth = job.first_tile + tile.x;
    let block = nth % blocks;
    let first_group = (nth / blocks) * OWN_GROUPS;
    let first_row = (block % BLOCKS_Y) * BANDS * TILE_ROWS;
    let first_image = (block / BLOCKS_Y) * IMAGES;
    let r = tile.y;

    // Offsets of this thread's elements in the first chunk. Beyond the last image, group and row, it reads others again, which are
    // not used.
    var at: array<u32, LOADS>;
    for (var l = 0u; l < LOADS; l++) {
        let e = l * LANES + lane;
        let n = min(first_image + (e / SPAN) % IMAGES, job.samples - 1u);
        let image = select(r * job.samples + n, n, SHARED_INPUT);
        let in_plane = min(first_row * ROW + e % SPAN, PLANE + ROW);
        let of_x = (image * C + e / (IMAGES * SPAN)) * PLANE + in_plane;
        let w = e - OF_X;
        let group = min(first_group + w / (CHUNK * 9u), GROUPS_K - 1u);
        at[l] = select((r * job.packed_stride) / 4u + group * C * 9u + w % (CHUNK * 9u), of_x, e < OF_X);
    }

    // Lanes without a tile at the end of PIXELS compute the last image and write nothing.
    let pixel = lane % PIXELS;
    let group = (lane / PIXELS) * GROUPS;
    let tx = pixel % TILES_X;
    let band = (pixel / TILES_X) % BANDS;
    let image = min(pixel / (TILES_X * BANDS), IMAGES - 1u);
    let corner = image * SPAN + band * TILE_ROWS * ROW + tx;

    var acc0: Accumulators;
    var acc1: Accumulators;
    var acc2: Accumulators;
    var acc3: Accumulators;
    var fetched = fetch(&at, lane, 0u);
    put(&fetched, lane, 0u);
    workgroupBarrier();
    for (var chunk = 0u; chunk < C / CHUNK; chunk++) {
        let is_last = chunk + 1u == C / CHUNK;
        if (!is_last) {
            fetched = fetch(&at, lane, chunk + 1u);
        }
        var xi = (chunk & 1u) * OF_CHUNK + corner;
        var wi = (chunk & 1u) * OF_CHUNK + OF_X + group * CHUNK * 9u;
        for (var c = 0u; c < CHUNK; c++) {
            var p: Pixels;
            // Repeated in each shader, because a function would load a whole vector for one pixel.
            for (var i = 0u; i < TILE_ROWS + 2u; i++) {
                p.left[i] = staged[xi + i * ROW].w;
                p.middle[i] = staged[xi + i * ROW + 1u];
                p.right[i] = staged[xi + i * ROW + 2u].x;
            }
            add_group(&acc0, &p, wi);
            if (GROUPS > 1u) {
                add_group(&acc1, &p, wi + CHUNK * 9u);
            }
            if (GROUPS > 2u) {
                add_group(&acc2, &p, wi + CHUNK * 18u);
                add_group(&acc3, &p, wi + CHUNK * 27u);
            }
            xi += IMAGES * SPAN;
            wi += 9u;
        }
        // Safe: the other half was last read before the previous barrier.
        if (!is_last) {
            put(&fetched, lane, chunk + 1u);
        }
        workgroupBarrier();
    }

    let n = first_image + image;
    if (pixel >= TILES_X * BANDS * IMAGES || n >= job.samples) {
        return;
    }
    let to = Place(r * job.samples + n, first_group + group, first_row + band * TILE_ROWS, tx);
    store_group(&acc0, to, 0u);
    if (GROUPS > 1u) {
        store_group(&acc1, to, 1u);
    }
    if (GROUPS > 2u) {
        store_group(&acc2, to, 2u);
        store_group(&acc3, to, 3u);
    }
}
