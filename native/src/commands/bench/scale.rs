//! `lastbit bench --scale`: measures a step over replicas, batch and depth, as a table and as curves.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use lastbit_core::bench::{self, Options, ScaleOver, ScalePoint, ScaleSizes};
use lastbit_core::device::Context;
use serde_json::json;

use crate::failure::Failure;
use crate::files::{create_folder, replace_file};
use crate::plot::{Axis, Figure};
use crate::terminal::{print_line, warn};

/// Measures, prints a table or JSON, and writes the curves into `out`.
pub fn run(context: Rc<Context>, options: &Options, out: Option<&Path>, is_json: bool) -> Result<ExitCode, Failure> {
    if let Some(out) = out {
        create_folder(out)?;
    }
    let adapter = context.adapter().clone();
    if !is_json {
        print_line(format!("{} ({})", adapter.name, adapter.driver));
        print_line(format!(
            "{:<10} {:>8} {:>6} {:>10} {:>18} {:>9} {:>7} {:>8}",
            "network", "replicas", "batch", "ms a step", "ms a replica-step", "images/s", "of fma", "MiB"
        ));
    }
    let print_point = |point: Result<&ScalePoint, &_>| match point {
        Ok(point) if !is_json => print_line(line(point)),
        Ok(_) => {}
        Err(error) => warn(format!("left out: {error}")),
    };
    let points = pollster::block_on(bench::scale(context, options, &ScaleSizes::default(), print_point))?;
    if points.is_empty() {
        return Err(Failure::other(
            "none of the sizes fits this adapter's memory: give a smaller --batch-size or --replicas",
        ));
    }
    if is_json {
        print_line(json!(points));
    }
    if let Some(out) = out {
        let curves = write(&points, &adapter.name, out)?;
        curves.iter().filter(|_| !is_json).for_each(|path| print_line(path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the numbers and the curves. Returns the paths of the curves.
fn write(points: &[ScalePoint], adapter: &str, out: &Path) -> Result<Vec<PathBuf>, Failure> {
    replace_file(&out.join("scale.json"), &serde_json::to_vec_pretty(points).map_err(Failure::other)?)?;
    let figures = figures(points, adapter).map(|figure| {
        let path = out.join(format!("{}.svg", figure.name));
        replace_file(&path, figure.file().as_bytes()).map(|()| path)
    });
    figures.collect()
}

fn line(point: &ScalePoint) -> String {
    let ScalePoint { depth, replicas, samples, row, .. } = point;
    format!(
        "{:<10} {replicas:>8} {samples:>6} {:>10.1} {:>18.1} {:>9.1} {:>5.1} % {:>8.0}",
        format!("resnet{depth}"),
        row.ms,
        point.ms_per_replica(),
        point.images_per_second(),
        row.fma_share * 100.0,
        row.memory_mib
    )
}

/// The points of a curve: the size that it varies, and `y`.
fn curve(points: &[ScalePoint], over: ScaleOver, y: fn(&ScalePoint) -> f64) -> Vec<(f64, f64)> {
    points.iter().filter(|point| point.over == over).map(|p| (f64::from(p.size()), y(p))).collect()
}

/// The curves that have points.
fn figures(points: &[ScalePoint], adapter: &str) -> impl Iterator<Item = Figure> {
    let figure = |name: &str, title: &str, x: &str, y: &str, values: Vec<(f64, f64)>| {
        let highest = values.iter().map(|(_, y)| *y).reduce(f64::max)?;
        let axis = Axis::linear(y).between(0.0, highest * 1.1);
        let title = format!("{title}, on {adapter}");
        Some(Figure::new(name, title, Axis::linear(x), axis).line(y, values.clone()).dots("measured", values))
    };
    let per_replica = curve(points, ScaleOver::Replicas, ScalePoint::ms_per_replica);
    let per_batch = curve(points, ScaleOver::Batch, ScalePoint::images_per_second);
    let per_depth = curve(points, ScaleOver::Depth, ScalePoint::ms_per_replica);
    [
        figure("scale-replicas", "ResNet-20 over replicas", "replicas in lockstep", "ms a replica-step", per_replica),
        figure("scale-batch", "ResNet-20 over the batch", "samples of a batch", "images a second", per_batch),
        figure("scale-depth", "ResNets over depth", "depth", "ms a replica-step", per_depth),
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use lastbit_core::bench::Measurement;

    use super::*;

    fn point(over: ScaleOver, (depth, replicas, samples): (u32, u32, u32), ms: f64) -> ScalePoint {
        let row = Measurement {
            name: format!("step_resnet{depth}"),
            shape: format!("R{replicas} N{samples}"),
            ms,
            gflops: 8.0,
            gbps: 2.0,
            fma_share: 0.25,
            copy_share: 0.125,
            times_floor: 4.0,
            memory_mib: 96.0,
            longest_submit_ms: 50.0,
            tile: None,
            step: None,
        };
        ScalePoint { over, depth, replicas, samples, row }
    }

    #[test]
    fn a_line_shows_what_a_replica_costs() {
        let words = line(&point(ScaleOver::Replicas, (20, 4, 32), 800.0));
        let words: Vec<&str> = words.split_whitespace().collect();
        // 32 images for each of 4 replicas in 0.8 s.
        assert_eq!(words, ["resnet20", "4", "32", "800.0", "200.0", "160.0", "25.0", "%", "96"]);
    }

    #[test]
    fn curves_have_their_own_points() {
        let points = [
            point(ScaleOver::Replicas, (20, 1, 32), 300.0),
            point(ScaleOver::Replicas, (20, 6, 32), 600.0),
            point(ScaleOver::Depth, (56, 1, 32), 900.0),
        ];
        let per_replica = curve(&points, ScaleOver::Replicas, ScalePoint::ms_per_replica);
        assert_eq!(per_replica, [(1.0, 300.0), (6.0, 100.0)]);
        assert_eq!(curve(&points, ScaleOver::Replicas, ScalePoint::images_per_second)[1], (6.0, 320.0));
        assert_eq!(curve(&points, ScaleOver::Depth, ScalePoint::ms_per_replica), [(56.0, 900.0)]);

        let out = std::env::temp_dir().join(format!("lastbit-scale-{}", std::process::id()));
        std::fs::create_dir_all(&out).unwrap();
        let curves = write(&points, "an <adapter>", &out).unwrap();
        // There is no curve over the batch, because none was measured.
        assert_eq!(curves, ["scale-replicas.svg", "scale-depth.svg"].map(|name| out.join(name)));
        for curve in curves {
            let svg = std::fs::read_to_string(&curve).unwrap();
            let svg = roxmltree::Document::parse(&svg).unwrap();
            let words: String = svg.descendants().filter_map(|node| node.text()).collect();
            assert!(words.contains("an <adapter>") && words.contains("measured"), "{words}");
        }
        let numbers: serde_json::Value =
            serde_json::from_slice(&std::fs::read(out.join("scale.json")).unwrap()).unwrap();
        assert_eq!((&numbers[1]["over"], &numbers[1]["row"]["ms"]), (&"replicas".into(), &600.0.into()));
        assert_eq!(numbers.as_array().map(Vec::len), Some(3));
        std::fs::remove_dir_all(out).unwrap();
    }
}
