//! `cargo xtask demo`: installs what is missing, builds lastbit, trains the largest ResNet that this adapter trains in two
//! minutes on real images, and prints the path of the report (on a desktop, opens it too).

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::host::Packages;
use crate::{host, images, process, setup};

const BUILD_LIMIT: Duration = Duration::from_secs(45 * 60);
const TRAIN_LIMIT: Duration = Duration::from_secs(20 * 60);
/// The forecast of the training may not exceed this: a person waits for two minutes.
const TRAIN_SECONDS: f64 = 120.0;
/// The last steps of the run, over which the loss is averaged.
const LAST_STEPS: usize = 10;

/// Flags of the run, largest first: from what a desktop GPU trains in the time to the smallest run that shows the effect.
const SIZES: [&[&str]; 6] = [
    &["--net", "resnet56", "--batch-size", "128", "--epochs", "2"],
    &["--net", "resnet20", "--batch-size", "128", "--epochs", "2"],
    &["--net", "resnet20", "--batch-size", "64", "--steps", "300", "--test-limit", "1000"],
    &["--net", "resnet8", "--batch-size", "64", "--steps", "250", "--test-limit", "2000"],
    &["--net", "resnet8", "--batch-size", "32", "--steps", "200", "--test-limit", "1000"],
    &["--net", "resnet8", "--batch-size", "32", "--steps", "150", "--test-limit", "500", "--width", "0.5"],
];

/// The field of `lastbit train --dry-run --json` that the demo reads.
#[derive(Deserialize)]
struct DryRun {
    seconds: f64,
}

/// Runs the demo.
pub fn run() -> Result<()> {
    setup::for_demo()?;
    process::run(&mut process::command("cargo", &["build", "--release", "--package", "lastbit"]), BUILD_LIMIT)?;
    let program = host::target_dir()?.join(format!("release/lastbit{}", std::env::consts::EXE_SUFFIX));
    let dataset = dataset(&program);
    let size = size(&program, dataset)?;
    let out = free_folder();
    let name = out.to_string_lossy();
    let mut train = train_command(&program, dataset, size);
    process::run(train.args(["--out", name.as_ref()]), TRAIN_LIMIT)?;
    let lines = std::fs::read_to_string(process::root().join(&out).join("metrics.jsonl"))
        .context("cannot read the run's metrics.jsonl")?;
    println!("\n{}", verdict(&lines)?);
    let report = process::root().join(&out).join("report.html");
    println!("\nThe report: {}", report.display());
    if host::is_desktop() {
        process::run(&mut process::command(&program, &["report", name.as_ref(), "--open"]), TRAIN_LIMIT)?;
    }
    Ok(())
}

fn train_command(program: &Path, dataset: &str, size: &[&str]) -> std::process::Command {
    let mut train = process::command(program, &["train", "--dataset", dataset, "--ks", "1,2,3", "--lr", "0.05"]);
    train.args(size);
    train
}

/// `fashion-mnist` if its images are here or can be downloaded, else `synthetic`.
fn dataset(program: &Path) -> &'static str {
    let has_images = || process::succeeds(program, &["data", "info", "fashion-mnist"]);
    let mut fetch = process::command(program, &["data", "fetch", "fashion-mnist"]);
    if !has_images()
        && host::packages() == Packages::Debian
        && let Err(error) = images::download()
    {
        println!("demo: cannot download Debian's package of the images: {error:#}");
    }
    if has_images() || (process::run(&mut fetch, TRAIN_LIMIT).is_ok() && has_images()) {
        return "fashion-mnist";
    }
    println!("demo: cannot get Fashion-MNIST; training on made-up images instead");
    "synthetic"
}

/// The largest size that this adapter trains in [`TRAIN_SECONDS`], else the smallest.
fn size(program: &Path, dataset: &str) -> Result<&'static [&'static str]> {
    for size in SIZES {
        let mut dry_run = train_command(program, dataset, size);
        let plan = process::capture(dry_run.args(["--dry-run", "--json"]), TRAIN_LIMIT)?;
        let plan: DryRun =
            serde_json::from_str(&plan).context("cannot parse the output of `lastbit train --dry-run --json`")?;
        println!("demo: {} would take {:.0} s", size.join(" "), plan.seconds);
        if plan.seconds <= TRAIN_SECONDS {
            println!("demo: training the last one, the largest that takes less than two minutes");
            return Ok(size);
        }
    }
    println!("demo: no size takes less than two minutes on this machine; training the smallest");
    Ok(SIZES[SIZES.len() - 1])
}

/// A run folder that does not exist yet, so that earlier demos are kept.
fn free_folder() -> PathBuf {
    let names = std::iter::once("runs/demo".to_owned()).chain((2..).map(|n| format!("runs/demo-{n}")));
    let mut folders = names.map(PathBuf::from).filter(|folder| !process::root().join(folder).exists());
    folders.next().unwrap_or_else(|| unreachable!("the numbers do not end"))
}

/// A `step` line of `metrics.jsonl`; a number that is not finite is `null` there.
#[derive(Deserialize)]
struct Step {
    loss: Vec<Option<f64>>,
    rel_l1: Vec<Option<f64>>,
    differing: Vec<u64>,
}

/// Text that sums up a run of k = 1, 2, 3; an error if the run does not show the effect.
fn verdict(metrics: &str) -> Result<String> {
    let lines = metrics.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>();
    let steps = lines.context("cannot parse metrics.jsonl")?.into_iter().filter(|line| line["kind"] == "step");
    let steps =
        steps.map(serde_json::from_value).collect::<Result<Vec<Step>, _>>().context("cannot parse metrics.jsonl")?;
    let last = steps.last().context("the run has no steps")?;
    let losses: Option<Vec<f64>> = steps.iter().map(|step| step.loss.first().copied().flatten()).collect();
    let losses = losses.context("the loss of the run is not finite")?;
    let last_losses = &losses[losses.len().saturating_sub(LAST_STEPS)..];
    let loss = last_losses.iter().sum::<f64>() / last_losses.len() as f64;
    if loss >= losses[0] {
        bail!("the network has not learned: its loss went from {:.2} to {loss:.2}", losses[0]);
    }
    let (Some(distance), &[_, control, different]) = (last.rel_l1.get(2).copied().flatten(), &last.differing[..])
    else {
        bail!("the run does not have three replicas, or its distances are not finite");
    };
    if control != 0 {
        bail!("the control k = 2 differs from k = 1 in {control} elements: do not trust this adapter's results");
    }
    if different == 0 {
        bail!("k = 3 does not differ from k = 1 after {} steps", steps.len());
    }
    Ok(format!(
        "After {} steps the network has learned (mean loss of the last {} steps: {loss:.2}), and\n  \
         k = 2 equals k = 1 in every bit: dividing by a power of two is exact;\n  \
         k = 3 differs from k = 1 in {different} convolution weights; their mean relative distance is {distance:.1e}.\n\
         All copies had the same start, the same images and the same arithmetic: only the last bit separates them.",
        steps.len(),
        last_losses.len(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The metrics of two steps; `loss` is that of k = 1 at the second.
    fn metrics_with(loss: &str, control: u64, different: u64) -> String {
        let step = |step: u64, loss: &str| {
            format!(
                r#"{{"kind":"step","step":{step},"loss":[{loss},0.5,0.25],"rel_l1":[0.0,0.0,0.03],"differing":[0,{control},{different}]}}"#
            )
        };
        let layers = r#"{"kind":"layers","step":1,"rel_l1":{"conv1.weight":0.5}}"#;
        format!("{}\n{layers}\n{}\n", step(1, "2.0"), step(2, loss))
    }

    fn metrics(control: u64, different: u64) -> String {
        metrics_with("0.5", control, different)
    }

    #[test]
    fn the_verdict_names_what_was_measured() {
        let text = verdict(&metrics(0, 77)).unwrap();
        assert!(
            text.contains("After 2 steps") && text.contains("1.25") && text.contains("77") && text.contains("3.0e-2")
        );
    }

    #[test]
    fn a_run_that_shows_nothing_fails() {
        assert!(verdict(&metrics(1, 77)).unwrap_err().to_string().contains("k = 2 differs"));
        assert!(verdict(&metrics(0, 0)).unwrap_err().to_string().contains("k = 3 does not differ"));
        assert!(verdict(&metrics_with("null", 0, 77)).unwrap_err().to_string().contains("not finite"));
        assert!(verdict(&metrics_with("2.5", 0, 77)).unwrap_err().to_string().contains("has not learned"));
        assert!(verdict("").unwrap_err().to_string().contains("no steps"));
        assert!(verdict("{\"kind\":\"step\"}").is_err());
    }

    #[test]
    fn sizes_become_smaller() {
        assert!(SIZES.iter().all(|size| size.contains(&"--net") && size.contains(&"--batch-size")));
        assert!(SIZES[0].contains(&"resnet56") && SIZES[SIZES.len() - 1].contains(&"resnet8"));
    }
}
