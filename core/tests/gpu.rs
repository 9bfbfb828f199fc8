//! The GPU layer: what a recording does in which order, grids wider than WebGPU allows, and errors that say what to
//! change.

mod common;

use lastbit_core::gpu::{AdapterChoice, BufferTable, Buffers, Context, Fill, GpuError, Readback, Submitter};
use lastbit_core::gpu::{Command, Job, Kernel, Program, Recording, Shader, Work};

use common::{Bench, Gpu};

/// Adds `job.argument` to every word.
const ADD: Shader = Shader {
    name: "add",
    source: "@group(0) @binding(1) var<storage, read_write> words: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
    let at = (job.first_tile + tile.x) * 64u + lane;
    if (at < job.argument2) {
        words[at] += job.argument;
    }
}
",
};

fn add(rec: &mut Recording, words: lastbit_core::gpu::Binding, count: u32, argument: u32) {
    let job = Job { argument, argument2: count, ..Job::default() };
    let work = Work::shared(u64::from(count), 0);
    rec.dispatch_job("add", Kernel::new(ADD, &[]), &[words], count.div_ceil(64), work, job);
}

#[test]
fn commands_run_in_order() {
    let gpu = Gpu::new();
    // From one launch for each dispatch to one for each workgroup.
    for limit_flops in [u64::MAX, 64, 1] {
        let mut bench = Bench::new(&gpu, 1, 1);
        let (a, b) = (bench.words(&[5; 1000]), bench.words(&[7; 1000]));
        add(&mut bench.rec, a, 1000, 1);
        bench.rec.commands.push(Command::Copy { from: (a.buffer, 0), to: (b.buffer, 400), bytes: 3600 });
        add(&mut bench.rec, a, 1000, 10);
        add(&mut bench.rec, b, 1000, 100);
        let done = bench.run(limit_flops);
        assert_eq!(done.launches, if limit_flops == u64::MAX { 3 } else { 48 }, "at most {limit_flops} operations");
        assert_eq!(done.words(a)[..1000], [16; 1000]);
        assert_eq!(done.words(b)[..1000], [[107; 100].as_slice(), &[106; 900]].concat());
    }
}

#[test]
fn a_grid_is_as_wide_as_it_must_be() {
    let gpu = Gpu::new();
    // 70,000 workgroups, where WebGPU allows 65,535 in a dimension.
    let count = 70_000 * 64;
    let mut bench = Bench::new(&gpu, 1, 1);
    let words = bench.words(&vec![1; count]);
    add(&mut bench.rec, words, count as u32, 41);
    let done = bench.run(u64::MAX);
    assert_eq!(done.launches, 2);
    assert!(done.words(words)[..count].iter().all(|word| *word == 42), "a part of the grid was left out");
}

#[test]
fn a_cleared_buffer_is_zero_and_a_fresh_one_is_what_was_asked_for() {
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
        // The readback is of what was encoded before it.
        let pending = readback.capture(&context, submitter, &buffers, (ids[0], 0, 112));
        let cleared = pollster::block_on(readback.take(&context, pending)).unwrap();
        let kept = pollster::block_on(readback.read(&context, &buffers, (ids[1], 0, 4000))).unwrap();
        assert!(cleared.iter().all(|byte| *byte == 0));
        let kept: Vec<u32> = bytemuck::pod_collect_to_vec(&kept);
        assert!(kept.iter().all(|w| *w == word), "{fill:?} gave {:#x}", kept[0]);
    }
}

fn allocation_error(context: &Context, bytes: u64) -> GpuError {
    let mut table = BufferTable::default();
    table.add("activations", bytes);
    match pollster::block_on(Buffers::allocate(context, &table, Fill::Zero)) {
        Ok(_) => panic!("{bytes} bytes were allocated"),
        Err(error) => error,
    }
}

#[test]
fn memory_errors_say_size_limit_and_remedy() {
    let Gpu { context, .. } = Gpu::new();
    let limit = context.max_binding_bytes();
    let error = allocation_error(&context, limit + 16);
    assert!(matches!(error, GpuError::OverLimit { asked, .. } if asked == limit + 16), "{error}");
    assert!(error.to_string().contains("activations") && error.to_string().contains("--batch-size"), "{error}");

    context.set_memory_budget(1 << 20);
    let error = allocation_error(&context, 3 << 20);
    let message = error.to_string();
    assert!(matches!(error, GpuError::OutOfMemory { asked: 0x30_0000, limit: Some(0x10_0000), .. }), "{message}");
    assert!(message.contains("3.00 MiB") && message.contains("1.00 MiB") && message.contains("--ks"), "{message}");
}

#[test]
fn a_missing_adapter_is_named_with_those_there_are() {
    let Err(error) = pollster::block_on(Context::new(&AdapterChoice::Named("no such adapter".to_owned()))) else {
        panic!("an adapter of that name")
    };
    assert!(matches!(error, GpuError::UnknownAdapter { .. }), "{error}");
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
    assert!(matches!(error, GpuError::DeviceLost(_)), "{error:?}");
    assert!(error.to_string().contains("--resume"), "{error}");
}

/// Builds a dispatch of each of these sources.
fn build(context: &Context, sources: &[&'static str]) -> Result<Program, GpuError> {
    let mut table = BufferTable::default();
    let id = table.add("words", 1024);
    let buffers = pollster::block_on(Buffers::allocate(context, &table, Fill::Zero)).unwrap();
    let mut rec = Recording::new(1, Job::default());
    for source in sources {
        let kernel = Kernel::new(Shader { name: "given", source }, &[]);
        rec.dispatch("given", kernel, &[table.whole(id)], 1, Work::default());
    }
    pollster::block_on(Program::build(context, &buffers, &rec, u64::MAX))
}

/// Every piece in a thread of its own.
fn threads(n: usize, work: &(dyn Fn(usize) + Sync)) {
    std::thread::scope(|scope| (0..n).for_each(|i| drop(scope.spawn(move || work(i)))));
}

#[test]
fn a_kernel_that_is_no_wgsl_is_refused_in_whatever_thread_it_is_built() {
    const COUNT: &str = "@group(0) @binding(1) var<storage, read_write> words: array<u32>;
        @compute @workgroup_size(1) fn main() { words[0] += job.samples; }";
    for context in [Gpu::new().context, Gpu::new().context.with_spread(threads)] {
        let Err(error) = build(&context, &[COUNT, "fn main( {", COUNT]) else { panic!("nonsense was compiled") };
        assert!(matches!(error, GpuError::Refused(_)) && error.to_string().contains("fn main( {"), "{error}");
        // Told once, and of no kernel but this one.
        let program = build(&context, &[COUNT, COUNT]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(program.launches(), 2);
    }
}
