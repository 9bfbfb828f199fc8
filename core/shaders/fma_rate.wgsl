#import opaque
// Measures the FMA rate of the benchmarks: independent chains of fma in registers, without reads from memory.
// Constants: ROUNDS.

@group(0) @binding(1) var<storage, read_write> results: array<f32>;

const CHAINS = 12u;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let thread = (job.first_tile + tile.x) * 64u + lane;
    let step = opaque(f32(thread) * 1e-6);
    let factor = 0.9999 + opaque(step * 1e-6);
    var chain: array<f32, CHAINS>;
    for (var j = 0u; j < CHAINS; j++) {
        chain[j] = opaque(step + f32(j));
    }
    for (var i = 0u; i < ROUNDS; i++) {
        // Several rounds per iteration, so that the loop costs little.
        for (var j = 0u; j < CHAINS; j++) {
            chain[j] = fma(chain[j], factor, step);
        }
        for (var j = 0u; j < CHAINS; j++) {
            chain[j] = fma(chain[j], factor, step);
        }
        for (var j = 0u; j < CHAINS; j++) {
            chain[j] = fma(chain[j], factor, step);
        }
        for (var j = 0u; j < CHAINS; j++) {
            chain[j] = fma(chain[j], factor, step);
        }
    }
    var total = 0.0;
    for (var j = 0u; j < CHAINS; j++) {
        total = opaque(total + opaque(chain[j]));
    }
    results[thread] = total;
}
