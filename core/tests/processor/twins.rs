//! Every shader, its twin and the plain reading of docs/ORDER.md give the same bits, in the specialisations of the networks and
//! at odd sizes, on poisoned buffers. One message lists all failures.

use std::collections::{BTreeMap, BTreeSet};

use lastbit_core::device::{
    AdapterChoice, Buffers, Context, Family, Fill, Options, Program, Readback, Submitter, adapters,
};
use lastbit_core::processor::{Class, Isa};
use lastbit_core::record::{BufferId, Command, Dispatch, Recording, Shader};
use lastbit_core::threads::Threads;
use pollster::block_on;

use crate::cases::{self, Case};
use crate::plain;
use crate::skip;

/// The words of each buffer, in the order of the table.
type Words = Vec<Vec<u32>>;

/// A case with its buffers on a device.
struct Bench<'a> {
    context: &'a Context,
    case: &'a Case,
    buffers: Buffers,
    readback: Readback,
}

impl<'a> Bench<'a> {
    fn new(context: &'a Context, case: &'a Case) -> Self {
        let buffers = block_on(Buffers::allocate(context, &case.table, Fill::Junk)).expect("small buffers");
        for (id, words) in case.table.ids().zip(&case.contents) {
            buffers.write(context, id, 0, bytemuck::cast_slice(words));
        }
        Self { context, case, buffers, readback: Readback::default() }
    }

    fn run(&self, recording: &Recording) {
        let program =
            block_on(Program::build(self.context, &self.buffers, recording, u64::MAX)).expect("valid kernels");
        let mut submitter = Submitter::new(self.context);
        submitter.run(&program, &self.buffers);
        submitter.submit();
    }

    fn words(&self) -> Words {
        let read = |(id, words): (BufferId, &Vec<u32>)| {
            let range = (id, 0, words.len() as u64 * 4);
            let bytes = block_on(self.readback.read(self.context, &self.buffers, range)).expect("a device");
            bytemuck::pod_collect_to_vec(&bytes)
        };
        self.case.table.ids().zip(&self.case.contents).map(read).collect()
    }
}

/// The words of a case's buffers after each of its dispatches, by the plain reading.
fn plainly(case: &Case, class: Class) -> Vec<Words> {
    let mut words = case.contents.clone();
    let after = |dispatch| {
        plain::run(dispatch, &mut words, class);
        words.clone()
    };
    case.recording.dispatches().map(after).collect()
}

/// A recording of this dispatch alone.
fn alone(recording: &Recording, dispatch: &Dispatch) -> Recording {
    Recording { commands: vec![Command::Dispatch(dispatch.clone())], ..recording.clone() }
}

/// Describes where `found` differs from `expected`. Any two computed NaNs are equal, and so are zeros of both signs if
/// `is_zero_free`.
fn difference(expected: &[u32], found: &[u32], before: &[u32], is_zero_free: bool) -> Option<String> {
    let is_nan = |word: u32| f32::from_bits(word).is_nan();
    let differs = |i: &usize| {
        let [a, b] = [expected[*i], found[*i]];
        let both_nan = is_nan(a) && is_nan(b) && a != before[*i];
        let both_zero = is_zero_free && (a | b) << 1 == 0;
        a != b && !both_nan && !both_zero
    };
    let mut differing = (0..expected.len()).filter(differs);
    let first = differing.next()?;
    let [a, b] = [expected[first], found[first]];
    let (count, all) = (1 + differing.count(), expected.len());
    Some(format!(
        "{count} of {all} words differ, the first at {first}: {b:08x} ({:e}), expected {a:08x} ({:e})",
        f32::from_bits(b),
        f32::from_bits(a)
    ))
}

/// The number of comparisons of each shader, and their failures.
#[derive(Default)]
struct Outcome {
    compared: BTreeMap<&'static str, usize>,
    failures: Vec<String>,
}

impl Outcome {
    fn compare(&mut self, context: &Context, shader: Shader, (expected, found): (&Words, &Words), case: &Case) {
        // Mesa's code generator turns x * 0 into 0 and x + 0 into x whatever the SPIR-V says, so the sign of a zero may differ.
        let is_zero_free = context.adapter().family != Family::Processor;
        let what = name(context);
        *self.compared.entry(shader.name()).or_default() += 1;
        for (buffer, before) in case.contents.iter().enumerate() {
            if let Some(difference) = difference(&expected[buffer], &found[buffer], before, is_zero_free) {
                let label = &case.table.specs()[buffer].label;
                self.failures.push(format!("{what}: {} [{}] {label}: {difference}", shader.name(), case.name));
            }
        }
    }

    /// Compares every dispatch of a case by itself. `expected` comes from [`plainly`].
    fn each_dispatch(&mut self, context: &Context, expected: &[Words], case: &Case) {
        let bench = Bench::new(context, case);
        for (dispatch, expected) in case.recording.dispatches().zip(expected) {
            bench.run(&alone(&case.recording, dispatch));
            self.compare(context, dispatch.kernel.shader(), (expected, &bench.words()), case);
        }
    }

    /// Compares the buffers after the whole recording of a case. Buffers that only pass values to the next dispatch may stay
    /// unwritten.
    fn whole_recording(&mut self, context: &Context, expected: &[Words], case: &Case) {
        let bench = Bench::new(context, case);
        bench.run(&case.recording);
        let (expected, mut found) = (expected.last().expect("a dispatch"), bench.words());
        let mut passed_on = BTreeSet::new();
        let mut last = Shader::FmaRate;
        for dispatch in case.recording.dispatches() {
            last = dispatch.kernel.shader();
            if last == Shader::ConvDweightReduce {
                passed_on.insert(dispatch.bindings[0].buffer.index());
            }
        }
        for buffer in passed_on {
            found[buffer].clone_from(&expected[buffer]);
        }
        self.compare(context, last, (expected, &found), case);
    }

    fn finish(self) {
        println!("{:?}", self.compared);
        for shader in Shader::ALL {
            assert!(self.compared.contains_key(shader.name()), "no case of {} was compared", shader.name());
        }
        let shown: Vec<_> = self.failures.iter().take(40).map(String::as_str).collect();
        assert!(self.failures.is_empty(), "{} comparisons fail:\n{}", self.failures.len(), shown.join("\n"));
    }
}

fn name(context: &Context) -> String {
    let adapter = context.adapter();
    format!("{} {}", adapter.name, adapter.detail.as_deref().unwrap_or_default())
}

fn processor(class: Class, isa: Isa, threads: usize) -> Context {
    let options = Options {
        adapter: AdapterChoice::Named(class.adapter().to_owned()),
        threads: Threads::new(threads).expect("a few threads"),
        instructions: Some(isa),
        ..Options::default()
    };
    block_on(Context::open(options)).expect("instructions that are here")
}

#[test]
fn twins_are_the_plain_reading_in_every_class_and_instruction_set() {
    let cases = cases::cases(1);
    let mut outcome = Outcome::default();
    for class in Class::ALL {
        let here = Isa::ALL.into_iter().filter(|isa| isa.is_available());
        let of_each_set: Vec<Context> = here.map(|isa| processor(class, isa, 1)).collect();
        let with_threads = [1, 2, 3, 7].map(|threads| processor(class, Isa::best(), threads));
        for case in &cases {
            // The plain reading takes longer than all twins together.
            let expected = plainly(case, class);
            of_each_set.iter().for_each(|context| outcome.each_dispatch(context, &expected, case));
            with_threads.iter().for_each(|context| outcome.whole_recording(context, &expected, case));
        }
    }
    outcome.finish();
}

/// The GPU that `LASTBIT_ADAPTER` names, else a software GPU of this machine. Its class must be separate.
fn gpu() -> Option<Context> {
    let named = std::env::var("LASTBIT_ADAPTER").ok().filter(|name| !name.starts_with("processor"));
    let found = || block_on(adapters(Options::default())).into_iter().find(|a| a.family == Family::SoftwareGpu);
    let choice = AdapterChoice::Named(named.or_else(|| found().map(|adapter| adapter.name))?);
    Some(block_on(Context::new(&choice)).expect("an adapter of that name"))
}

#[test]
fn shaders_on_a_software_gpu_are_the_plain_reading() {
    let Some(context) = gpu() else {
        skip::skip("shaders against the plain reading (no software GPU driver: install Mesa's Vulkan drivers)");
        return;
    };
    // SwiftShader would fail here: it flushes subnormal numbers (docs/RULES.md).
    let mut outcome = Outcome::default();
    for case in cases::cases(2) {
        outcome.each_dispatch(&context, &plainly(&case, Class::Separate), &case);
    }
    outcome.finish();
}
