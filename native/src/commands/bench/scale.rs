//! `lastbit bench --scale`: what a step costs over replicas, batch and depth, as a table and as curves.

use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use lastbit_core::bench::{self, Options, ScaleOver, ScalePoint};
use lastbit_core::gpu::Context;
use serde_json::json;

use crate::failure::Failure;
use crate::reproduce::{Axis, Figure};
use crate::run::replace_file;
use crate::terminal::{say, warn};

/// Measures, prints a table or JSON, and writes the curves into `out`.
pub fn run(context: Rc<Context>, options: &Options, out: Option<&Path>, is_json: bool) -> Result<ExitCode, Failure> {
    if let Some(out) = out {
        std::fs::create_dir_all(out).map_err(|error| Failure::file("make", out, &error))?;
    }
    let adapter = context.adapter().clone();
    if !is_json {
        say(format!("{} ({})", adapter.name, adapter.driver));
        say(format!(
            "{:<10} {:>8} {:>6} {:>10} {:>18} {:>9} {:>7} {:>8}",
            "network", "replicas", "batch", "ms a step", "ms a replica-step", "images/s", "of fma", "MiB"
        ));
    }
    let tell = |point: Result<&ScalePoint, &_>| match point {
        Ok(point) if !is_json => say(line(point)),
        Ok(_) => {}
        Err(error) => warn(format!("left out: {error}")),
    };
    let points = pollster::block_on(bench::scale(context, options, tell))?;
    if points.is_empty() {
        return Err(Failure::other(
            "none of the sizes fits this adapter's memory: give a smaller --batch-size or --replicas",
        ));
    }
    if is_json {
        say(json!(points));
    }
    let Some(out) = out else { return Ok(ExitCode::SUCCESS) };
    replace_file(&out.join("scale.json"), &serde_json::to_vec_pretty(&points).map_err(Failure::other)?)?;
    for figure in figures(&points, &adapter.name) {
        let path = out.join(format!("{}.svg", figure.name));
        replace_file(&path, figure.file().as_bytes())?;
        if !is_json {
            say(path.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(point: &ScalePoint) -> String {
    let ScalePoint { depth, replicas, samples, row, .. } = point;
    format!(
        "{:<10} {replicas:>8} {samples:>6} {:>10.1} {:>18.1} {:>9.1} {:>5.1} % {:>8.0}",
        format!("resnet{depth}"),
        row.ms,
        point.ms_a_replica(),
        point.images_a_second(),
        row.fma_share * 100.0,
        row.memory_mib
    )
}

fn figures(points: &[ScalePoint], adapter: &str) -> [Figure; 3] {
    let of = |over: ScaleOver, y: fn(&ScalePoint) -> f64| -> Vec<(f64, f64)> {
        points.iter().filter(|point| point.over == over).map(|p| (f64::from(p.size()), y(p))).collect()
    };
    let highest = |values: &[(f64, f64)]| values.iter().map(|(_, y)| *y).fold(0.0, f64::max) * 1.1;
    let figure = |name: &str, title: &str, x: &str, y: &str, values: Vec<(f64, f64)>| {
        let axis = Axis::linear(y).between(0.0, highest(&values));
        let title = format!("{title}, on {adapter}");
        Figure::new(name, title, Axis::linear(x), axis).line(y, values.clone()).dots("measured", values)
    };
    let per_replica = of(ScaleOver::Replicas, ScalePoint::ms_a_replica);
    let per_batch = of(ScaleOver::Batch, ScalePoint::images_a_second);
    let per_depth = of(ScaleOver::Depth, ScalePoint::ms_a_replica);
    [
        figure("scale-replicas", "ResNet-20 over replicas", "replicas in lockstep", "ms a replica-step", per_replica),
        figure("scale-batch", "ResNet-20 over the batch", "samples of a batch", "images a second", per_batch),
        figure("scale-depth", "ResNets over depth", "depth", "ms a replica-step", per_depth),
    ]
}
