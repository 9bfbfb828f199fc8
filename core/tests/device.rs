//! The device: the order of a recording's commands, grids larger than WebGPU allows, and errors that name sizes and limits.

mod common;

use lastbit_core::arithmetic;
use lastbit_core::device::{
    AdapterChoice, Buffers, Context, DeviceError, Family, Fill, Options, Program, Readback, Submitter, adapters,
};
use lastbit_core::ops::{flip_bit, functions};
use lastbit_core::record::{Binding, BufferTable, Command, Function, Job, Kernel, Recording, Shader, Work};
use lastbit_core::threads::Threads;

use common::{Bench, Gpu};

/// Appends a copy of `words` words, a multiple of 1024, with the benchmarks' copy kernel.
fn copy(rec: &mut Recording, from: Binding, to: Binding, words: u32) {
    let kernel = Kernel::new(Shader::CopyRate, &[]);
    rec.dispatch("copy", kernel, &[from, to], words / 1024, Work::shared(u64::from(words), 0));
}

#[test]
fn commands_run_in_order() {
    let gpu = Gpu::new();
    // From one launch per dispatch to one per workgroup.
    for limit_flops in [u64::MAX, 64, 1] {
        let mut bench = Bench::new(&gpu, 1, 1);
        let [a, b, c] = [5, 7, 9].map(|word| bench.words(&[word; 4096]));
        copy(&mut bench.rec, a, b, 4096);
        flip_bit::flip(&mut bench.rec, a, 3, 0);
        bench.rec.commands.push(Command::Copy { from: (a.buffer, 0), to: (c.buffer, 1600), bytes: 12_800 });
        flip_bit::flip(&mut bench.rec, a, 3, 0);
        copy(&mut bench.rec, c, b, 2048);
        let done = bench.run(limit_flops);
        if gpu.context.adapter().family != Family::Processor {
            assert_eq!(done.launches, if limit_flops == u64::MAX { 4 } else { 8 }, "limit {limit_flops}");
        }
        assert_eq!(done.words(a)[..4096], [5; 4096], "two flips must cancel");
        let mut of_c = [[9; 400].as_slice(), &[5; 3200], &[9; 496]].concat();
        of_c[403] = 4;
        assert_eq!(done.words(c)[..4096], of_c);
        assert_eq!(done.words(b)[..4096], [&of_c[..2048], &[5; 2048]].concat());
    }
}

#[test]
fn a_dispatch_may_exceed_the_workgroups_of_one_dimension() {
    let gpu = Gpu::new();
    // 66,000 workgroups; WebGPU allows 65,535 in a dimension.
    let count = 66_000 * 64;
    let mut bench = Bench::new(&gpu, 1, 1);
    let operands = bench.words(&[1.5_f32.to_bits(), 2.0_f32.to_bits(), 0, 0].repeat(count));
    let to = bench.words(&vec![f32::NAN.to_bits(); count]);
    functions::apply(&mut bench.rec, Function::Product, [operands, to], count as u32);
    let done = bench.run(u64::MAX);
    assert_eq!(done.launches, if gpu.context.adapter().family == Family::Processor { 1 } else { 2 });
    let results = &done.words(to)[..count];
    assert!(results.iter().all(|word| *word == 3.0_f32.to_bits()), "a part of the grid was not computed");
}

#[test]
fn a_cleared_buffer_is_zero_and_a_fresh_one_has_the_requested_fill() {
    let Gpu { context, .. } = Gpu::new();
    let mut table = BufferTable::default();
    let ids = [100, 4000].map(|bytes| table.add("words", bytes));
    for (fill, word) in [(Fill::Zero, 0), (Fill::Junk, 1e30f32.to_bits())] {
        let buffers = pollster::block_on(Buffers::allocate(&context, &table, fill)).unwrap();
        let mut rec = Recording::new(1, Job::default());
        rec.commands.push(Command::Clear(ids[0]));
        let program = pollster::block_on(Program::build(&context, &buffers, &rec, u64::MAX)).unwrap();
        let mut submitter = Submitter::new(&context);
        submitter.run(&program, &buffers);
        let readback = Readback::default();
        // The readback includes the commands that were encoded before it.
        let pending = readback.capture(&context, submitter, &buffers, (ids[0], 0, 112));
        let cleared = pollster::block_on(readback.take(&context, pending)).unwrap();
        let kept = pollster::block_on(readback.read(&context, &buffers, (ids[1], 0, 4000))).unwrap();
        assert!(cleared.iter().all(|byte| *byte == 0));
        let kept: Vec<u32> = bytemuck::pod_collect_to_vec(&kept);
        assert!(kept.iter().all(|w| *w == word), "{fill:?} gave {:#x}", kept[0]);
    }
}

fn allocation_error(context: &Context, bytes: u64) -> DeviceError {
    let mut table = BufferTable::default();
    table.add("activations", bytes);
    match pollster::block_on(Buffers::allocate(context, &table, Fill::Zero)) {
        Ok(_) => panic!("{bytes} bytes were allocated"),
        Err(error) => error,
    }
}

#[test]
fn memory_errors_name_size_and_limit() {
    let Gpu { context, .. } = Gpu::new();
    let limit = context.adapter().binding_bytes();
    let error = allocation_error(&context, limit + 16);
    assert!(matches!(error, DeviceError::OverLimit { asked, .. } if asked == limit + 16), "{error}");
    assert!(error.to_string().contains("activations"), "{error}");

    context.set_memory_budget(1 << 20);
    let error = allocation_error(&context, 3 << 20);
    let message = error.to_string();
    assert!(matches!(error, DeviceError::OutOfMemory { asked: 0x30_0000, limit: Some(0x10_0000), .. }), "{message}");
    assert!(message.contains("3.00 MiB") && message.contains("1.00 MiB"), "{message}");
}

#[test]
fn an_unknown_adapter_is_reported_with_the_existing_ones() {
    let Err(error) = pollster::block_on(Context::new(&AdapterChoice::Named("no such adapter".to_owned()))) else {
        panic!("an adapter has that name")
    };
    assert!(matches!(error, DeviceError::UnknownAdapter { .. }), "{error}");
    let name = Gpu::new().context.adapter().name.clone();
    assert!(error.to_string().contains(&name), "{error} does not name {name}");
}

#[test]
fn a_lost_device_is_an_error_and_not_a_panic() {
    let Gpu { context, .. } = Gpu::new();
    let mut table = BufferTable::default();
    let id = table.add("words", 1024);
    let buffers = pollster::block_on(Buffers::allocate(&context, &table, Fill::Zero)).unwrap();
    context.destroy();
    let error = pollster::block_on(Readback::default().read(&context, &buffers, (id, 0, 1024))).unwrap_err();
    assert!(matches!(error, DeviceError::DeviceLost(_)), "{error:?}");
}

/// Builds a program with one dispatch for each of these constant names.
fn build(context: &Context, constants: &[&'static str]) -> Result<Program, DeviceError> {
    let mut table = BufferTable::default();
    let ids = ["from", "to"].map(|label| table.add(label, 1024));
    let buffers = pollster::block_on(Buffers::allocate(context, &table, Fill::Zero)).unwrap();
    let mut rec = Recording::new(1, Job::default());
    for name in constants {
        let kernel = Kernel::new(Shader::CopyRate, &[(*name, 1.into())]);
        rec.dispatch("given", kernel, &ids.map(|id| table.whole(id)), 1, Work::default());
    }
    pollster::block_on(Program::build(context, &buffers, &rec, u64::MAX))
}

#[test]
fn an_invalid_kernel_is_refused_in_any_thread() {
    for threads in [Threads::one(), Threads::new(3).unwrap()] {
        let context = Gpu::with_threads(threads).context;
        if context.adapter().family == Family::Processor {
            // The processor compiles nothing.
            return;
        }
        let Err(error) = build(&context, &["A", "fn main( {", "B"]) else { panic!("invalid WGSL was compiled") };
        assert!(matches!(error, DeviceError::Refused(_)) && error.to_string().contains("fn main( {"), "{error}");
        // The error is reported once, and only for this kernel.
        let program = build(&context, &["A", "B"]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(program.launches(), 2);
    }
}

#[test]
fn the_class_of_a_device_is_found() {
    let all = pollster::block_on(adapters(Options::default()));
    for adapter in &all {
        let found = pollster::block_on(async {
            let context = Context::new(&AdapterChoice::Named(adapter.name.clone())).await.unwrap();
            arithmetic::probe(&context).await.unwrap().to_string()
        });
        println!("{}: {found}", adapter.name);
        let expected = match adapter.name.as_str() {
            "processor" => "fused, subnormals kept",
            name if name == "processor:separate" || name.starts_with("llvmpipe") => "separate, subnormals kept",
            name if name.starts_with("SwiftShader") => "separate, subnormals flushed",
            // Of other devices it is not known.
            _ => continue,
        };
        assert_eq!(found, expected, "{}", adapter.name);
    }
}
