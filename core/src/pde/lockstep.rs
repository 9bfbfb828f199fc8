//! The parts that all one-layer equations share on an adapter: image, kernels of all replicas, forward pass with loss,
//! measurement, and the loop that replays a recorded step. The equations differ in how a step updates the kernel.

use std::rc::Rc;

use bytemuck::{Pod, Zeroable};

use super::{Image, PdeError, STOP_ABOVE, check_kernel, check_replicas};
use crate::device::{Buffers, Context, Fill, Pending, Program};
use crate::device::{Readback, Submitter};
use crate::ops::conv_valid::ConvValid;
use crate::ops::cross_entropy::{self, Loss};
use crate::ops::{Activation, Shape, Tile, activation, pool};
use crate::record::{Act, Binding, BufferId, BufferTable, Command, Job, Kernel};
use crate::record::{Recording, Script, Shader, Work};
use crate::rng::{Purpose, Stream};

/// Maximum number of steps between two readbacks.
const SLOTS: u32 = 256;

/// Measurements of a replica after a step. They match `Sample` in the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub struct Sample {
    /// Cross-entropy of the network with the current kernel.
    pub cross_entropy: f32,
    /// |w|^2.
    pub squares: f32,
    /// max |w|.
    pub max_abs: f32,
    /// Relative L1 from the replica's reference: mean of 2|a-b| / (|a|+|b|), in [0, 2].
    pub rel_l1: f32,
    /// Number of elements whose bits differ from the reference's.
    pub differing: u32,
    /// Largest distance from the reference in units in the last place.
    pub max_ulp: u32,
    unused: [u32; 2],
}

impl Sample {
    /// Cross-entropy plus alpha/2 |w|^2, which gradient descent minimises.
    #[must_use]
    pub fn loss(&self, alpha: f64) -> f64 {
        f64::from(self.cross_entropy) + 0.5 * alpha * f64::from(self.squares)
    }

    fn is_beyond(&self) -> bool {
        self.max_abs.is_nan() || self.max_abs > STOP_ABOVE
    }
}

/// Generates an initial kernel, `[kernel][kernel]` normal values. Without `std`, the standard deviation is the default of the
/// network, sqrt(2) / kernel, and the values are those with which `lastbit train --net one-layer` starts at this seed.
#[must_use]
pub fn initial_kernel(kernel: u32, std: Option<f64>, seed: u64) -> Vec<f32> {
    let n = kernel as usize * kernel as usize;
    let std = std.unwrap_or_else(|| (2.0 / n as f64).sqrt());
    Stream::new(seed, Purpose::Init, 0).normal_f32s(std, n)
}

/// Parameters that all one-layer equations have.
pub(super) struct Setup<'a> {
    pub image: &'a Image,
    pub kernel: u32,
    pub activation: Activation,
    pub label: u32,
    pub initial: &'a [f32],
}

impl Setup<'_> {
    pub fn check(&self) -> Result<(), PdeError> {
        check_kernel(self.image, self.kernel)?;
        if self.label > 1 {
            return Err(PdeError::value("label", "0 or 1", self.label));
        }
        let n = self.kernel * self.kernel;
        if self.initial.len() != n as usize || self.initial.iter().any(|w| !w.is_finite()) {
            let found = format!("{} values", self.initial.len());
            return Err(PdeError::value("initial kernel", format!("{n} finite values"), found));
        }
        Ok(())
    }

    fn conv(&self) -> ConvValid {
        ConvValid { input: Shape::new(1, self.image.height(), self.image.width()), kernel: self.kernel }
    }
}

/// The buffers of a run, for the recordings.
pub(super) struct Layout {
    pub table: BufferTable,
    pub conv: ConvValid,
    pub replicas: u32,
    activation: Activation,
    x: BufferId,
    labels: BufferId,
    /// Pre-activations, `[R]` planes.
    pub y: Binding,
    /// Activations and then the gradient by them, `[R]` planes.
    pub a: Binding,
    /// Gradient by the logit, `[R]`.
    pub dlogits: Binding,
    features: Binding,
    scores: Binding,
    totals: Binding,
    partial: Binding,
    /// Kernel of each replica, rows padded to whole vectors of four, replicas padded to 64 floats.
    pub parameters: BufferId,
    /// Gradient by the kernel, in the same layout.
    pub gradients: Binding,
    watches: BufferId,
    history: BufferId,
    /// `[R]` entries that the equation's update reads; one word of each entry is the rate.
    pub rates: BufferId,
    /// Words per entry of `rates`, and the index of the rate among them.
    rate_at: [u32; 2],
    /// Buffers that must be zero before the first step.
    pub cleared: Vec<BufferId>,
}

impl Layout {
    pub fn new(setup: &Setup<'_>, replicas: usize, rate_at: [u32; 2]) -> Result<Self, PdeError> {
        setup.check()?;
        check_replicas(replicas)?;
        let conv = setup.conv();
        let r = replicas as u32;
        let n = u64::from(r);
        let out = conv.output();
        let mut table = BufferTable::default();
        let x = conv.input.buffer(&mut table, "image", 1, 1);
        let y = out.buffer(&mut table, "pre-activations", r, 1);
        let a = out.buffer(&mut table, "activations", r, 1);
        let arena = n * u64::from(conv.weights().next_multiple_of(64)) * 4;
        let parameters = table.add("kernels", arena);
        let gradients = table.add("gradients", arena);
        let partial = table.add("partial sums", n * conv.partial_bytes(1));
        let [labels, features, dlogits] = [("labels", 4), ("features", n * 4), ("gradient of the logits", n * 4)]
            .map(|(label, bytes)| table.add(label, bytes));
        let [scores, totals] = ["scores", "totals"].map(|label| table.add(label, n * 8));
        let watches = table.add("watches", n * 8);
        let history = table.add("history", n * u64::from(SLOTS) * size_of::<Sample>() as u64);
        let rates = table.add("rates", n * u64::from(rate_at[0]) * 4);
        Ok(Self {
            x,
            y: table.whole(y),
            a: table.whole(a),
            labels,
            features: table.whole(features),
            dlogits: table.whole(dlogits),
            scores: table.whole(scores),
            totals: table.whole(totals),
            partial: table.whole(partial),
            parameters,
            gradients: table.whole(gradients),
            watches,
            history,
            rates,
            rate_at,
            cleared: vec![y, a, parameters, gradients],
            table,
            conv,
            replicas: r,
            activation: setup.activation,
        })
    }

    /// Adds a buffer that is initially zero.
    pub fn add_cleared(&mut self, label: &str, bytes: u64) -> Binding {
        let id = self.table.add(label, bytes);
        self.cleared.push(id);
        self.table.whole(id)
    }

    pub fn recording(&self) -> Recording {
        let parameter_stride = self.conv.weights().next_multiple_of(64);
        Recording::new(self.replicas, Job { samples: 1, parameter_stride, ..Job::default() })
    }

    /// What never changes: the image's planes and its label.
    fn constants(&self, image: &Image, label: u32) -> [(BufferId, Vec<u8>); 2] {
        let planes = self.conv.input.to_planes(image.pixels());
        [(self.x, bytemuck::cast_slice(&planes).to_vec()), (self.labels, bytemuck::bytes_of(&label).to_vec())]
    }

    /// The arena of these kernels, `[replica][kernel^2]`.
    fn arena(&self, kernels: &[Vec<f32>]) -> Vec<u8> {
        let arena = self.recording().job.parameter_stride as usize;
        let row = self.conv.kernel.next_multiple_of(4) as usize;
        let mut values = vec![0.0_f32; arena * kernels.len()];
        for (to, from) in values.chunks_exact_mut(arena).zip(kernels) {
            for (to, from) in to.chunks_mut(row).zip(from.chunks_exact(self.conv.kernel as usize)) {
                to[..from.len()].copy_from_slice(from);
            }
        }
        bytemuck::cast_slice(&values).to_vec()
    }

    /// Watches that begin the history anew, and compare each replica with its reference.
    fn watches(references: &[u32]) -> Vec<u8> {
        let watches: Vec<[u32; 2]> = references.iter().map(|reference| [0, *reference]).collect();
        bytemuck::cast_slice(&watches).to_vec()
    }

    /// The script of a run of a few steps from these kernels, compared with the first replica. `contents` are the buffers of
    /// the equation alone.
    pub fn script(
        self,
        (image, label): (&Image, u32),
        kernels: &[Vec<f32>],
        contents: Vec<(BufferId, Vec<u8>)>,
        step: &Recording,
    ) -> Script {
        let mut begin = self.recording();
        self.forward_and_measure(&mut begin);
        let watches = || Act::Write(self.watches, Self::watches(&vec![0; kernels.len()]));
        let mut acts = vec![Act::run("clear", self.clear())];
        let start = self.constants(image, label).into_iter().chain([(self.parameters, self.arena(kernels))]);
        acts.extend(start.chain(contents).map(|(buffer, bytes)| Act::Write(buffer, bytes)));
        acts.extend([watches(), Act::run("beginning", begin), watches()]);
        acts.extend((1..=2).map(|n| Act::run(format!("step {n}"), step.clone())));
        let results = vec![self.parameters, self.history, self.rates];
        Script { acts, results, table: self.table }
    }

    fn clear(&self) -> Recording {
        let mut rec = self.recording();
        rec.commands = self.cleared.iter().map(|id| Command::Clear(*id)).collect();
        rec
    }

    /// Appends `gradients` = the sum over all output pixels of `dy` times patch.
    pub fn gradient_by_kernel(&self, rec: &mut Recording, dy: Binding) {
        let x = self.table.whole(self.x);
        self.conv.dweight(rec, "conv", [x, dy, self.partial, self.gradients]);
    }

    /// Appends the forward pass, the loss with its gradient by the logit, and the measurement.
    pub fn forward_and_measure(&self, rec: &mut Recording) {
        let out = self.conv.output();
        let whole = |id| self.table.whole(id);
        self.conv.forward(rec, "conv", Tile::default(), [whole(self.x), whole(self.parameters), self.y]);
        activation::forward(rec, "activation", out, self.activation, self.y, self.a);
        pool::forward(rec, "average", out, self.a, self.features);
        let bindings = cross_entropy::Bindings {
            logits: self.features,
            labels: whole(self.labels),
            dlogits: self.dlogits,
            scores: self.scores,
            totals: self.totals,
        };
        cross_entropy::forward(rec, Loss::SigmoidBinaryCrossEntropy, 1, bindings);
        let elements = self.conv.weights();
        let constants = [
            ("KERNEL", self.conv.kernel.into()),
            ("ELEMENTS", elements.into()),
            ("STOP_BITS", STOP_ABOVE.to_bits().into()),
        ];
        let kernel = Kernel::new(Shader::PdeMeasure, &constants);
        let bindings =
            [whole(self.parameters), self.scores, whole(self.watches), whole(self.rates), whole(self.history)];
        let [rate_words, rate_word] = self.rate_at;
        let work = Work::new(u64::from(elements) * 10, u64::from(elements) * 8);
        rec.dispatch_with("measure", kernel, &bindings, 1, work, &[self.replicas, rate_words, rate_word]);
    }
}

/// All replicas of a one-layer equation on an adapter.
pub(super) struct Lockstep {
    context: Rc<Context>,
    layout: Layout,
    buffers: Buffers,
    clear: Program,
    begin: Program,
    step: Program,
    readback: Readback,
    steps: u64,
    /// Samples of each replica, `[replica][step]`, from step 0.
    history: Vec<Vec<Sample>>,
    /// Step at which each replica stopped.
    stopped: Vec<Option<u64>>,
    references: Vec<u32>,
}

impl Lockstep {
    /// Allocates buffers and builds programs. `step` is the recording of a whole step.
    ///
    /// # Errors
    /// [`PdeError::TooLarge`] if a buffer exceeds the adapter's largest binding, and [`PdeError::Gpu`].
    pub async fn new(
        context: Rc<Context>,
        layout: Layout,
        image: &Image,
        label: u32,
        step: &Recording,
        fill: Fill,
    ) -> Result<Self, PdeError> {
        let limit = context.adapter().binding_bytes();
        if let Some(largest) = layout.table.specs().iter().map(|s| s.bytes).max().filter(|bytes| *bytes > limit) {
            let (replicas, kernel) = (layout.replicas as usize, layout.conv.kernel);
            return Err(PdeError::TooLarge { replicas, kernel, asked: largest, limit });
        }
        let buffers = Buffers::allocate(&context, &layout.table, fill).await?;
        let mut begin = layout.recording();
        layout.forward_and_measure(&mut begin);
        let build = |rec| Program::build(&context, &buffers, rec, context.adapter().submit_flops());
        let (clear, begin, step) = (build(&layout.clear()).await?, build(&begin).await?, build(step).await?);
        for (buffer, bytes) in layout.constants(image, label) {
            buffers.write(&context, buffer, 0, &bytes);
        }
        let replicas = layout.replicas as usize;
        Ok(Self {
            context,
            layout,
            buffers,
            clear,
            begin,
            step,
            readback: Readback::default(),
            steps: 0,
            history: vec![Vec::new(); replicas],
            stopped: vec![None; replicas],
            references: vec![0; replicas],
        })
    }

    pub fn write(&self, id: BufferId, bytes: &[u8]) {
        self.buffers.write(&self.context, id, 0, bytes);
    }

    pub fn rates(&self) -> BufferId {
        self.layout.rates
    }

    fn rewind_history(&self) {
        self.write(self.layout.watches, &Layout::watches(&self.references));
    }

    /// Returns to step 0 with new kernels (`[replica][kernel^2]`) and references. The caller writes the rates afterwards.
    pub fn rewind(&mut self, kernels: &[Vec<f32>], references: Vec<u32>) {
        let mut submitter = Submitter::new(&self.context);
        submitter.run(&self.clear, &self.buffers);
        submitter.submit();
        self.write(self.layout.parameters, &self.layout.arena(kernels));
        self.references = references;
        self.steps = 0;
        self.history.iter_mut().for_each(Vec::clear);
        self.stopped.fill(None);
    }

    /// Runs the forward pass and the measurement at step 0.
    pub async fn begin(&mut self) -> Result<(), PdeError> {
        self.rewind_history();
        let mut submitter = Submitter::new(&self.context);
        submitter.run(&self.begin, &self.buffers);
        let pending = self.capture(submitter, 1);
        self.harvest(pending).await
    }

    /// Runs up to `steps` steps; fewer if all replicas stop.
    pub async fn step(&mut self, steps: u32) -> Result<(), PdeError> {
        let mut left = steps;
        while left > 0 && self.stopped.iter().any(Option::is_none) {
            let now = left.min(SLOTS);
            self.rewind_history();
            let mut submitter = Submitter::new(&self.context);
            for _ in 0..now {
                submitter.run(&self.step, &self.buffers);
            }
            let pending = self.capture(submitter, now);
            self.steps += u64::from(now);
            self.harvest(pending).await?;
            left -= now;
        }
        Ok(())
    }

    fn capture(&self, submitter: Submitter<'_>, slots: u32) -> Pending {
        let bytes = u64::from(slots) * (self.history.len() * size_of::<Sample>()) as u64;
        self.readback.capture(&self.context, submitter, &self.buffers, (self.layout.history, 0, bytes))
    }

    async fn harvest(&mut self, pending: Pending) -> Result<(), PdeError> {
        let replicas = self.history.len();
        let bytes = self.readback.take(&self.context, pending).await?;
        let samples: Vec<Sample> = bytemuck::pod_collect_to_vec(&bytes);
        for slot in samples.chunks_exact(replicas) {
            for ((sample, series), stopped) in slot.iter().zip(&mut self.history).zip(&mut self.stopped) {
                // A stopped replica repeats its last sample.
                if stopped.is_none() {
                    *stopped = sample.is_beyond().then_some(series.len() as u64);
                    series.push(*sample);
                }
            }
        }
        Ok(())
    }

    pub fn steps(&self) -> u64 {
        self.steps
    }

    pub fn history(&self, replica: usize) -> &[Sample] {
        &self.history[replica]
    }

    pub fn stopped(&self) -> &[Option<u64>] {
        &self.stopped
    }

    /// Kernels of all replicas, `[replica][kernel^2]`.
    pub async fn kernels(&self) -> Result<Vec<Vec<f32>>, PdeError> {
        let arena = self.layout.recording().job.parameter_stride as usize;
        let kernel = self.layout.conv.kernel as usize;
        let (row, replicas) = (kernel.next_multiple_of(4), self.history.len());
        let range = (self.layout.parameters, 0, (arena * replicas * 4) as u64);
        let bytes = self.readback.read(&self.context, &self.buffers, range).await?;
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
        let dense = |arena: &[f32]| arena.chunks(row).take(kernel).flat_map(|line| line[..kernel].to_vec()).collect();
        Ok(values.chunks_exact(arena).map(dense).collect())
    }
}
