#import mac
#import division
// The perturbed update (docs/RULES.md; paper, section 3), one parameter per thread:
//     g <- g + wd p      buf <- mu buf + g (first step: buf = g)
//     d = g + mu buf (Nesterov) | buf (momentum) | g (mu = 0)
//     d <- d / k         p <- p - (lr k) d
// k is data, and the shader has no branch on it. Constants: RECIPROCAL (d * fl(1/k), as in the authors' code, instead of d / k).

struct Step {
    weight_decay: f32,
    momentum: f32,
    keep: f32,       // momentum, or 0 in the first step, when buf is not yet defined
    nesterov: f32,   // 1 or 0
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
@group(0) @binding(5) var<storage, read_write> momenta: array<f32>;          // [R] arenas

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let e = (job.first_tile + tile.x) * 64u + lane;
    if (e >= job.parameter_stride) {
        return;
    }
    let at = tile.y * job.parameter_stride + e;
    let by = perturbations[tile.y];
    let p = parameters[at];
    let g = mac(step.weight_decay, p, gradients[at]);
    // select instead of a product with 0, because the first buffer may hold junk, even NaN.
    let buffer = mac(step.keep, select(0.0, momenta[at], step.keep != 0.0), g);
    momenta[at] = buffer;
    let direction = select(select(g, buffer, step.momentum != 0.0), mac(step.momentum, buffer, g), step.nesterov != 0.0);
    var divided = 0.0;
    if (RECIPROCAL) {
        divided = opaque(direction * by.reciprocal);
    } else {
        divided = bitcast<f32>(divide_exactly(bitcast<u32>(direction), by.k));
    }
    parameters[at] = mac(-by.rate, divided, p);
}
