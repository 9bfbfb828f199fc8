//! `lastbit bench`: measures operations and steps, beside what the adapter can do at most.

mod scale;

use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;

use clap::Args;
use lastbit_core::bench::{self, Measurement, Options};
use serde_json::json;

use crate::failure::Failure;
use crate::terminal::print_line;
use crate::value_parsers::whole_in;
use crate::{device, host_memory};

/// Flags of `bench`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Adapter by index or part of its name (see `lastbit adapters`) [default: $LASTBIT_ADAPTER, else a GPU, else the processor]
    #[arg(long, value_name = "ADAPTER")]
    adapter: Option<String>,
    /// Measure only rows whose name contains TEXT, for example conv3x3 or step_vgg16
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// Replicas in each measurement
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole_in::<u32>(1, 64), allow_negative_numbers = true)]
    replicas: u32,
    /// Samples in the batch [default: 128 on a GPU, 32 on the processor and on software GPUs]
    #[arg(long, value_name = "N", value_parser = whole_in::<u32>(1, 4096), allow_negative_numbers = true)]
    batch_size: Option<u32>,
    /// Number of measurements, of which the median is taken [default: 9 on a GPU, 3 on the processor and on software GPUs]
    #[arg(long, value_name = "N", value_parser = whole_in::<u16>(1, 1000), allow_negative_numbers = true)]
    repeats: Option<u16>,
    /// First find the quickest tile of each convolution, on a GPU (bits do not change); for runs, use `lastbit tune`
    #[arg(long)]
    tune: bool,
    /// Instead measure steps of ResNets over replicas (1 to 12), batch (32 to 512) and depth (8 to 110)
    #[arg(long, conflicts_with = "filter")]
    scale: bool,
    /// With --scale: folder for the curves (SVG) and the numbers (JSON)
    #[arg(long, value_name = "FOLDER", requires = "scale")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Measures and prints a table, row by row.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let context = Rc::new(device::open(arguments.adapter.as_deref())?);
    if let Some(bytes) = host_memory::budget().filter(|_| context.adapter().uses_host_memory()) {
        context.set_memory_budget(bytes);
    }
    let defaults = Options::for_adapter(&context);
    let options = Options {
        filter: arguments.filter.clone(),
        replicas: arguments.replicas,
        samples: arguments.batch_size.unwrap_or(defaults.samples),
        repeats: arguments.repeats.map_or(defaults.repeats, usize::from),
        tune: arguments.tune,
    };
    if arguments.scale {
        return scale::run(context, &options, arguments.out.as_deref(), arguments.json);
    }
    if bench::names(&context, &options).is_empty() {
        let names = "try conv3x3, conv_down, batch_norm, max_pool, dense, update, divergence, fingerprint or step";
        return Err(Failure::usage(format!("--filter: no row's name contains '{}': {names}", options.filter)));
    }
    if !arguments.json {
        print_line(format!("{} ({})", context.adapter().name, context.adapter().driver));
        print_line(cells(
            ["name", "shape", "ms", "GFLOP/s", "of fma", "GB/s", "of copy", "x floor", "MiB", "submit ms"]
                .map(str::to_owned),
        ));
    }
    let print_row = |row: &Measurement| {
        if !arguments.json {
            print_line(line(row));
        }
    };
    let report = pollster::block_on(bench::run(context, &options, print_row))?;
    if arguments.json {
        print_line(json!(report));
        return Ok(ExitCode::SUCCESS);
    }
    for (name, step) in report.rows.iter().filter_map(|row| Some((&row.name, row.step?))) {
        print_line(format!(
            "{name}: {:.1} % of the time is not in convolutions; metrics at the default cadence add {:.2} %; the host works {:.1} % of \
             the time.",
            step.share_beside_convolutions * 100.0,
            step.share_of_metrics * 100.0,
            step.share_of_host * 100.0
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn cells([name, shape, ms, gflops, of_fma, gbps, of_copy, floor, mib, submit]: [String; 10]) -> String {
    format!(
        "{name:<24} {shape:<26} {ms:>10} {gflops:>8} {of_fma:>7} {gbps:>7} {of_copy:>8} {floor:>7} {mib:>8} {submit:>9}"
    )
}

fn line(row: &Measurement) -> String {
    let or_dash = |value: f64, text: String| if value > 0.0 { text } else { "-".to_owned() };
    let percent = |share: f64| or_dash(share, format!("{:.1} %", share * 100.0));
    let line = cells([
        row.name.clone(),
        row.shape.clone(),
        format!("{:.3}", row.ms),
        or_dash(row.gflops, format!("{:.1}", row.gflops)),
        percent(row.fma_share),
        or_dash(row.gbps, format!("{:.1}", row.gbps)),
        percent(row.copy_share),
        format!("{:.1}", row.times_floor),
        format!("{:.1}", row.memory_mib),
        format!("{:.1}", row.longest_submit_ms),
    ]);
    row.tile.map_or(line.clone(), |tile| format!("{line}  {tile}"))
}
