#import mac
#import pairwise
#import relative
// Measures each replica of a one-layer equation after a step: cross-entropy, |w|^2, max |w|, distance from its reference.
// A replica with a value that exceeds STOP_BITS or is NaN gets the rate 0, so that it no longer changes.
// Order: lane l takes elements l, l + 64, ... in turn; the lanes are added pairwise. One workgroup per replica.
// Constants: KERNEL, ELEMENTS (with the padding of rows, which is zero), STOP_BITS.
// job.rate_words: words per replica in rates, job.rate_word: index of the rate among them.

struct Watch {
    slot: u32,        // index of this step in the history
    reference: u32,   // replica to compare with
}

struct Sample {
    cross_entropy: f32,
    squares: f32,
    max_abs: f32,
    rel_l1: f32,
    differing: u32,
    max_ulp: u32,
    unused0: u32,
    unused1: u32,
}

@group(0) @binding(1) var<storage, read> parameters: array<f32>;           // [R] arenas
@group(0) @binding(2) var<storage, read> scores: array<vec2f>;             // [R]: loss, correct
@group(0) @binding(3) var<storage, read_write> watches: array<Watch>;      // [R]
@group(0) @binding(4) var<storage, read_write> rates: array<u32>;          // [R][job.rate_words]
@group(0) @binding(5) var<storage, read_write> history: array<Sample>;     // [slots][R]

struct Part {
    sums: vec2f,   // squares, relative distances
    counts: vec3u, // bits of max_abs, differing, max_ulp
}

fn combine(a: Part, b: Part) -> Part {
    let counts = vec3u(max(a.counts.x, b.counts.x), a.counts.y + b.counts.y, max(a.counts.z, b.counts.z));
    return Part(a.sums + b.sums, counts);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let r = tile.y;
    let watch = watches[r];
    var sums = vec2f(0.0);
    var counts = vec3u(0u);
    for (var e = (job.first_tile + tile.x) * 64u + lane; e < ELEMENTS; e += 64u) {
        let w = parameters[r * job.parameter_stride + e];
        let a = bitcast<u32>(w);
        let b = bitcast<u32>(parameters[watch.reference * job.parameter_stride + e]);
        sums = opaque2(vec2f(mac(w, w, sums.x), sums.y + relative(a, b)));
        counts = vec3u(max(counts.x, a & 0x7fffffffu), counts.y + u32(a != b), max(counts.z, ulps(a, b)));
    }
    let total = combine_lanes(Part(sums, counts), lane);
    if (lane == 0u) {
        let sum = total.sums;
        let count = total.counts;
        history[watch.slot * job.replicas + r] = Sample(scores[r].x, sum.x, bitcast<f32>(count.x),
            quotient(sum.y, f32(KERNEL * KERNEL)), count.y, count.z, 0u, 0u);
        watches[r].slot = watch.slot + 1u;
        if (count.x > STOP_BITS) {
            rates[r * job.rate_words + job.rate_word] = 0u;
        }
    }
}
