//! Shared by the tests of a device: the device, a bench that uploads data and launches ops, random data, and comparisons
//! that collect every mismatch before they fail.

#![allow(dead_code, reason = "each test program uses a part of these helpers")]

use std::ops::Range;

use lastbit_core::device::{AdapterChoice, Buffers, Context, Fill, Options, Program, Readback, Submitter};
use lastbit_core::ops::{Shape, Tile};
use lastbit_core::record::{Binding, BufferId, BufferTable, Job, Recording};
use lastbit_core::threads::Threads;

/// Initial value of the pixels of output planes: finite, and wrong everywhere.
const JUNK: f32 = 1e30;
/// Bytes behind every buffer's data, inside its binding. They are NaN, which spreads to every result that reads them, and
/// must be unchanged after the run.
const GUARD: [u8; 256] = [0xff; 256];

/// A device with its readback: the adapter that `LASTBIT_ADAPTER` names, else the best one.
pub struct Gpu {
    pub context: Context,
    readback: Readback,
}

impl Gpu {
    pub fn new() -> Self {
        Self::with_threads(Threads::default())
    }

    pub fn with_threads(threads: Threads) -> Self {
        let adapter = std::env::var("LASTBIT_ADAPTER").map_or(AdapterChoice::Best, AdapterChoice::Named);
        Self::open(Options { adapter, threads, ..Options::default() })
    }

    pub fn open(options: Options) -> Self {
        let context = pollster::block_on(Context::open(options)).expect("an adapter of that name");
        Self { context, readback: Readback::default() }
    }
}

/// A recording with its data.
pub struct Bench<'a> {
    gpu: &'a Gpu,
    table: BufferTable,
    contents: Vec<(BufferId, u64, Vec<u8>)>,
    guards: Vec<(BufferId, u64)>,
    /// The value between the tensors of arenas.
    pub padding: f32,
    pub rec: Recording,
}

/// Tensors of all replicas, `[replica][tensor]`, at multiples of 64 elements: the layout of parameters and gradients.
pub struct Arena {
    buffer: BufferId,
    /// First element of each tensor.
    pub offsets: Vec<u32>,
    /// Elements from one replica to the next.
    pub stride: u32,
}

impl<'a> Bench<'a> {
    pub fn new(gpu: &'a Gpu, replicas: usize, samples: usize) -> Self {
        let job = Job { samples: samples as u32, ..Job::default() };
        let rec = Recording::new(replicas as u32, job);
        Self { gpu, table: BufferTable::default(), contents: Vec::new(), guards: Vec::new(), padding: JUNK, rec }
    }

    fn guarded(&mut self, bytes: u64) -> BufferId {
        let id = self.table.add(format!("buffer {}", self.table.specs().len()), bytes + GUARD.len() as u64);
        self.contents.push((id, bytes, GUARD.to_vec()));
        self.guards.push((id, bytes));
        id
    }

    fn add(&mut self, bytes: Vec<u8>) -> Binding {
        let id = self.guarded(bytes.len() as u64);
        self.contents.push((id, 0, bytes));
        self.table.whole(id)
    }

    pub fn floats(&mut self, values: &[f32]) -> Binding {
        self.add(bytemuck::cast_slice(values).to_vec())
    }

    pub fn words(&mut self, values: &[u32]) -> Binding {
        self.add(bytemuck::cast_slice(values).to_vec())
    }

    pub fn bytes(&mut self, values: &[u8]) -> Binding {
        self.add(values.to_vec())
    }

    /// A buffer of `words` 32-bit words, filled with junk.
    pub fn fresh(&mut self, words: usize) -> Binding {
        let id = self.guarded(words as u64 * 4);
        self.table.whole(id)
    }

    pub fn planes(&mut self, shape: Shape, values: &[f32]) -> Binding {
        self.floats(&shape.to_planes(values))
    }

    /// Planes for an op to write, as the trainer prepares them: the borders are zero, the pixels junk.
    pub fn fresh_planes(&mut self, shape: Shape) -> Binding {
        let samples = (self.rec.replicas * self.rec.job.samples) as usize;
        self.planes(shape, &vec![JUNK; samples * shape.elements() as usize])
    }

    /// An arena of `tensors`, `[tensor][replica][element]`. Sets the recording's stride.
    pub fn arena(&mut self, tensors: &[Vec<Vec<f32>>]) -> Arena {
        let elements: Vec<_> = tensors.iter().map(|t| t[0].len() as u32).collect();
        let arena = self.fresh_arena(&elements);
        let mut values = vec![self.padding; (arena.stride * self.rec.replicas) as usize];
        for (tensor, offset) in tensors.iter().zip(&arena.offsets) {
            for (r, replica) in tensor.iter().enumerate() {
                let at = r * arena.stride as usize + *offset as usize;
                values[at..at + replica.len()].copy_from_slice(replica);
            }
        }
        self.contents.push((arena.buffer, 0, bytemuck::cast_slice(&values).to_vec()));
        arena
    }

    /// An arena of junk for tensors with `elements` elements each. No tensor uses its first 64 elements.
    pub fn fresh_arena(&mut self, elements: &[u32]) -> Arena {
        let mut stride = 64;
        let mut offsets = Vec::new();
        for n in elements {
            offsets.push(stride);
            stride = (stride + n).next_multiple_of(64);
        }
        let buffer = self.guarded(u64::from(stride * self.rec.replicas) * 4);
        self.rec.job.parameter_stride = stride;
        Arena { buffer, offsets, stride }
    }

    /// A binding from a tensor to the arena's end, as ops expect it.
    pub fn tensor(&self, arena: &Arena, tensor: usize) -> Binding {
        self.table.from(arena.buffer, u64::from(arena.offsets[tensor]) * 4)
    }

    /// A binding of the whole arena.
    pub fn whole(&self, arena: &Arena) -> Binding {
        self.table.whole(arena.buffer)
    }

    /// A binding from byte `offset` of the buffer to its end.
    pub fn from(&self, binding: Binding, offset: u64) -> Binding {
        self.table.from(binding.buffer, offset)
    }

    /// Runs the recording in dispatches of at most `limit_flops`. Buffers without data are filled with junk.
    pub fn run(self, limit_flops: u64) -> Outcome<'a> {
        let context = &self.gpu.context;
        let buffers = pollster::block_on(Buffers::allocate(context, &self.table, Fill::Junk)).expect("memory");
        for (id, offset, bytes) in &self.contents {
            buffers.write(context, *id, *offset, bytes);
        }
        let program = pollster::block_on(Program::build(context, &buffers, &self.rec, limit_flops));
        let program = program.expect("valid kernels and bindings");
        let mut submitter = Submitter::new(context);
        submitter.run(&program, &buffers);
        submitter.submit();
        let (replicas, samples) = (self.rec.replicas as usize, self.rec.job.samples as usize);
        let outcome = Outcome { gpu: self.gpu, buffers, launches: program.launches(), replicas, samples };
        for (buffer, offset) in self.guards {
            let guard = outcome.words(Binding { buffer, offset, bytes: GUARD.len() as u64 });
            assert!(guard.iter().all(|word| *word == u32::MAX), "a kernel wrote past the end of {buffer:?}");
        }
        outcome
    }
}

/// The buffers after a run.
pub struct Outcome<'a> {
    gpu: &'a Gpu,
    buffers: Buffers,
    /// Number of dispatches after splitting.
    pub launches: usize,
    replicas: usize,
    samples: usize,
}

impl Outcome<'_> {
    pub fn words(&self, binding: Binding) -> Vec<u32> {
        let range = (binding.buffer, binding.offset, binding.bytes);
        let bytes = pollster::block_on(self.gpu.readback.read(&self.gpu.context, &self.buffers, range));
        bytemuck::pod_collect_to_vec(&bytes.expect("a device that is not lost"))
    }

    pub fn floats(&self, binding: Binding) -> Vec<f32> {
        bytemuck::cast_vec(self.words(binding))
    }

    /// The values of a binding by replica, `each` values per replica.
    pub fn by_replica(&self, binding: Binding, each: usize) -> Vec<Vec<f32>> {
        self.floats(binding).chunks(each).take(self.replicas).map(<[f32]>::to_vec).collect()
    }

    /// The pixels by replica. Panics if anything but pixels was written.
    pub fn planes(&self, binding: Binding, shape: Shape) -> Vec<Vec<f32>> {
        let dense = self.pixels(binding, shape, self.replicas * self.samples);
        dense.chunks(self.samples * shape.elements() as usize).map(<[f32]>::to_vec).collect()
    }

    /// The pixels of planes without a replica axis.
    pub fn shared_planes(&self, binding: Binding, shape: Shape) -> Vec<f32> {
        self.pixels(binding, shape, self.samples)
    }

    fn pixels(&self, binding: Binding, shape: Shape, samples: usize) -> Vec<f32> {
        let values = self.floats(binding);
        let count = samples * shape.channels as usize;
        let dense = shape.from_planes(&values, count).expect("zeros around the pixels");
        let rest = &values[count * shape.plane() as usize * 4..values.len() - GUARD.len() / 4];
        assert!(rest.iter().all(|v| *v == 0.0), "the padding after the last plane is not zero");
        dense
    }

    /// A tensor of an arena, `[replica][element]`.
    pub fn tensor(&self, arena: &Arena, tensor: usize, elements: usize) -> Vec<Vec<f32>> {
        let bytes = u64::from(arena.stride) * self.replicas as u64 * 4;
        let values = self.floats(Binding { buffer: arena.buffer, offset: 0, bytes });
        let of = |replica: &[f32]| replica[arena.offsets[tensor] as usize..][..elements].to_vec();
        values.chunks(arena.stride as usize).map(of).collect()
    }
}

/// How an op is run. Its results must not depend on this.
#[derive(Clone, Debug)]
pub struct Setting {
    pub tile: Tile,
    pub limit_flops: u64,
    /// The replicas of the case that run.
    pub replicas: Range<usize>,
}

/// The outputs of an op: named tensors, by replica.
pub type Outputs = Vec<(&'static str, Vec<Vec<f32>>)>;

/// Tiles that differ from the default one, some of them staged.
pub const OTHER_TILES: [Tile; 7] = [
    Tile { rows: 1, groups: 1, channels: [2, 2], lanes: 32, uniform: true, staging: None },
    Tile { rows: 4, groups: 2, channels: [8, 2], lanes: 64, uniform: true, staging: None },
    Tile { rows: 2, groups: 4, channels: [2, 16], lanes: 128, uniform: false, staging: None },
    Tile { rows: 8, groups: 1, channels: [1, 8], lanes: 256, uniform: true, staging: None },
    Tile { rows: 1, groups: 4, channels: [1, 16], lanes: 64, uniform: false, staging: Some(1) },
    Tile { rows: 4, groups: 1, channels: [2, 4], lanes: 128, uniform: true, staging: Some(4) },
    Tile { rows: 2, groups: 2, channels: [4, 4], lanes: 256, uniform: false, staging: Some(8) },
];

/// The largest tile. Its kernels take seconds to compile.
pub const LARGE_TILE: Tile = Tile { rows: 8, groups: 4, channels: [8, 16], lanes: 64, uniform: false, staging: None };

/// Runs an op for all replicas at once, then with each of `tiles`, in the smallest dispatches, and for the first and the
/// last replica alone. All must have the same bits. Returns the outputs of the first run.
pub fn outputs_by_any_setting(
    failures: &mut Failures,
    case: &str,
    replicas: usize,
    tiles: &[Tile],
    run: impl Fn(&Setting) -> Outputs,
) -> Outputs {
    let base = Setting { tile: Tile::default(), limit_flops: u64::MAX, replicas: 0..replicas };
    let expected = run(&base);
    let mut settings = vec![("split", Setting { limit_flops: 1, ..base.clone() })];
    settings.extend(tiles.iter().map(|tile| ("tile", Setting { tile: *tile, ..base.clone() })));
    if replicas > 1 {
        settings.push(("first alone", Setting { replicas: 0..1, ..base.clone() }));
        settings.push(("last alone", Setting { replicas: replicas - 1..replicas, ..base.clone() }));
    }
    for (what, setting) in settings {
        for ((name, of_all), (_, of_these)) in expected.iter().zip(run(&setting)) {
            for (r, (a, b)) in of_all[setting.replicas.clone()].iter().zip(&of_these).enumerate() {
                failures.equal_bits(&format!("{case}: {name} [{r}] {what} {:?}", setting.tile), b, a);
            }
        }
    }
    expected
}

/// Collects mismatches and reports them all at the end.
#[derive(Default)]
pub struct Failures {
    found: Vec<String>,
    checks: usize,
    worst: f64,
}

impl Failures {
    pub fn check(&mut self, holds: bool, message: impl FnOnce() -> String) {
        self.checks += 1;
        if !holds {
            self.found.push(message());
        }
    }

    /// Checks that ||out - reference|| / ||reference|| is below `tolerance`. A reference of zeros must be met exactly.
    pub fn close(&mut self, what: &str, out: &[f32], reference: &[f64], tolerance: f64) {
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        let difference = norm(&mut out.iter().zip(reference).map(|(o, r)| f64::from(*o) - r));
        let error = if difference == 0.0 { 0.0 } else { difference / norm(&mut reference.iter().copied()) };
        self.worst = self.worst.max(error);
        let shapes = out.len() == reference.len();
        // Tested by bits, because comparisons with NaN are false.
        let finite = out.iter().all(|v| v.to_bits() & 0x7f80_0000 != 0x7f80_0000);
        self.check(shapes && finite && error < tolerance, || {
            format!("{what}: error {error:.2e} (finite: {finite}), {} values for {}", out.len(), reference.len())
        });
    }

    pub fn equal_bits(&mut self, what: &str, out: &[f32], expected: &[f32]) {
        let differing = out.iter().zip(expected).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
        self.check(differing == 0 && out.len() == expected.len(), || {
            format!("{what}: {differing} of {} values differ ({} values found)", expected.len(), out.len())
        });
    }

    pub fn finish(self) {
        println!("{} checks, largest error {:.2e}", self.checks, self.worst);
        assert!(self.checks > 0, "nothing was checked");
        let shown = self.found.iter().take(60).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.found.is_empty(), "{} of {} checks fail:\n{shown}", self.found.len(), self.checks);
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the data is the same in every run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u32) -> u32 {
        (self.word() >> 32) as u32 % n
    }

    pub fn between(&mut self, range: std::ops::RangeInclusive<u32>) -> u32 {
        range.start() + self.below(range.end() - range.start() + 1)
    }

    pub fn coin(&mut self) -> bool {
        self.below(2) == 1
    }

    /// Uniform in [low, high).
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.word() >> 40) as f32 / (1u32 << 24) as f32)
    }

    /// Approximately normal(0, 1): a sum of four uniforms.
    pub fn normal(&mut self) -> f32 {
        (0..4).map(|_| self.uniform(-0.866, 0.866)).sum()
    }

    pub fn normals(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.normal()).collect()
    }

    /// `each` normal values for each replica.
    pub fn replicas(&mut self, replicas: usize, each: usize) -> Vec<Vec<f32>> {
        (0..replicas).map(|_| self.normals(each)).collect()
    }
}

/// Concatenates the values of all replicas.
pub fn joined(replicas: &[Vec<f32>]) -> Vec<f32> {
    replicas.concat()
}
