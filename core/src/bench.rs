//! Benchmarks: every kind of operation that the networks have, and whole steps, beside what the adapter can do at most,
//! measured in the same run.

mod cases;
mod scale;
pub mod tune;

use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;

use crate::data::synthetic;
use crate::device::{Buffers, Context, Family, Fill, Program};
use crate::nets::NetKind;
use crate::ops::Tile;
use crate::train::{
    DatasetKind, MemoryLimits, Start, TrainConfig, TrainError, Trainer, Tuning, median, plan, usual_tiles,
};
use cases::{Case, Recorded};
use tune::Search;

pub use scale::{ScaleOver, ScalePoint, ScaleSizes, scale};

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// `conv3x3_forward`, `step_resnet20`.
    pub name: String,
    /// `R1 N32 C16 H32 W32 K16`.
    pub shape: String,
    /// Median milliseconds.
    pub ms: f64,
    /// Useful operations: an fma counts two. Of a step, those of its convolutions.
    pub gflops: f64,
    /// Bytes that have to move at least.
    pub gbps: f64,
    /// Share of the FMA rate.
    pub fma_share: f64,
    /// Share of the copy bandwidth.
    pub copy_share: f64,
    /// Times the *floor*: what its operations take at the FMA rate or its bytes at the copy bandwidth, whichever is longer.
    pub times_floor: f64,
    /// Memory of all buffers, in MiB.
    pub memory_mib: f64,
    /// Milliseconds of the longest submit.
    pub longest_submit_ms: f64,
    /// Of a convolution: its tile, where it is not the usual one.
    pub tile: Option<Tile>,
    /// What else is known of a step.
    #[serde(flatten)]
    pub step: Option<StepShares>,
}

/// Where the time of a step goes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StepShares {
    /// Share that is not convolutions.
    pub share_beside_convolutions: f64,
    /// Metrics at the default cadence, over the first 2000 steps, as a share of the step.
    pub share_of_metrics: f64,
    /// The host's part: it gathers the next batch and encodes the next step while the GPU is at this one.
    pub share_of_host: f64,
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
    /// The largest `memory_mib` of the rows.
    pub peak_memory_mib: f64,
    /// The measurements.
    pub rows: Vec<Row>,
}

/// What to measure, and how thoroughly.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only rows whose name contains this.
    pub filter: String,
    /// Replicas in each measurement.
    pub replicas: u32,
    /// Samples in the batch.
    pub samples: u32,
    /// Measurements of which the median is taken.
    pub repeats: usize,
    /// Finds the quickest tile of each convolution first; else it is the usual one.
    pub tune: bool,
}

impl Options {
    /// What fits the adapter.
    #[must_use]
    pub fn for_adapter(context: &Context) -> Self {
        let (samples, repeats) = if context.adapter().family == Family::Gpu { (128, 9) } else { (32, 3) };
        Self { filter: String::new(), replicas: 1, samples, repeats, tune: false }
    }
}

/// The default log cadence takes fingerprints in 56 of the first 2000 steps.
const FINGERPRINTS_PER_STEP: f64 = 56.0 / 2000.0;

struct Bench<'a> {
    context: &'a Rc<Context>,
    options: &'a Options,
    fma_gflops: f64,
    copy_gbps: f64,
}

/// Names of the rows that `options` ask for, in order.
#[must_use]
pub fn names(context: &Context, options: &Options) -> Vec<String> {
    let rates = ["fma", "copy"].into_iter().filter(|name| name.contains(&options.filter)).map(str::to_owned);
    rates.chain(cases::all(context.adapter(), &options.filter).iter().map(Case::name)).collect()
}

/// Measures everything that the filter lets through; `tell` sees each row when it is there.
///
/// # Errors
/// The GPU.
pub async fn run(context: Rc<Context>, options: &Options, mut tell: impl FnMut(&Row)) -> Result<Report, TrainError> {
    let mut bench = Bench { context: &context, options, fma_gflops: f64::INFINITY, copy_gbps: f64::INFINITY };
    let adapter = context.adapter();
    let mut fma = bench.operation("fma", cases::fma(adapter)).await?;
    let mut copy = bench.operation("copy", cases::copy(adapter)).await?;
    (bench.fma_gflops, bench.copy_gbps) = (fma.gflops, copy.gbps);
    (fma.fma_share, copy.copy_share) = (1.0, 1.0);
    (fma.times_floor, copy.times_floor) = (1.0, 1.0);
    let mut rows = Vec::new();
    let mut add = |row: Row| {
        tell(&row);
        rows.push(row);
    };
    [fma.clone(), copy.clone()].into_iter().filter(|row| row.name.contains(&options.filter)).for_each(&mut add);
    for case in cases::all(adapter, &options.filter) {
        let row = match case {
            Case::Step(net) => bench.step(net, (options.replicas, options.samples)).await?,
            Case::Operation(operation) => {
                let sizes = (options.replicas, options.samples);
                let usual = operation.layer().map(|(layer, pass)| usual_tiles(adapter).of(layer, pass));
                let tile = match operation.layer().filter(|_| options.tune && adapter.has_tiles()) {
                    Some(layer) => Some(tune::choose(&context, layer, sizes, Search::on(&context)).await?.tile),
                    None => usual,
                };
                let recorded = operation.record(sizes, tile.unwrap_or_default())?;
                let row = bench.operation(&operation.name(), recorded).await?;
                Row { tile: tile.filter(|_| tile != usual), ..row }
            }
        };
        add(row);
    }
    Ok(Report {
        adapter: adapter.name.clone(),
        driver: adapter.driver.clone(),
        fma_gflops: fma.gflops,
        copy_gbps: copy.gbps,
        peak_memory_mib: rows.iter().map(|row| row.memory_mib).fold(0.0, f64::max),
        rows,
    })
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

impl Bench<'_> {
    async fn operation(&self, name: &str, recorded: Recorded) -> Result<Row, TrainError> {
        let Recorded { shape, table, contents, recording, flops, bytes, .. } = recorded;
        let buffers = Buffers::allocate(self.context, &table, Fill::Zero).await?;
        for (buffer, values) in &contents {
            buffers.write(self.context, *buffer, 0, values);
        }
        let program = Program::build(self.context, &buffers, &recording, self.context.adapter().submit_flops()).await?;
        let run = |repeats: u32| program.time(self.context, &buffers, repeats);
        run(1)?;
        // Repeated within each measurement until the clock is no matter.
        let repeats = (0.03 / run(1)?.seconds.max(1e-7)).clamp(1.0, 500.0) as u32;
        let time = median(self.options.repeats, || run(repeats))?;
        let row = self.row(name, shape, time.seconds, flops, bytes);
        Ok(Row { memory_mib: mib(table.total_bytes()), longest_submit_ms: time.longest_submit * 1e3, ..row })
    }

    async fn step(&self, net: NetKind, (replicas, samples): (u32, u32)) -> Result<Row, TrainError> {
        let repeats = self.options.repeats;
        let config = TrainConfig {
            net,
            dataset: DatasetKind::Synthetic,
            // 1, 3, 5, ... 61, and from the start again.
            ks: (0..replicas).map(|r| 2 * (r % 31) + 1).collect(),
            batch_size: samples,
            steps: Some(1),
            ..TrainConfig::default()
        };
        let dataset = Arc::new(synthetic::dataset(1, samples as usize, 1));
        let mut tuning = Tuning::default();
        if self.options.tune && self.context.adapter().has_tiles() {
            let limits =
                MemoryLimits { binding: self.context.adapter().binding_bytes(), total: self.context.memory_budget() };
            let plan = plan(&config, &dataset, &tuning, limits)?;
            let at_once = plan.chunks[0].replicas.len() as u32;
            let search = Search::on(self.context);
            let choices =
                tune::tune(self.context, &plan.network, (at_once, samples), search, |_| ControlFlow::Continue(()))
                    .await?;
            tuning.tiles = Some(tune::tiles(self.context, &choices));
        }
        let mut trainer = Trainer::new(Rc::clone(self.context), config, dataset, tuning, Start::Fresh).await?;
        let times = trainer.step_times(repeats).await?;
        let shape = format!("R{replicas} N{samples}");
        let row = self.row(&format!("step_{net}"), shape, times.step, times.convolution_flops, times.bytes);
        Ok(Row {
            memory_mib: mib(trainer.plan().table().total_bytes()),
            longest_submit_ms: times.longest_submit * 1e3,
            step: Some(StepShares {
                share_beside_convolutions: 1.0 - times.convolutions / times.step,
                share_of_metrics: (times.divergence + times.fingerprints * FINGERPRINTS_PER_STEP) / times.step,
                share_of_host: times.host / times.step,
            }),
            ..row
        })
    }

    fn row(&self, name: &str, shape: String, seconds: f64, flops: u64, bytes: u64) -> Row {
        let (gflops, gbps) = (flops as f64 / seconds * 1e-9, bytes as f64 / seconds * 1e-9);
        let (fma_share, copy_share) = (gflops / self.fma_gflops, gbps / self.copy_gbps);
        Row {
            name: name.to_owned(),
            shape,
            ms: seconds * 1e3,
            gflops,
            gbps,
            fma_share,
            copy_share,
            times_floor: 1.0 / fma_share.max(copy_share),
            memory_mib: 0.0,
            longest_submit_ms: 0.0,
            tile: None,
            step: None,
        }
    }
}
