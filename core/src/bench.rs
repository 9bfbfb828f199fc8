//! Benchmarks of all kinds of operations in the networks, and of whole steps. The same run measures the adapter's peak rates
//! for comparison.

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
    DatasetKind, MemoryLimits, Start, TrainConfig, TrainError, Trainer, Tuning, default_tiles, median, plan,
};
use cases::{Case, Recorded};
use tune::Search;

pub use scale::{ScaleOver, ScalePoint, ScaleSizes, scale};

/// One row of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// Name, such as `conv3x3_forward` or `step_resnet20`.
    pub name: String,
    /// Shape, such as `R1 N32 C16 H32 W32 K16`.
    pub shape: String,
    /// Median duration in milliseconds.
    pub ms: f64,
    /// Rate of useful operations in GFLOP/s; an fma counts as two. For a step, only convolutions count.
    pub gflops: f64,
    /// Minimum memory traffic in GB/s.
    pub gbps: f64,
    /// `gflops` divided by the FMA rate.
    pub fma_share: f64,
    /// `gbps` divided by the copy bandwidth.
    pub copy_share: f64,
    /// Duration divided by the *floor*: the time of the operations at the FMA rate or of the bytes at the copy bandwidth,
    /// whichever is longer.
    pub times_floor: f64,
    /// Memory of all buffers in MiB.
    pub memory_mib: f64,
    /// Duration of the longest submit in milliseconds.
    pub longest_submit_ms: f64,
    /// Tile of a convolution, if it is not the default one.
    pub tile: Option<Tile>,
    /// Additional values of a step.
    #[serde(flatten)]
    pub step: Option<StepShares>,
}

/// Parts of a step, as fractions of its duration.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StepShares {
    /// Everything but convolutions.
    pub share_beside_convolutions: f64,
    /// Metrics at the default cadence, on average over the first 2000 steps.
    pub share_of_metrics: f64,
    /// Work of the host, which gathers the next batch and encodes the next step while the GPU runs this one.
    pub share_of_host: f64,
}

/// The results of a run of the benchmarks.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name of the adapter.
    pub adapter: String,
    /// Driver and version.
    pub driver: String,
    /// GFLOP/s of independent fma chains in registers.
    pub fma_gflops: f64,
    /// GB/s of a copy; reads and writes both count.
    pub copy_gbps: f64,
    /// Largest `memory_mib` of all rows.
    pub peak_memory_mib: f64,
    /// All measurements.
    pub rows: Vec<Measurement>,
}

/// Which rows to measure, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Measure only rows whose name contains this text.
    pub filter: String,
    /// Number of replicas.
    pub replicas: u32,
    /// Batch size.
    pub samples: u32,
    /// Number of measurements of which the median is taken.
    pub repeats: usize,
    /// True to find the fastest tile of each convolution first; false to use the default tiles.
    pub tune: bool,
}

impl Options {
    /// Default options for the adapter.
    #[must_use]
    pub fn for_adapter(context: &Context) -> Self {
        let (samples, repeats) = if context.adapter().family == Family::Gpu { (128, 9) } else { (32, 3) };
        Self { filter: String::new(), replicas: 1, samples, repeats, tune: false }
    }
}

/// With the default log cadence, 56 of the first 2000 steps take fingerprints.
const FINGERPRINTS_PER_STEP: f64 = 56.0 / 2000.0;

struct Bench<'a> {
    context: &'a Rc<Context>,
    options: &'a Options,
    fma_gflops: f64,
    copy_gbps: f64,
}

/// Names of the rows that pass the filter, in order.
#[must_use]
pub fn names(context: &Context, options: &Options) -> Vec<String> {
    let rates = ["fma", "copy"].into_iter().filter(|name| name.contains(&options.filter)).map(str::to_owned);
    rates.chain(cases::all(context.adapter(), &options.filter).iter().map(Case::name)).collect()
}

/// Measures all rows that pass the filter, and calls `on_row` with each row when it is measured.
///
/// # Errors
/// [`TrainError::Gpu`] if the device fails, and any other error that stops training from starting.
pub async fn run(
    context: Rc<Context>,
    options: &Options,
    mut on_row: impl FnMut(&Measurement),
) -> Result<Report, TrainError> {
    let mut bench = Bench { context: &context, options, fma_gflops: f64::INFINITY, copy_gbps: f64::INFINITY };
    let adapter = context.adapter();
    let mut fma = bench.operation("fma", cases::fma(adapter)).await?;
    let mut copy = bench.operation("copy", cases::copy(adapter)).await?;
    (bench.fma_gflops, bench.copy_gbps) = (fma.gflops, copy.gbps);
    (fma.fma_share, copy.copy_share) = (1.0, 1.0);
    (fma.times_floor, copy.times_floor) = (1.0, 1.0);
    let mut rows = Vec::new();
    let mut add = |row: Measurement| {
        on_row(&row);
        rows.push(row);
    };
    [fma.clone(), copy.clone()].into_iter().filter(|row| row.name.contains(&options.filter)).for_each(&mut add);
    for case in cases::all(adapter, &options.filter) {
        let row = match case {
            Case::Step(net) => bench.step(net, (options.replicas, options.samples)).await?,
            Case::Operation(operation) => {
                let sizes = (options.replicas, options.samples);
                let default = operation.layer().map(|(layer, pass)| default_tiles(adapter).of(layer, pass));
                let tile = match operation.layer().filter(|_| options.tune && adapter.has_tiles()) {
                    Some(layer) => Some(tune::choose(&context, layer, sizes, Search::on(&context)).await?.tile),
                    None => default,
                };
                let recorded = operation.record(sizes, tile.unwrap_or_default())?;
                let row = bench.operation(&operation.name(), recorded).await?;
                Measurement { tile: tile.filter(|_| tile != default), ..row }
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
    async fn operation(&self, name: &str, recorded: Recorded) -> Result<Measurement, TrainError> {
        let Recorded { shape, table, contents, recording, flops, bytes, .. } = recorded;
        let buffers = Buffers::allocate(self.context, &table, Fill::Zero).await?;
        for (buffer, values) in &contents {
            buffers.write(self.context, *buffer, 0, values);
        }
        let program = Program::build(self.context, &buffers, &recording, self.context.adapter().submit_flops()).await?;
        let run = |repeats: u32| program.time(self.context, &buffers, repeats);
        run(1)?;
        // Repeat within each measurement, so that the resolution of the clock does not matter.
        let repeats = (0.03 / run(1)?.seconds.max(1e-7)).clamp(1.0, 500.0) as u32;
        let time = median(self.options.repeats, || run(repeats))?;
        let row = self.row(name, shape, time.seconds, flops, bytes);
        Ok(Measurement { memory_mib: mib(table.total_bytes()), longest_submit_ms: time.longest_submit * 1e3, ..row })
    }

    async fn step(&self, net: NetKind, (replicas, samples): (u32, u32)) -> Result<Measurement, TrainError> {
        let repeats = self.options.repeats;
        let config = TrainConfig {
            net,
            dataset: DatasetKind::Synthetic,
            // 1, 3, 5, ... 61, repeated.
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
        Ok(Measurement {
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

    fn row(&self, name: &str, shape: String, seconds: f64, flops: u64, bytes: u64) -> Measurement {
        let (gflops, gbps) = (flops as f64 / seconds * 1e-9, bytes as f64 / seconds * 1e-9);
        let (fma_share, copy_share) = (gflops / self.fma_gflops, gbps / self.copy_gbps);
        Measurement {
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
