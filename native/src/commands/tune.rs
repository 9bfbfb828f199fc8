//! `lastbit tune`: finds the quickest tile of each convolution of a run on its adapter, and keeps it for later runs.

use std::process::ExitCode;

use clap::Args;
use lastbit_core::bench::tune::Choice;
use lastbit_core::ops::{ConvLayer, Pass};
use serde_json::json;

use crate::failure::Failure;
use crate::numbers::count;
use crate::run::{Hooks, Prepared};
use crate::run_config::{CONFIG_FLAG, RunConfig};
use crate::terminal::{print_line, warn};
use crate::train_flags::RunFlags;

/// Flags of `tune`: those of the run that it is for.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    run: RunFlags,
    /// Print JSON: one line for each layer and pass as soon as it is measured, then one with the sums
    #[arg(long)]
    json: bool,
}

/// Finds and keeps the tiles.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let config = RunConfig::from_table(&arguments.run.given()?, CONFIG_FLAG)?;
    let mut prepared = Prepared::new(config, Hooks::default())?;
    if prepared.is_broken() {
        return Err(Failure::other(
            "this adapter breaks a promise that equal bits rest on, so runs on it use the default tiles: there is nothing to tune",
        ));
    }
    if !prepared.context.adapter().has_tiles() {
        return Err(Failure::usage(format!(
            "--adapter: '{}' has no tiles to tune: name a GPU (see `lastbit adapters`)",
            prepared.context.adapter().name
        )));
    }
    if !arguments.json {
        print_line(format!("{} on '{}'", prepared.plan.network.name, prepared.context.adapter().name));
        print_line(format!("{:<30} {:<15} {:>10} {:>9} {:>6}  tile", "layer", "pass", "default ms", "ms", "ratio"));
    }
    let replicas = prepared.tile_sizes().0;
    let (mut default, mut tuned, mut refused) = (0.0, 0.0, 0);
    let file = prepared.tune(|choice| {
        default += choice.default_ms;
        tuned += choice.ms;
        refused += choice.refused.len();
        print_line(if arguments.json { json_line(choice) } else { line(choice) });
    })?;
    if !arguments.json {
        print_line(format!("each pass once: {default:.3} ms with the default tiles, {tuned:.3} ms with these"));
    }
    if refused > 0 {
        warn(format!(
            "{refused} tiles gave other bits than the default one and were refused: the driver's compiler has a fault"
        ));
    }
    if arguments.json {
        print_line(
            json!({ "default_ms": default, "ms": tuned, "refused": refused, "replicas": replicas, "file": file }),
        );
        return Ok(ExitCode::SUCCESS);
    }
    let replicas = count(u64::from(replicas), "replica");
    print_line(match file {
        Some(path) => format!(
            "runs of this network with this batch and {replicas} at once use them on this adapter from now on: {}",
            path.display()
        ),
        None => "there is no home folder to keep them in: set XDG_DATA_HOME".to_owned(),
    });
    Ok(ExitCode::SUCCESS)
}

fn line(choice: &Choice) -> String {
    let (layer, pass) = (layer(choice), pass(choice));
    let Choice { default_ms, ms, tile, .. } = choice;
    format!("{layer:<30} {pass:<15} {default_ms:>10.3} {ms:>9.3} {:>6.2}  {tile}", ms / default_ms)
}

fn json_line(choice: &Choice) -> String {
    let Choice { default_ms, ms, tile, refused, .. } = choice;
    json!({
        "layer": layer(choice), "pass": pass(choice), "default_ms": default_ms, "ms": ms, "tile": tile.to_string(),
        "refused": refused.len(),
    })
    .to_string()
}

fn layer(choice: &Choice) -> String {
    match choice.layer {
        ConvLayer::Conv(conv) => format!("3x3 {}", sizes(conv.input.channels, conv.out_channels, conv.input.height)),
        ConvLayer::ConvDown(conv) => {
            format!("3x3 + 1x1 / 2 {}", sizes(conv.input.channels, conv.out_channels, conv.input.height))
        }
    }
}

fn pass(choice: &Choice) -> &'static str {
    match choice.pass {
        Pass::Forward => "forward",
        Pass::InputGradient => "input gradient",
        Pass::WeightGradient => "weight gradient",
    }
}

fn sizes(channels: u32, out_channels: u32, height: u32) -> String {
    format!("{channels} -> {out_channels} at {height}")
}

#[cfg(test)]
mod tests {
    use lastbit_core::ops::{Conv, Shape, Tile};
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_choice_reads_alike_as_text_and_as_json() {
        let conv = Conv { input: Shape { channels: 16, height: 32, width: 32 }, out_channels: 24, shared_input: false };
        let choice = Choice {
            layer: ConvLayer::Conv(conv),
            pass: Pass::WeightGradient,
            tile: Tile::default(),
            ms: 1.5,
            default_ms: 2.0,
            refused: vec![Tile::default()],
        };
        let words: Vec<String> =
            line(&choice).split("  ").map(str::trim).filter(|w| !w.is_empty()).map(str::to_owned).collect();
        let tile = Tile::default().to_string();
        assert_eq!(words, ["3x3 16 -> 24 at 32", "weight gradient", "2.000", "1.500", "0.75", tile.as_str()]);
        let json: Value = serde_json::from_str(&json_line(&choice)).unwrap();
        assert_eq!((&json["layer"], &json["pass"]), (&json!(words[0]), &json!(words[1])));
        assert_eq!((&json["default_ms"], &json["ms"], &json["refused"]), (&json!(2.0), &json!(1.5), &json!(1)));
    }
}
