//! `lastbit tune` for the network that the stage `train` trains, then the benchmark of the convolutions with the fastest tiles.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{bench, train};
use crate::hardware::child::{self, End, Stop};
use crate::hardware::trial::{Incomplete, Trial};
use crate::hardware::{images, pack};

/// Runs the stage.
pub fn run(trial: &mut Trial) -> Result<()> {
    let images = images::unpack(&pack::here()?, &trial.options.work)?;
    let mut tune = trial.training("tune", &images);
    tune.args(["--ks", train::KS, "--json"]);
    let (mut choices, mut last) = (Vec::new(), String::new());
    let limit = trial.left().mul_f64(TUNE_SHARE);
    let end = child::run(&mut tune, limit, Stop::Kill, |line| {
        let Some(line) = line else { return Ok(()) };
        match serde_json::from_str::<Value>(line).ok() {
            Some(choice) if choice["pass"].is_string() => {
                println!("{}", line_of(&choice));
                choices.push(choice);
                trial.note("choices", &choices)
            }
            Some(sums) if sums["default_ms"].is_number() => {
                println!(
                    "each pass once: {} ms with the default tiles, {} ms with these",
                    sums["default_ms"], sums["ms"]
                );
                trial.note("sums", sums)
            }
            _ => {
                println!("{line}");
                line.clone_into(&mut last);
                Ok(())
            }
        }
    })?;
    match end {
        End::Stopped => {
            let (seconds, done) = (limit.as_secs(), choices.len());
            let message = format!("`lastbit tune` was stopped after {seconds} s, passes tuned until then: {done}");
            return Err(Incomplete(message).into());
        }
        End::Exited(status) if !status.success() => bail!("`lastbit tune` failed ({status}): {last}"),
        End::Exited(_) => {}
    }
    bench::measure(trial, &["conv3x3", "conv_down"], &["--tune"]).context("the benchmark of the tuned convolutions")
}

/// Share of the time for the tuning; the rest is for the benchmark.
const TUNE_SHARE: f64 = 0.67;

fn line_of(choice: &Value) -> String {
    let (before, after) =
        (choice["default_ms"].as_f64().unwrap_or(f64::NAN), choice["ms"].as_f64().unwrap_or(f64::NAN));
    let text = |key: &str| choice[key].as_str().unwrap_or_default().to_owned();
    format!("{:<30} {:<15} {before:>10.3} to {after:>9.3} ms  {}", text("layer"), text("pass"), text("tile"))
}
