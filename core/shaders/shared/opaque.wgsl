// Returns a value unchanged, but through its bits and with the job's zero, so that a compiler cannot see how it was computed. WGSL
// allows compilers to contract a * b + c, to reorder sums and products and to factor them; across `opaque` there is nothing to
// rewrite. A test (core/tests/kernels/rewriting.rs) finds the places that need it.

fn opaque(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) ^ job.zero);
}

fn opaque2(x: vec2f) -> vec2f {
    return bitcast<vec2f>(bitcast<vec2u>(x) ^ vec2u(job.zero));
}

fn opaque3(x: vec3f) -> vec3f {
    return bitcast<vec3f>(bitcast<vec3u>(x) ^ vec3u(job.zero));
}

fn opaque4(x: vec4f) -> vec4f {
    return bitcast<vec4f>(bitcast<vec4u>(x) ^ vec4u(job.zero));
}
