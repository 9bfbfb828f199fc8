#import mac
#import division
#import root
// The perturbed update of AdamW (docs/RULES.md; Loshchilov & Hutter 2019, as in torch.optim.AdamW), one parameter per thread:
//     m <- m + (1 - beta1)(g - m)         v <- beta2 v + (1 - beta2) g g
//     d = (m / (1 - beta1^t)) / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
//     d <- d / k                          p <- p - lr wd p, then p <- p - (lr k) d
// k is data, and the shader has no branch on it. Constants: RECIPROCAL (d * fl(1/k), as in the authors' code, instead of d / k).

struct Step {
    decay: f32,           // fl(lr wd)
    blend: f32,           // fl(1 - beta1)
    keep_squares: f32,    // fl(beta2)
    blend_squares: f32,   // fl(1 - beta2)
    correction: f32,      // fl(1 / (1 - beta1^t))
    root_correction: f32, // fl(1 / sqrt(1 - beta2^t))
    epsilon: f32,
    unused: u32,
}

struct Perturbation {
    k: u32,
    rate: f32,        // fl(lr k)
    reciprocal: f32,  // fl(1 / k)
    unused: u32,
}

@group(0) @binding(1) var<storage, read> gradients: array<f32>;              // [R] arenas
@group(0) @binding(2) var<storage, read> step: Step;
@group(0) @binding(3) var<storage, read> perturbations: array<Perturbation>; // [R]
@group(0) @binding(4) var<storage, read_write> parameters: array<f32>;       // [R] arenas
@group(0) @binding(5) var<storage, read_write> means: array<f32>;            // [R] arenas, of gradients
@group(0) @binding(6) var<storage, read_write> mean_squares: array<f32>;     // [R] arenas, of squared gradients

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let e = (job.first_tile + tile.x) * 64u + lane;
    if (e >= job.parameter_stride) {
        return;
    }
    let at = tile.y * job.parameter_stride + e;
    let by = perturbations[tile.y];
    let p = parameters[at];
    let g = gradients[at];
    let mean = mac(step.blend, opaque(g - means[at]), means[at]);
    let squares = mac(opaque(step.blend_squares * g), g, opaque(step.keep_squares * mean_squares[at]));
    means[at] = mean;
    mean_squares[at] = squares;
    let direction = quotient(opaque(mean * step.correction), mac(root(squares), step.root_correction, step.epsilon));
    var divided = 0.0;
    if (RECIPROCAL) {
        divided = opaque(direction * by.reciprocal);
    } else {
        divided = bitcast<f32>(divide_exactly(bitcast<u32>(direction), by.k));
    }
    let decayed = mac(-step.decay, p, p);
    parameters[at] = mac(-by.rate, divided, decayed);
}
