//! Test: the driver evaluates float expressions as written, by the rules of IEEE-754: any expression with
//! [`ShaderPath::Spirv`], and those that leave it nothing to rewrite (`shaders/shared/opaque.wgsl`) with [`ShaderPath::Wgsl`], too.
//!
//! It prints how many results differ on each path: with [`ShaderPath::Wgsl`] drivers may rewrite expressions, and do.

use wgpu::util::DeviceExt as _;

use super::wgsl::complete;
use super::{Context, adapters, pipeline};
use crate::device::{Family, ShaderPath};
use crate::record::{Access, Job};
use crate::threads::Threads;

/// Operands of each expression.
const COUNT: usize = 100_000;

/// The adapters and paths whose results must have the bits of IEEE-754.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    /// The text leaves nothing to rewrite, so the path does not matter either.
    OnBothPaths,
    /// Vulkan requires correctly rounded sums and products.
    Everywhere,
    /// Vulkan allows 2.5 ulp for a division and more for a square root.
    Software,
    /// The decoration does not cover the sign of zero: llvmpipe's code generator folds `a * 0.0` to 0.0.
    Nowhere,
}
use Where::{Everywhere, Nowhere, OnBothPaths, Software};

/// An expression of three floats and a byte, in WGSL and in Rust.
type Case = (Where, &'static str, fn(f32, f32, f32, u32) -> f32);

const CASES: &[Case] = &[
    (Everywhere, "(a + b) - a", |a, b, _, _| (a + b) - a),
    (Everywhere, "(a + 3.0) - 3.0", |a, _, _, _| (a + 3.0) - 3.0),
    (Everywhere, "(a * 3.0) * 0.1", |a, _, _, _| (a * 3.0) * 0.1),
    (Everywhere, "a * b + c", |a, b, c, _| a * b + c),
    (Everywhere, "a * b - c", |a, b, c, _| a * b - c),
    (Everywhere, "a * b + a * c", |a, b, c, _| a * b + a * c),
    (Everywhere, "(vec4f(a) * b + vec4f(a, b, c, a) * c).x", |a, b, c, _| a * b + a * c),
    (Everywhere, "((a + b) + c) + (b + a)", |a, b, c, _| ((a + b) + c) + (b + a)),
    (Everywhere, "f32(u) * 0.1 + a", |a, _, _, u| u as f32 * 0.1 + a),
    (Everywhere, "max(a, b) - min(a, b) + min(a, b)", |a, b, _, _| a.max(b) - a.min(b) + a.min(b)),
    (Software, "f32(u) / 255.0", |_, _, _, u| u as f32 / 255.0),
    (Software, "(f32(u) / 255.0 - b) / c", |_, b, c, u| (u as f32 / 255.0 - b) / c),
    (Software, "(a * b) / b", |a, b, _, _| (a * b) / b),
    (Software, "a / b", |a, b, _, _| a / b),
    (Software, "1.0 / sqrt(abs(a))", |a, _, _, _| 1.0 / a.abs().sqrt()),
    (Nowhere, "a * 0.0", |a, _, _, _| a * 0.0),
    (OnBothPaths, "opaque(a + b) - a", |a, b, _, _| (a + b) - a),
    (OnBothPaths, "opaque(a + 3.0) - 3.0", |a, _, _, _| (a + 3.0) - 3.0),
    (OnBothPaths, "opaque(a * 3.0) * 0.1", |a, _, _, _| (a * 3.0) * 0.1),
    (OnBothPaths, "opaque(a * b) + c", |a, b, c, _| a * b + c),
    (OnBothPaths, "opaque(a * b) + opaque(a * c)", |a, b, c, _| a * b + a * c),
    (OnBothPaths, "opaque(opaque(a + b) + c) + opaque(b + a)", |a, b, c, _| ((a + b) + c) + (b + a)),
    (OnBothPaths, "opaque(f32(u) * 0.1) + a", |a, _, _, u| u as f32 * 0.1 + a),
    (OnBothPaths, "quotient(f32(u), 255.0)", |_, _, _, u| u as f32 / 255.0),
    (OnBothPaths, "quotient(quotient(f32(u), 255.0) - b, c)", |_, b, c, u| (u as f32 / 255.0 - b) / c),
    (OnBothPaths, "quotient(a * b, b)", |a, b, _, _| (a * b) / b),
    (OnBothPaths, "quotient(1.0, root(abs(a)))", |a, _, _, _| 1.0 / a.abs().sqrt()),
];

/// Three floats of either sign with magnitudes from 1/64 to 64, so that no result is subnormal, and a byte.
fn operands() -> Vec<[u32; 4]> {
    // SplitMix64 (Steele, Lea, Flood 2014).
    let mut state = 1_u64;
    let mut word = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as u32
    };
    let mut float = || {
        let bits = word();
        let exponent = 121 + (bits >> 8) % 12;
        (bits & 0x8000_0000) | exponent << 23 | (word() >> 9)
    };
    (0..COUNT).map(|i| [float(), float(), float(), i as u32 % 256]).collect()
}

fn shader(expression: &str) -> String {
    let mut text = String::new();
    let shader = format!(
        "#import division\n#import opaque\n#import root
         @group(0) @binding(1) var<storage, read> operands: array<vec4u>;
         @group(0) @binding(2) var<storage, read_write> results: array<f32>;
         @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {{
             if (id.x >= {COUNT}u) {{ return; }}
             let words = operands[id.x];
             let a = bitcast<f32>(words.x);
             let b = bitcast<f32>(words.y);
             let c = bitcast<f32>(words.z);
             let u = words.w;
             results[id.x] = {expression};
         }}"
    );
    complete(&shader, &[], &mut text);
    text
}

/// Evaluates `expression` on the adapter.
fn evaluate(context: &Context, path: ShaderPath, expression: &str, operands: &[[u32; 4]]) -> Vec<f32> {
    let (device, queue) = (&context.device, &context.queue);
    let bindings = [Access::Read, Access::Write];
    let pipeline = pipeline::build(device, path, expression, &shader(expression), &bindings).unwrap();
    let buffer = |contents: &[u8], usage| {
        device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label: None, contents, usage })
    };
    let zeros = [0; COUNT * 4];
    let job = buffer(&zeros[..size_of::<Job>()], wgpu::BufferUsages::UNIFORM);
    let operands = buffer(bytemuck::cast_slice(operands), wgpu::BufferUsages::STORAGE);
    let results = buffer(&zeros, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC);
    let readback = buffer(&zeros, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
    let entries = [&job, &operands, &results].map(wgpu::Buffer::as_entire_binding).into_iter().zip(0..);
    let entries: Vec<_> = entries.map(|(resource, binding)| wgpu::BindGroupEntry { binding, resource }).collect();
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &entries,
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&Default::default());
    pass.set_pipeline(&pipeline);
    pass.set_bind_group(0, &group, &[]);
    pass.dispatch_workgroups((COUNT as u32).div_ceil(64), 1, 1);
    drop(pass);
    encoder.copy_buffer_to_buffer(&results, 0, &readback, 0, Some(zeros.len() as u64));
    queue.submit([encoder.finish()]);
    readback.slice(..).map_async(wgpu::MapMode::Read, Result::unwrap);
    device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    context.check().unwrap();
    bytemuck::pod_collect_to_vec(&readback.slice(..).get_mapped_range().unwrap())
}

#[test]
fn the_driver_evaluates_floats_as_written() {
    // The GPU that LASTBIT_ADAPTER names, as in other tests, or else the best one.
    let named = std::env::var("LASTBIT_ADAPTER").unwrap_or_default().to_ascii_lowercase();
    let mut all = pollster::block_on(adapters());
    let position = all.iter().position(|gpu| gpu.summary.name.to_ascii_lowercase().contains(&named)).unwrap_or(0);
    assert!(!all.is_empty(), "this test needs a GPU adapter; a software GPU is enough");
    let gpu = Context::new(all.swap_remove(position), Threads::one(), ShaderPath::Spirv, None);
    let context = pollster::block_on(gpu).expect("the adapter opens a device");
    let adapter = context.adapter();
    println!("{} ({}), kernels as {:?}", adapter.name, adapter.driver, context.shader_path());
    let operands = operands();
    let mut failures = Vec::new();
    for &(asked, expression, ieee) in CASES {
        let expected = operands.iter().map(|&[a, b, c, u]| {
            let [a, b, c] = [a, b, c].map(f32::from_bits);
            ieee(a, b, c, u)
        });
        let expected: Vec<f32> = expected.collect();
        let differing = |path| {
            let results = evaluate(&context, path, expression, &operands);
            results.iter().zip(&expected).filter(|(a, b)| a.to_bits() != b.to_bits()).count()
        };
        let (wgsl, ours) = (differing(ShaderPath::Wgsl), differing(context.shader_path()));
        println!("{expression:42} WGSL {wgsl:6}, {:?} {ours:6} of {COUNT} differ", context.shader_path());
        let is_asked = asked == Everywhere || (asked == Software && adapter.family == Family::SoftwareGpu);
        if context.shader_path() == ShaderPath::Spirv && is_asked && ours > 0 {
            failures.push(format!("{expression}: {ours} of {COUNT} results differ from IEEE-754"));
        }
        if asked == OnBothPaths && wgsl + ours > 0 {
            failures.push(format!("{expression}: {wgsl} and {ours} of {COUNT} results differ from IEEE-754"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
