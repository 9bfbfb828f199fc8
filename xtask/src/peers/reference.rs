//! What all contenders start from (images and weights that lastbit drew) and are checked against (lastbit's network size and
//! first losses).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::budget::Budget;
use super::lastbit::Lastbit;
use crate::process;

const LIMIT: Duration = Duration::from_secs(30 * 60);
const IMAGE_BYTES: usize = 3072;
/// Copies of one batch in each file, so that a run can be long and every step sees the same images.
const BATCHES_IN_A_FILE: usize = 24;
/// Steps whose losses are compared.
const STEPS: usize = 3;
/// Largest relative difference from lastbit's loss at each step. The first loss comes before any update; after it, the effect of
/// another order of sums grows tenfold or more each step, which is what lastbit studies.
const TOLERANCES: [f64; STEPS] = [1e-4, 2e-3, 5e-2];

/// A network with its initial weights, its images and lastbit's figures.
pub struct Reference {
    /// Name of the network, as `lastbit train --net` takes it.
    pub net: String,
    /// Samples in the batch.
    pub batch: u32,
    /// Number of trained values.
    pub parameters: u64,
    /// Floating-point operations of the convolutions in a step of one replica.
    pub flops: u64,
    /// Path of the initial weights, a safetensors file.
    pub weights: PathBuf,
    /// Path of a file in CIFAR-10's binary layout, in which every batch equals the first.
    pub images: PathBuf,
    /// Time for everything that starts from this reference.
    pub budget: Budget,
    losses: Vec<f64>,
}

/// What a contender reports before it is timed. The page runs lastbit's core and reports no numbers.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct About {
    /// Name and version, such as `PyTorch 2.15.0`.
    #[serde(default)]
    pub version: String,
    /// How it trains, in a few words.
    #[serde(default)]
    pub setting: String,
    parameters: Option<u64>,
    flops: Option<u64>,
    losses: Option<Vec<f64>>,
}

impl Reference {
    /// Writes a batch of images, then has lastbit draw the weights and train three steps.
    pub fn make(lastbit: &Lastbit, work: &Path, net: &str, batch: u32, budget: Budget) -> Result<Self> {
        let folder = work.join(format!("{net}-{batch}"));
        let data = folder.join("images");
        fs::create_dir_all(&data).with_context(|| format!("cannot create {}", data.display()))?;
        let bytes = images(batch as usize).repeat(BATCHES_IN_A_FILE);
        let files = (1..=5).map(|i| format!("data_batch_{i}.bin")).chain(["test_batch.bin".to_owned()]);
        for file in files.map(|name| data.join(name)) {
            fs::write(&file, &bytes).with_context(|| format!("cannot write {}", file.display()))?;
        }
        let (images, run) = (data.join("data_batch_1.bin"), folder.join("run"));
        let mut reference = Self {
            net: net.to_owned(),
            batch,
            parameters: 0,
            flops: flops(net, batch)?,
            weights: run.join("init.safetensors"),
            images,
            budget,
            losses: Vec::new(),
        };
        reference.train(lastbit, &run, "1", STEPS)?;
        reference.losses = losses(&run)?;
        ensure!(reference.losses.len() == STEPS, "lastbit's own losses are not finite");
        let plan = process::capture(reference.command(lastbit, "1", STEPS).args(["--dry-run", "--json"]), LIMIT)?;
        let plan: Value =
            serde_json::from_str(&plan).context("cannot parse the output of `lastbit train --dry-run --json`")?;
        reference.parameters =
            plan["parameters"].as_u64().context("`lastbit train --dry-run --json` names no parameters")?;
        Ok(reference)
    }

    /// `lastbit train` on these images.
    pub fn command(&self, lastbit: &Lastbit, ks: &str, steps: usize) -> std::process::Command {
        let mut train = lastbit.command(&["train", "--net", &self.net, "--dataset", "cifar10", "--ks", ks]);
        train.arg("--data-dir").arg(self.images.parent().unwrap_or(Path::new(".")));
        train.args(["--no-augment", "--no-shuffle", "--test-limit", "1", "--log-every", "1000"]);
        train.args(["--batch-size", &self.batch.to_string(), "--steps", &steps.to_string()]);
        train
    }

    /// Replaces `folder` by a new run. Returns the peak resident memory in MiB, 0 on systems without `/proc`.
    pub fn train(&self, lastbit: &Lastbit, folder: &Path, ks: &str, steps: usize) -> Result<f64> {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        let mut train = self.command(lastbit, ks, steps);
        super::child::run_watched(train.arg("--out").arg(folder), self.budget.limit(LIMIT))
    }

    /// Refuses a contender whose network or first losses differ from lastbit's.
    pub fn check(&self, about: &About) -> Result<()> {
        let counts = [("parameters", about.parameters, self.parameters), ("operations", about.flops, self.flops)];
        for (what, theirs, ours) in counts {
            if let Some(theirs) = theirs.filter(|theirs| *theirs != ours) {
                bail!("not the same network: {theirs} {what} where lastbit has {ours}");
            }
        }
        self.check_losses(about.losses.as_deref().unwrap_or_default())
    }

    /// Refuses first losses that differ from lastbit's by more than the tolerances.
    pub fn check_losses(&self, losses: &[f64]) -> Result<()> {
        for (step, (theirs, ours)) in losses.iter().zip(&self.losses).enumerate() {
            // Also false if a loss is NaN.
            let is_close = (theirs - ours).abs() <= TOLERANCES[step] * ours.abs();
            ensure!(is_close, "not the same training: loss {theirs} at step {} where lastbit has {ours}", step + 1);
        }
        Ok(())
    }
}

/// Losses of a run's first replica, whose k is 1, step by step.
pub fn losses(run: &Path) -> Result<Vec<f64>> {
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).context("cannot read the run's metrics.jsonl")?;
    let lines = metrics.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?;
    let steps = lines.iter().filter(|line| line["kind"] == "step");
    Ok(steps.filter_map(|line| line["loss"][0].as_f64()).collect())
}

/// Floating-point operations of the convolutions in a step on 32 by 32 pixels: forward, gradient by the weights, and gradient by
/// the input for all but the first. Counted from the definition, in the same way for all contenders.
fn flops(net: &str, batch: u32) -> Result<u64> {
    let (first, rest) = match net.strip_prefix("resnet") {
        Some(depth) => resnet(depth.parse().with_context(|| format!("the network's name {net} has no depth"))?),
        None => vgg16(),
    };
    Ok((2 * first + 3 * rest) * u64::from(batch))
}

/// Operations of a convolution's forward pass on one image; `side` is the height and width of its output.
fn conv(kernel: u64, inputs: u64, outputs: u64, side: u64) -> u64 {
    2 * kernel * kernel * inputs * outputs * side * side
}

/// Forward operations for one image: of the first convolution, and of all others.
fn resnet(depth: u64) -> (u64, u64) {
    let rest = [(16, 32), (32, 16), (64, 8)].map(|(channels, side)| {
        let first = if channels == 16 {
            conv(3, 16, 16, side)
        } else {
            conv(3, channels / 2, channels, side) + conv(1, channels / 2, channels, side)
        };
        first + ((depth - 2) / 3 - 1) * conv(3, channels, channels, side)
    });
    (conv(3, 3, 16, 32), rest.iter().sum())
}

/// Forward operations for one image: of the first convolution, and of all others.
fn vgg16() -> (u64, u64) {
    let rest = [(64, 64, 1, 32), (64, 128, 2, 16), (128, 256, 3, 8), (256, 512, 3, 4), (512, 512, 3, 2)].map(
        |(inputs, channels, convolutions, side)| {
            conv(3, inputs, channels, side) + (convolutions - 1) * conv(3, channels, channels, side)
        },
    );
    (conv(3, 3, 64, 32), rest.iter().sum())
}

/// Records in CIFAR-10's binary layout: noise whose brightness depends on the class.
fn images(samples: usize) -> Vec<u8> {
    let mut random = 1u32;
    let mut bytes = Vec::with_capacity(samples * (IMAGE_BYTES + 1));
    for sample in 0..samples {
        let label = (sample * 7 % 10) as u8;
        bytes.push(label);
        bytes.extend((0..IMAGE_BYTES).map(|_| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            label * 12 + (random >> 25) as u8
        }));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(about: &str) -> Result<()> {
        let reference = Reference {
            net: "resnet8".to_owned(),
            batch: 2,
            parameters: 78_042,
            flops: 1000,
            weights: PathBuf::new(),
            images: PathBuf::new(),
            budget: Budget::default(),
            losses: vec![2.0, 2.0, 2.0],
        };
        reference.check(&serde_json::from_str(about).unwrap())
    }

    #[test]
    fn operations_are_those_that_pytorch_counts() {
        // Counted by hooks on the convolutions of native/tests/pytorch/nets.py.
        assert_eq!(flops("resnet20", 32).unwrap(), 7_807_696_896);
        assert_eq!(flops("resnet20", 8).unwrap(), 1_951_924_224);
        assert_eq!(flops("vgg16", 8).unwrap(), 15_005_122_560);
    }

    #[test]
    fn another_network_is_refused() {
        check(r#"{"parameters":78042,"flops":1000,"losses":[2.0001,2.003,2.05]}"#).unwrap();
        check(r#"{"version":"lastbit"}"#).unwrap();
        let refused = |about: &str| check(about).unwrap_err().to_string();
        assert!(refused(r#"{"parameters":78043}"#).contains("78043 parameters where lastbit has 78042"));
        assert!(refused(r#"{"parameters":78042,"flops":999}"#).contains("999 operations"));
        assert!(refused(r#"{"losses":[2.001]}"#).contains("at step 1"));
        assert!(refused(r#"{"losses":[2,2,1.8]}"#).contains("at step 3"));
    }
}
