//! `lastbit bench`: what the adapter does, beside what it could do.

use std::process::ExitCode;
use std::rc::Rc;

use clap::Args;
use lastbit_core::bench::{self, Options, Row};
use lastbit_core::gpu::{AdapterChoice, Context};
use serde_json::json;

use crate::failure::Failure;
use crate::terminal::say;

/// Flags of `bench`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Adapter by index or part of its name
    #[arg(long, value_name = "ADAPTER")]
    adapter: Option<String>,
    /// Samples in the batch of single operations [default: 32 on software adapters, 128 on others]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch_size: Option<u32>,
    /// Measurements of which the median is taken
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    repeats: u16,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Measures and prints a table, row by row.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let choice = arguments.adapter.clone().map_or(AdapterChoice::Best, AdapterChoice::Named);
    let context = Rc::new(pollster::block_on(Context::new(&choice))?);
    let mut options = Options { repeats: usize::from(arguments.repeats), ..Options::for_adapter(&context) };
    if let Some(samples) = arguments.batch_size {
        options.samples = samples;
    }
    if !arguments.json {
        say(format!("{} ({})", context.adapter().name, context.adapter().driver));
        say(format!("{:<26} {:<26} {:>10} {:>9} {:>8} {:>7}", "name", "shape", "ms", "GFLOP/s", "GB/s", "of fma"));
    }
    let tell = |row: &Row| {
        if !arguments.json {
            say(line(row));
        }
    };
    let report = pollster::block_on(bench::run(context, options, tell))?;
    if arguments.json {
        say(json!(report));
    } else {
        say(format!(
            "Of a ResNet-20 step, {:.1} % is not convolutions; metrics at the default cadence add {:.2} %.",
            report.step_share_beside_convolutions * 100.0,
            report.step_share_of_metrics * 100.0
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(row: &Row) -> String {
    let or_dash = |value: f64, text: String| if value > 0.0 { text } else { "-".to_owned() };
    format!(
        "{:<26} {:<26} {:>10.3} {:>9} {:>8} {:>7}",
        row.name,
        row.shape,
        row.ms,
        or_dash(row.gflops, format!("{:.1}", row.gflops)),
        or_dash(row.gbps, format!("{:.1}", row.gbps)),
        or_dash(row.fma_share, format!("{:.1} %", row.fma_share * 100.0)),
    )
}
