//! Benchmarks: every kind of convolution that the networks have, and whole steps, beside what the adapter can do at
//! most, measured in the same run.

use std::rc::Rc;

use serde::Serialize;

use crate::data::synthetic;
use crate::gpu::{
    Binding, BufferTable, Buffers, Context, Fill, GpuError, Job, Kernel, Program, Recording, Work, shader,
};
use crate::nets::NetKind;
use crate::ops::pack::{Direction, PackTable};
use crate::ops::{Conv, Shape, Tile, workgroups};
use crate::train::{DatasetKind, Start, TrainConfig, TrainError, Trainer, Tuning, median};

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// `conv3x3_forward`, `step_resnet20`.
    pub name: String,
    /// `R1 N32 C16 H32 W32 K16`.
    pub shape: String,
    /// Median milliseconds.
    pub ms: f64,
    /// Useful operations: an fma counts two.
    pub gflops: f64,
    /// Bytes that have to move at least.
    pub gbps: f64,
    /// Share of the FMA rate.
    pub fma_share: f64,
}

/// A whole run of the benchmarks.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name of the adapter.
    pub adapter: String,
    /// Driver and version.
    pub driver: String,
    /// GFLOP/s of independent fma chains in registers.
    pub fma_gflops: f64,
    /// GB/s of a copy, reads and writes counted.
    pub copy_gbps: f64,
    /// The measurements.
    pub rows: Vec<Row>,
    /// Of a ResNet-20 step at batch 32: share that is not convolutions.
    pub step_share_beside_convolutions: f64,
    /// Of a ResNet-20 step at batch 32: metrics at the default cadence, over the first 2000 steps.
    pub step_share_of_metrics: f64,
}

/// How thoroughly to measure.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Samples in the batch of single operations.
    pub samples: u32,
    /// Measurements of which the median is taken.
    pub repeats: usize,
}

impl Options {
    /// What fits the adapter.
    #[must_use]
    pub fn for_adapter(context: &Context) -> Self {
        Self { samples: if context.adapter().software { 32 } else { 128 }, repeats: 5 }
    }
}

struct Bench<'a> {
    context: &'a Context,
    options: Options,
    fma_gflops: f64,
}

/// Measures everything; `tell` sees each row when it is there.
///
/// # Errors
/// The GPU.
pub async fn run(context: Rc<Context>, options: Options, mut tell: impl FnMut(&Row)) -> Result<Report, TrainError> {
    let mut bench = Bench { context: &context, options, fma_gflops: f64::INFINITY };
    let fma = bench.fma().await?;
    bench.fma_gflops = fma.gflops;
    let copy = bench.copy().await?;
    let mut rows = Vec::new();
    let mut add = |row: Row| {
        tell(&row);
        rows.push(row);
    };
    add(Row { fma_share: 1.0, ..fma.clone() });
    add(copy.clone());
    for (conv, pass) in convolutions() {
        add(bench.convolution(conv, pass).await?);
    }
    let (mut beside, mut metrics) = (0.0, 0.0);
    for (depth, samples) in [(8, 32), (20, 32)] {
        let config = TrainConfig {
            net: NetKind::ResNet { depth },
            dataset: DatasetKind::Synthetic,
            ks: vec![1],
            batch_size: samples,
            steps: Some(1),
            ..TrainConfig::default()
        };
        let dataset = Rc::new(synthetic::dataset(1, samples as usize, 1));
        let new = Trainer::new(Rc::clone(&context), config, dataset, Tuning::default(), Start::Fresh);
        let mut trainer = new.await?;
        let times = trainer.step_times(options.repeats).await?;
        let gflops = times.convolution_flops as f64 / times.step * 1e-9;
        add(Row {
            name: format!("step_resnet{depth}"),
            shape: format!("R1 N{samples}"),
            ms: times.step * 1e3,
            gflops,
            gbps: 0.0,
            fma_share: gflops / bench.fma_gflops,
        });
        beside = 1.0 - times.convolutions / times.step;
        // The default cadence takes fingerprints in 56 of the first 2000 steps.
        metrics = (times.divergence + times.fingerprints * 56.0 / 2000.0) / times.step;
    }
    let adapter = context.adapter();
    Ok(Report {
        adapter: adapter.name.clone(),
        driver: adapter.driver.clone(),
        fma_gflops: fma.gflops,
        copy_gbps: copy.gbps,
        rows,
        step_share_beside_convolutions: beside,
        step_share_of_metrics: metrics,
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Pass {
    Forward,
    InputGradient,
    WeightGradient,
}

/// Every convolution of the CIFAR ResNets, with the passes that training takes through it.
fn convolutions() -> Vec<(Conv, Pass)> {
    let conv = |channels: u32, size: u32, out_channels: u32, kernel: u32, stride: u32| Conv {
        input: Shape::new(channels, size, size),
        out_channels,
        kernel,
        stride,
        shared_input: channels == 3,
    };
    let all = [
        conv(3, 32, 16, 3, 1),
        conv(16, 32, 16, 3, 1),
        conv(32, 16, 32, 3, 1),
        conv(64, 8, 64, 3, 1),
        conv(16, 32, 32, 3, 2),
        conv(32, 16, 64, 3, 2),
        conv(16, 32, 32, 1, 2),
        conv(32, 16, 64, 1, 2),
    ];
    let passes = [Pass::Forward, Pass::InputGradient, Pass::WeightGradient];
    let needed = |conv: &Conv, pass: Pass| pass != Pass::InputGradient || !conv.shared_input;
    passes.into_iter().flat_map(|p| all.into_iter().filter(move |c| needed(c, p)).map(move |c| (c, p))).collect()
}

impl Bench<'_> {
    /// Median seconds of a run, repeated within each measurement until the clock is no matter.
    fn seconds(&self, program: &Program, buffers: &Buffers) -> Result<f64, GpuError> {
        program.time(self.context, buffers, 1)?;
        let once = program.time(self.context, buffers, 1)?;
        let repeats = (0.03 / once.max(1e-7)).clamp(1.0, 500.0) as u32;
        median(self.options.repeats, || program.time(self.context, buffers, repeats))
    }

    async fn row(&self, name: &str, shape: String, table: &BufferTable, rec: &Recording) -> Result<Row, TrainError> {
        let buffers = Buffers::allocate(self.context, table, Fill::Zero).await?;
        let program = Program::build(self.context, &buffers, rec, self.context.submit_flops()).await?;
        let seconds = self.seconds(&program, &buffers)?;
        let gflops = rec.flops() as f64 / seconds * 1e-9;
        let bytes: u64 = rec.dispatches().map(|d| d.bytes).sum();
        let gbps = bytes as f64 / seconds * 1e-9;
        let fma_share = gflops / self.fma_gflops;
        Ok(Row { name: name.to_owned(), shape, ms: seconds * 1e3, gflops, gbps, fma_share })
    }

    async fn fma(&self) -> Result<Row, TrainError> {
        // Enough threads to fill a large GPU, or enough rounds to keep a processor busy.
        let (tiles, rounds) = if self.context.adapter().software { (64, 4_000) } else { (16_384, 4_000) };
        let threads = u64::from(tiles) * 64;
        let mut table = BufferTable::default();
        let results = table.add("results", threads * 4);
        let kernel = Kernel::new(shader!("fma_rate"), &[("ROUNDS", rounds.into())]);
        let mut rec = Recording::new(1, Job::default());
        let work = Work::shared(threads * u64::from(rounds) * 12 * 4 * 2, 0);
        rec.dispatch("fma", kernel, &[table.whole(results)], tiles, work);
        self.row("fma", format!("{threads} threads"), &table, &rec).await
    }

    async fn copy(&self) -> Result<Row, TrainError> {
        let bytes: u64 = 64 << 20;
        let mut table = BufferTable::default();
        let buffers = [table.add("from", bytes), table.add("to", bytes)].map(|id| table.whole(id));
        let mut rec = Recording::new(1, Job::default());
        let work = Work::shared(0, 2 * bytes);
        rec.dispatch("copy", Kernel::new(shader!("copy_rate"), &[]), &buffers, workgroups(bytes / 16), work);
        self.row("copy", format!("{} MiB", bytes >> 20), &table, &rec).await
    }

    async fn convolution(&self, conv: Conv, pass: Pass) -> Result<Row, TrainError> {
        let samples = self.options.samples;
        let (input, output) = (conv.input, conv.output());
        let mut table = BufferTable::default();
        let x = input.buffer(&mut table, "x", 1, samples);
        let y = output.buffer(&mut table, "y", 1, samples);
        let mut packs = PackTable::default();
        let direction = if pass == Pass::Forward { Direction::Forward } else { Direction::InputGradient };
        packs.add(&conv, 0, direction);
        let packed = table.add("packed", u64::from(packs.stride()) * 4);
        let partial = table.add("partial", conv.partial_bytes(samples));
        let gradient = table.add("gradient", u64::from(conv.weights()) * 4);
        let job = Job { samples, parameter_stride: conv.weights(), packed_stride: packs.stride(), ..Job::default() };
        let mut rec = Recording::new(1, job);
        let [x, y, packed, partial, gradient]: [Binding; 5] =
            [x, y, packed, partial, gradient].map(|id| table.whole(id));
        let tile = Tile::default();
        let passed = match pass {
            Pass::Forward => {
                conv.forward(&mut rec, "conv", tile, x, packed, y);
                "forward"
            }
            Pass::InputGradient => {
                conv.dinput(&mut rec, "conv", tile, [y, packed, x], false);
                "dinput"
            }
            Pass::WeightGradient => {
                conv.dweight(&mut rec, "conv", [x, y, partial, gradient]);
                "dweight"
            }
        };
        let stride = if conv.stride == 2 { "_stride2" } else { "" };
        let name = format!("conv{0}x{0}{stride}_{passed}", conv.kernel);
        let (c, k) = (input.channels, conv.out_channels);
        let shape = format!("R1 N{samples} C{c} H{} W{} K{k}", input.height, input.width);
        let mut row = self.row(&name, shape, &table, &rec).await?;
        // The sum of the partial sums is work that a better order would not have: it does not count as useful.
        let useful = 2 * u64::from(samples) * output.elements() * u64::from(c * conv.taps());
        row.gflops = useful as f64 / row.ms * 1e-6;
        row.fma_share = row.gflops / self.fma_gflops;
        Ok(row)
    }
}
