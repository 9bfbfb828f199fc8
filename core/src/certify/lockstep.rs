//! Runs a script on a reference and on devices in lockstep, dispatch by dispatch, and compares every word that a kernel writes.
//!
//! Before each dispatch the outputs are poisoned on all sides. What still holds the poison on the reference afterwards is what
//! its twin does not write, and a device must leave it alone, too. Then the values from before return there, because later
//! kernels rely on them (the zero borders of planes). A device goes on from the values of the reference, so that the first
//! kernel that differs is the only one to blame.

use std::collections::HashSet;
use std::rc::Rc;

use web_time::Instant;

use super::comparison::{Tally, Tolerance, compare};
use super::report::{Findings, POISON, since};
use crate::device::{Buffers, Context, DeviceError, Family, Fill, Program, Readback, Submitter};
use crate::record::{
    Access, Act, Binding, BufferId, BufferTable, Command, Dispatch, Kernel, Recording, Script, Shader,
};

/// Words beside a kernel's output that are compared as well.
const MARGIN: usize = 1024;

/// A device with its own buffers of a script.
struct Side {
    context: Rc<Context>,
    buffers: Buffers,
    readback: Readback,
}

impl Side {
    async fn new(context: &Rc<Context>, table: &BufferTable) -> Result<Self, DeviceError> {
        let buffers = Buffers::allocate(context, table, Fill::Junk).await?;
        Ok(Self { context: Rc::clone(context), buffers, readback: Readback::default() })
    }

    fn write(&self, at: Binding, words: &[u32]) {
        self.buffers.write(&self.context, at.buffer, at.offset, bytemuck::cast_slice(words));
    }

    async fn read(&self, at: Binding) -> Result<Vec<u32>, DeviceError> {
        let range = (at.buffer, at.offset, at.bytes);
        let bytes = self.readback.read(&self.context, &self.buffers, range).await?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    async fn build(&self, recording: &Recording) -> Result<Program, DeviceError> {
        let limit = self.context.adapter().submit_flops();
        Program::build(&self.context, &self.buffers, recording, limit).await
    }

    fn start(&self, program: &Program) {
        let mut submitter = Submitter::new(&self.context);
        submitter.run(program, &self.buffers);
        submitter.submit();
    }

    async fn run(&self, recording: &Recording) -> Result<(), DeviceError> {
        let program = self.build(recording).await?;
        self.start(&program);
        Ok(())
    }
}

/// A recording of one command.
fn alone(recording: &Recording, command: Command) -> Recording {
    Recording { commands: vec![command], replicas: recording.replicas, job: recording.job }
}

/// The part of a binding that is compared after a dispatch.
struct Output {
    at: Binding,
    /// Index of the first word in the kernel's binding.
    first: u64,
    /// Words after the dispatch, with poison where the kernel does not write.
    expected: Vec<u32>,
    /// What the words hold in the end.
    truth: Vec<u32>,
    is_poisoned: bool,
    label: String,
}

impl Output {
    /// The part of the binding `whole` around what the twin wrote.
    fn around(whole: Binding, expected: &[u32], truth: &[u32], label: &str) -> Self {
        let is_written = |word: &u32| *word != POISON;
        let first = expected.iter().position(is_written).unwrap_or(0).saturating_sub(MARGIN);
        let last = expected.iter().rposition(is_written).unwrap_or(0);
        let end = (last + 1 + MARGIN).min(expected.len());
        let at = Binding { offset: whole.offset + 4 * first as u64, bytes: 4 * (end - first) as u64, ..whole };
        let [expected, truth] = [expected, truth].map(|words| words[first..end].to_vec());
        Self { at, first: first as u64, expected, truth, is_poisoned: true, label: label.to_owned() }
    }
}

/// What was compared, and what was found.
#[derive(Default)]
pub(super) struct Compared {
    pub findings: Findings,
    pub tally: Tally,
    pub kernels: HashSet<Kernel>,
    pub launches: u64,
    /// Recordings that also ran as a whole.
    pub recordings: u64,
}

/// How a script is walked.
#[derive(Clone, Copy, Default)]
pub(super) struct Walk {
    /// Compares only the backward pass of each training step, from a loss gradient that is multiplied by this.
    pub gradient_scale: Option<f32>,
    /// A fault injector: flips a bit of what a kernel of this shader wrote.
    pub fault: Option<Shader>,
}

/// A script whose convolutions have other tiles.
pub(super) struct Variant {
    pub name: String,
    pub script: Script,
}

/// A reference and devices with the same buffers.
pub(super) struct Lockstep<'a> {
    script: &'a Script,
    subject: &'a str,
    reference: Side,
    devices: Vec<(String, Side)>,
    walk: Walk,
    /// Kernels of variants that were compared.
    seen: HashSet<(Kernel, u32)>,
}

impl<'a> Lockstep<'a> {
    pub async fn new(
        subject: &'a str,
        script: &'a Script,
        reference: &Rc<Context>,
        devices: &[(String, Rc<Context>)],
        walk: Walk,
    ) -> Result<Self, DeviceError> {
        let reference = Side::new(reference, &script.table).await?;
        let mut sides = Vec::new();
        for (name, context) in devices {
            sides.push((name.clone(), Side::new(context, &script.table).await?));
        }
        Ok(Self { script, subject, reference, devices: sides, walk, seen: HashSet::new() })
    }

    /// Runs the whole script. `twins` receives the comparisons of its kernels, `tiles` those of the variants.
    pub async fn run(
        mut self,
        variants: &[Variant],
        twins: &mut Compared,
        tiles: &mut Compared,
    ) -> Result<(), DeviceError> {
        let script = self.script;
        for (i, act) in script.acts.iter().enumerate() {
            match act {
                Act::Write(buffer, bytes) => {
                    let sides = std::iter::once(&self.reference).chain(self.devices.iter().map(|(_, side)| side));
                    sides.for_each(|side| side.buffers.write(&side.context, *buffer, 0, bytes));
                }
                Act::Run { name, recording } => match self.walk.gradient_scale {
                    None => {
                        let others = variants.iter().filter_map(|variant| match &variant.script.acts[i] {
                            Act::Run { recording, .. } => Some((variant.name.as_str(), recording)),
                            Act::Write(..) => None,
                        });
                        self.recording(name, recording, &others.collect::<Vec<_>>(), twins, tiles).await?;
                    }
                    Some(scale) => self.backward(name, recording, scale, twins).await?,
                },
            }
        }
        Ok(())
    }

    /// Runs a recording dispatch by dispatch, then as a whole on the devices.
    async fn recording(
        &mut self,
        name: &str,
        recording: &Recording,
        variants: &[(&str, &Recording)],
        twins: &mut Compared,
        tiles: &mut Compared,
    ) -> Result<(), DeviceError> {
        let (start, of_tiles) = (Instant::now(), tiles.findings.seconds);
        // Building everything at once compiles pipelines in parallel.
        let mut programs = Vec::new();
        for (_, side) in &self.devices {
            programs.push(side.build(recording).await?);
        }
        let of_variants = Instant::now();
        let variants = self.new_variants(recording, variants);
        if let Some(all) = self.variants_at_once(recording, &variants) {
            for (_, side) in &self.devices {
                side.build(&all).await?;
            }
        }
        tiles.findings.seconds += since(of_variants);
        let carried = carried(recording);
        let mut before = Vec::new();
        for buffer in &carried {
            before.push(self.reference.read(self.script.table.whole(*buffer)).await?);
        }
        let failures = twins.findings.failure_count;
        for (i, command) in recording.commands.iter().enumerate() {
            let one = alone(recording, command.clone());
            let Command::Dispatch(dispatch) = command else {
                self.reference.run(&one).await?;
                for (_, side) in &self.devices {
                    side.run(&one).await?;
                }
                continue;
            };
            self.dispatch(name, &one, dispatch, &variants[i], twins, tiles).await?;
        }
        // After the fault of a kernel, its recording is wrong for a known reason.
        if recording.dispatches().nth(1).is_some() && twins.findings.failure_count == failures {
            self.whole(name, recording, &programs, (&carried, &before), twins).await?;
        }
        twins.findings.seconds += since(start) - (tiles.findings.seconds - of_tiles);
        Ok(())
    }

    /// For each command, the variants whose kernels were not compared yet.
    fn new_variants<'v>(
        &mut self,
        recording: &Recording,
        variants: &[(&'v str, &'v Recording)],
    ) -> Vec<Vec<(&'v str, &'v Dispatch)>> {
        let of = |(i, command): (usize, &Command)| {
            let Command::Dispatch(dispatch) = command else { return Vec::new() };
            let others = variants.iter().filter_map(|(name, other)| match &other.commands[i] {
                Command::Dispatch(other) => Some((*name, other)),
                _ => None,
            });
            let others = others.filter(|(_, other)| other.kernel != dispatch.kernel);
            others.filter(|(_, other)| self.seen.insert((other.kernel.clone(), other.job.samples))).collect()
        };
        recording.commands.iter().enumerate().map(of).collect()
    }

    fn variants_at_once(&self, recording: &Recording, variants: &[Vec<(&str, &Dispatch)>]) -> Option<Recording> {
        let commands: Vec<_> =
            variants.iter().flatten().map(|(_, dispatch)| Command::Dispatch((*dispatch).clone())).collect();
        (!commands.is_empty()).then_some(Recording { commands, replicas: recording.replicas, job: recording.job })
    }

    /// Runs a dispatch on the reference, then on every device, and compares.
    async fn dispatch(
        &self,
        name: &str,
        one: &Recording,
        dispatch: &Dispatch,
        variants: &[(&str, &Dispatch)],
        twins: &mut Compared,
        tiles: &mut Compared,
    ) -> Result<(), DeviceError> {
        let of = |access: Access| {
            let all = dispatch.bindings.iter().zip(dispatch.kernel.accesses());
            all.filter(move |(_, its)| *its == access).map(|(binding, _)| *binding)
        };
        let label = |binding: Binding| self.script.table.spec(binding.buffer).label.as_str();
        let mut old = Vec::new();
        for binding in of(Access::Write) {
            old.push(self.reference.read(binding).await?);
            self.reference.write(binding, &vec![POISON; (binding.bytes / 4) as usize]);
        }
        let mut updated = Vec::new();
        if !variants.is_empty() {
            for binding in of(Access::Update) {
                updated.push((binding, self.reference.read(binding).await?));
            }
        }
        self.reference.run(one).await?;
        let mut outputs = Vec::new();
        for (binding, old) in of(Access::Write).zip(old) {
            let written = self.reference.read(binding).await?;
            let truth: Vec<u32> =
                written.iter().zip(old).map(|(new, old)| if *new == POISON { old } else { *new }).collect();
            if truth != written {
                self.reference.write(binding, &truth);
            }
            outputs.push(Output::around(binding, &written, &truth, label(binding)));
        }
        for binding in of(Access::Update) {
            let truth = self.reference.read(binding).await?;
            let expected = truth.clone();
            let label = label(binding).to_owned();
            outputs.push(Output { at: binding, first: 0, expected, truth, is_poisoned: false, label });
        }
        for (device, side) in &self.devices {
            let case = self.case(name, &dispatch.label, device);
            self.launch(side, one, dispatch, case, &outputs, twins).await?;
        }
        let start = Instant::now();
        for (variant, other) in variants {
            for (device, side) in &self.devices {
                updated.iter().for_each(|(binding, words)| side.write(*binding, words));
                let case = format!("{}, {variant}", self.case(name, &dispatch.label, device));
                let one = alone(one, Command::Dispatch((*other).clone()));
                self.launch(side, &one, other, case, &outputs, tiles).await?;
            }
        }
        tiles.findings.seconds += since(start);
        Ok(())
    }

    fn case(&self, recording: &str, layer: &str, device: &str) -> String {
        let parts = [self.subject, recording, layer, device];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }

    /// Runs one dispatch on a device with poisoned outputs, compares them, and leaves the reference's values there.
    async fn launch(
        &self,
        side: &Side,
        one: &Recording,
        dispatch: &Dispatch,
        case: String,
        outputs: &[Output],
        compared: &mut Compared,
    ) -> Result<(), DeviceError> {
        for output in outputs.iter().filter(|output| output.is_poisoned) {
            side.write(output.at, &vec![POISON; output.expected.len()]);
        }
        side.run(one).await?;
        let shader = dispatch.kernel.shader();
        compared.launches += 1;
        compared.kernels.insert(dispatch.kernel.clone());
        for (i, output) in outputs.iter().enumerate() {
            let mut found = side.read(output.at).await?;
            if self.walk.fault == Some(shader) && i == 0 {
                let written = output.expected.iter().position(|word| *word != POISON).unwrap_or(0);
                found[written] ^= 1;
            }
            let tolerance = tolerance(&side.context, shader);
            let mismatch = compare(output.first, &output.expected, &found, tolerance, &mut compared.tally);
            if let Some(mismatch) = mismatch {
                compared.findings.add_mismatch(&dispatch.kernel, case.clone(), &output.label, mismatch);
            }
            if found != output.truth {
                side.write(output.at, &output.truth);
            }
        }
        Ok(())
    }

    /// Runs a recording at once on every device, from the state before it, and compares the results of a run that it changes.
    async fn whole(
        &self,
        name: &str,
        recording: &Recording,
        programs: &[Program],
        (carried, before): (&[BufferId], &[Vec<u32>]),
        twins: &mut Compared,
    ) -> Result<(), DeviceError> {
        let table = &self.script.table;
        let written = written(recording);
        let results: Vec<Binding> =
            self.script.results.iter().filter(|id| written.contains(id)).map(|id| table.whole(*id)).collect();
        for ((device, side), program) in self.devices.iter().zip(programs) {
            for (buffer, words) in carried.iter().zip(before) {
                side.write(table.whole(*buffer), words);
            }
            side.start(program);
            twins.recordings += 1;
            let mut is_equal = true;
            for result in &results {
                let (expected, found) = (self.reference.read(*result).await?, side.read(*result).await?);
                // Metrics also hold integers, but a wrong sign of a zero is no sign of a wrong integer.
                let tolerance = tolerance(&side.context, Shader::Add);
                if let Some(mismatch) = compare(0, &expected, &found, tolerance, &mut twins.tally) {
                    is_equal = false;
                    let case = self.case(name, "", device);
                    twins.findings.add_text(format!(
                        "{case}: its kernels at once: {}[{}] is {:08x}, expected {:08x} ({} elements differ)",
                        table.spec(result.buffer).label,
                        mismatch.element,
                        mismatch.found,
                        mismatch.expected,
                        mismatch.elements
                    ));
                }
                if found != expected {
                    side.write(*result, &expected);
                }
            }
            if !is_equal {
                for id in table.ids() {
                    side.write(table.whole(id), &self.reference.read(table.whole(id)).await?);
                }
            }
        }
        Ok(())
    }

    /// Runs a training step on the reference up to its loss, scales the gradient of the loss, and compares what follows. Other
    /// recordings run on the reference alone.
    async fn backward(
        &mut self,
        name: &str,
        recording: &Recording,
        scale: f32,
        twins: &mut Compared,
    ) -> Result<(), DeviceError> {
        let is_loss = |command: &Command| {
            let losses = [Shader::SoftmaxCrossEntropy, Shader::BinaryCrossEntropy];
            matches!(command, Command::Dispatch(d) if losses.contains(&d.kernel.shader()))
        };
        let is_update =
            |command: &Command| matches!(command, Command::Dispatch(d) if d.kernel.shader() == Shader::SgdUpdate);
        let loss = recording.commands.iter().position(is_loss);
        let Some(loss) = loss.filter(|_| recording.commands.iter().any(is_update)) else {
            self.reference.run(recording).await?;
            if recording.dispatches().next().is_none() {
                for (_, side) in &self.devices {
                    side.run(recording).await?;
                }
            }
            return Ok(());
        };
        let (forward, backward) = recording.commands.split_at(loss + 1);
        let part = |commands: &[Command]| Recording { commands: commands.to_vec(), ..recording.clone() };
        let (forward, backward) = (part(forward), part(backward));
        self.reference.run(&forward).await?;
        if let Some(Command::Dispatch(loss)) = forward.commands.last() {
            let gradient = loss.bindings[2];
            let words = self.reference.read(gradient).await?;
            let scaled: Vec<u32> = words.iter().map(|word| (f32::from_bits(*word) * scale).to_bits()).collect();
            self.reference.write(gradient, &scaled);
        }
        let start = Instant::now();
        for buffer in read_first(&backward) {
            let whole = self.script.table.whole(buffer);
            let words = self.reference.read(whole).await?;
            self.devices.iter().for_each(|(_, side)| side.write(whole, &words));
        }
        for (_, side) in &self.devices {
            side.build(&backward).await?;
        }
        let name = format!("{name}, tiny gradients");
        for dispatch in backward.dispatches() {
            let one = alone(&backward, Command::Dispatch(dispatch.clone()));
            self.dispatch(&name, &one, dispatch, &[], twins, &mut Compared::default()).await?;
        }
        twins.findings.seconds += since(start);
        Ok(())
    }
}

/// What may differ between this device and a twin in the output of `shader` (docs/RULES.md).
fn tolerance(device: &Context, shader: Shader) -> Tolerance {
    match shader {
        Shader::FingerprintArena | Shader::FingerprintBlocks | Shader::FingerprintSum | Shader::RunningNotFinite => {
            Tolerance::Exact
        }
        _ if device.adapter().family == Family::Processor => Tolerance::NaN,
        _ => Tolerance::NaNAndZero,
    }
}

/// The buffers that a recording writes.
fn written(recording: &Recording) -> HashSet<BufferId> {
    let of = |command: &Command| match command {
        Command::Dispatch(dispatch) => {
            let all = dispatch.bindings.iter().zip(dispatch.kernel.accesses());
            all.filter(|(_, access)| access.writes()).map(|(binding, _)| binding.buffer).collect()
        }
        Command::Copy { to, .. } => vec![to.0],
        Command::Clear(buffer) => vec![*buffer],
    };
    recording.commands.iter().flat_map(of).collect()
}

/// The buffers that a recording reads before it writes them.
fn read_first(recording: &Recording) -> Vec<BufferId> {
    let (mut known, mut found) = (HashSet::new(), Vec::new());
    for command in &recording.commands {
        let mut touch = |buffer: BufferId, reads: bool| {
            if known.insert(buffer) && reads {
                found.push(buffer);
            }
        };
        match command {
            Command::Dispatch(dispatch) => {
                let all = || dispatch.bindings.iter().zip(dispatch.kernel.accesses());
                all().for_each(|(binding, access)| touch(binding.buffer, access != Access::Write));
            }
            Command::Copy { from, to, .. } => {
                touch(from.0, true);
                touch(to.0, false);
            }
            Command::Clear(buffer) => touch(*buffer, false),
        }
    }
    found
}

/// The buffers that a recording reads and later changes: the state that it carries on.
fn carried(recording: &Recording) -> Vec<BufferId> {
    let written = written(recording);
    read_first(recording).into_iter().filter(|buffer| written.contains(buffer)).collect()
}
