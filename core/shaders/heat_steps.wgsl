#import mac
// Explicit Euler steps of the heat equation, u[i] <- u[i] + rate (u[i-1] + u[i+1] - 2 u[i]), with fixed ends. One launch runs
// many steps, with one workgroup per replica. A replica stops after the step in which a value exceeds STOP_BITS or becomes NaN,
// and keeps its values. Constants: POINTS (at most 1024), STOP_BITS. job.steps: steps of the launch; if 0, orders[0].

struct Progress {
    done: u32,
    stopped: u32,   // step after which a value exceeded the bound, or 0xffffffff
}

@group(0) @binding(1) var<storage, read> orders: array<u32>;                 // steps of this launch
@group(0) @binding(2) var<storage, read> rates: array<f32>;                  // [R]: dt / dx^2
@group(0) @binding(3) var<storage, read_write> u: array<f32>;                // [R][POINTS]
@group(0) @binding(4) var<storage, read_write> progress: array<Progress>;    // [R]

var<workgroup> sh_u: array<f32, 2u * POINTS>;
var<workgroup> sh_stopped: atomic<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let steps = select(job.steps, orders[0], job.steps == 0u);
    let first = progress[tile.y].done;
    let rate = rates[tile.y];
    for (var i = lane; i < POINTS; i += 64u) {
        sh_u[i] = u[tile.y * POINTS + i];
    }
    if (lane == 0u) {
        atomicStore(&sh_stopped, progress[tile.y].stopped);
    }
    workgroupBarrier();
    var old = 0u;
    for (var step = 1u; step <= steps; step++) {
        let new_u = POINTS - old;
        // This step can only store first + step, so that all lanes decide the same.
        let goes = atomicLoad(&sh_stopped) >= first + step;
        for (var i = lane; i < POINTS; i += 64u) {
            let here = sh_u[old + i];
            var value = here;
            if (goes && i > 0u && i < POINTS - 1u) {
                value = mac(rate, opaque(sh_u[old + i - 1u] + sh_u[old + i + 1u]) - 2.0 * here, here);
            }
            sh_u[new_u + i] = opaque(value);
            if ((bitcast<u32>(value) & 0x7fffffffu) > STOP_BITS) {
                atomicMin(&sh_stopped, first + step);
            }
        }
        workgroupBarrier();
        old = new_u;
    }
    for (var i = lane; i < POINTS; i += 64u) {
        u[tile.y * POINTS + i] = sh_u[old + i];
    }
    if (lane == 0u) {
        progress[tile.y] = Progress(first + steps, atomicLoad(&sh_stopped));
    }
}
