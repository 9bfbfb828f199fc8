//! A run's data for its report, read from the run folder alone. Damaged lines are skipped and counted.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::layers::Layers;
use super::treatment;
use crate::failure::Failure;
use crate::numbers::list;
use crate::plot::Style;
use crate::run::{EndsRecord, METRICS_FILE, MOST_LINE_BYTES, or_nan, or_nans, problems, read_config};
use crate::run_config::RunConfig;

/// Everything that a report shows except the weights, which [`super::bits`] reads tensor by tensor.
pub struct RunData {
    /// The run folder.
    pub folder: PathBuf,
    /// Address of the hosted page of lastbit, if the user gave one.
    pub page_url: Option<String>,
    /// Number of colours that earlier runs on the same page use.
    pub first_colour: usize,
    /// Contents of `config.toml`.
    pub config: RunConfig,
    /// Contents of `manifest.json`; null if it cannot be read.
    pub manifest: Value,
    /// Contents of `summary.json`; null if it cannot be read.
    pub summary: Value,
    /// The `step` lines.
    pub steps: Steps,
    /// The `layers` lines.
    pub layers: Layers,
    /// The `epoch` lines.
    pub epochs: Vec<Epoch>,
    /// The `curvature` lines.
    pub curvature: Vec<CurvatureLine>,
    /// The `growth` lines.
    pub growth: Vec<GrowthLine>,
    /// The ends compared, if that was done after the last step.
    pub ends: Option<EndsRecord>,
    /// Number of lines of `metrics.jsonl` that could not be used.
    pub ignored: u64,
    /// What is missing from the run folder or differs from what lastbit wrote.
    pub problems: Vec<String>,
}

/// The `step` lines as columns. Values that are not finite are NaN.
#[derive(Default)]
pub struct Steps {
    /// `[line]`: step, rising.
    pub step: Vec<u64>,
    /// `[line]`: learning rate.
    pub lr: Vec<f64>,
    /// `[replica][line]`: mean loss of the batch before the update.
    pub loss: Vec<Vec<f64>>,
    /// `[replica][line]`: relative L1 to the first replica after the update.
    pub rel_l1: Vec<Vec<f64>>,
    /// `[replica][line]`: largest distance of a measured weight from the first replica's, in ulps.
    pub max_ulp: Vec<Vec<f64>>,
    /// `[replica][line]`: number of measured weights whose bits differ from the first replica's.
    pub differing: Vec<Vec<f64>>,
}

/// An `epoch` line. Values that are not finite are NaN.
pub struct Epoch {
    /// Steps done before the evaluation.
    pub step: u64,
    /// `[replica]`: mean training loss over the epoch's samples so far.
    pub train_loss: Vec<f64>,
    /// `[replica]`: accuracy on the same samples, in percent.
    pub train_accuracy: Vec<f64>,
    /// `[replica]`: mean loss over the test set.
    pub test_loss: Vec<f64>,
    /// `[replica]`: accuracy on the test set, in percent.
    pub test_accuracy: Vec<f64>,
}

/// A network whose loss reaches this value has blown up. Finite logits have a finite loss, so the loss of a network that has
/// blown up may still be a number.
const BLOWN_UP: f64 = 1e6;

/// Result of the controls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The run has no control.
    NoControl,
    /// Every control equals the first replica at every step.
    Green,
    /// A control differs or differed, with the first step at which its measured weights did, if that is known.
    Red(Option<u64>),
    /// No step is recorded.
    Nothing,
    /// No control differs, but numbers of one, or of the first replica, stopped being finite: equal bits then prove nothing.
    NotFinite,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line {
    Step(StepLine),
    Layers(super::layers::LayersLine),
    Epoch(EpochLine),
    Curvature(CurvatureLine),
    Growth(GrowthLine),
}

/// A `curvature` line. Values that are not finite are NaN.
#[derive(Clone, Debug, Deserialize)]
pub struct CurvatureLine {
    /// Steps done before the measurement.
    pub step: u64,
    /// Learning rate of the next step.
    pub lr: f64,
    /// Largest eigenvalue of the Hessian on the subset.
    #[serde(deserialize_with = "or_nan")]
    pub lambda_max: f64,
    /// Estimated relative error of a product with the Hessian.
    #[serde(deserialize_with = "or_nan")]
    pub product_error: f64,
    /// Mean directional curvature of batches along their own gradients.
    #[serde(deserialize_with = "or_nan")]
    pub batch_sharpness: f64,
    /// Its standard error.
    #[serde(deserialize_with = "or_nan")]
    pub batch_sharpness_error: f64,
    /// Mean loss on the subset.
    #[serde(deserialize_with = "or_nan")]
    pub loss: f64,
}

/// A `growth` line.
#[derive(Clone, Debug, Deserialize)]
pub struct GrowthLine {
    /// Steps done.
    pub step: u64,
    /// Steps since the replicas were at their distances.
    pub steps: u64,
    /// `[replica]`: logarithm of the growth since then; NaN where it is not finite.
    #[serde(deserialize_with = "or_nans")]
    pub growth: Vec<f64>,
}

#[derive(Deserialize)]
struct StepLine {
    step: u64,
    lr: f64,
    #[serde(deserialize_with = "or_nans")]
    loss: Vec<f64>,
    #[serde(deserialize_with = "or_nans")]
    rel_l1: Vec<f64>,
    max_ulp: Vec<f64>,
    differing: Vec<f64>,
}

#[derive(Deserialize)]
struct EpochLine {
    step: u64,
    #[serde(deserialize_with = "or_nans")]
    train_loss: Vec<f64>,
    train_accuracy: Vec<f64>,
    #[serde(deserialize_with = "or_nans")]
    test_loss: Vec<f64>,
    test_accuracy: Vec<f64>,
}

/// Most characters of a name that fit beside a curve in the narrowest chart.
pub const LONGEST_NAME: usize = 16;

/// Largest number of replicas that sentences name one by one.
pub const MANY: usize = 9;

impl RunData {
    /// Reads the run in `folder`.
    pub fn read(folder: &Path) -> Result<Self, Failure> {
        let config = read_config(folder)?;
        let json = |name: &str| -> Value {
            let bytes = std::fs::read(folder.join(name)).unwrap_or_default();
            serde_json::from_slice(&bytes).unwrap_or_default()
        };
        let problems = problems(folder, &config)?;
        let mut run = Self { problems, ..Self::new(folder, config, json("manifest.json"), json("summary.json")) };
        let path = folder.join(METRICS_FILE);
        match File::open(&path) {
            Ok(file) => run.read_metrics(BufReader::new(file)).map_err(|e| Failure::file("read", &path, &e))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::file("read", &path, &error)),
        }
        let last = run.summary["step"].as_u64();
        let is_last = |record: &EndsRecord| record.pairs.iter().all(|pair| Some(pair.b.step) == last);
        run.ends = EndsRecord::read(folder).filter(is_last);
        Ok(run)
    }

    /// A run without metrics.
    pub fn new(folder: &Path, config: RunConfig, manifest: Value, summary: Value) -> Self {
        let n = config.train.ks.len();
        let columns = || vec![Vec::new(); n];
        Self {
            page_url: None,
            first_colour: 0,
            folder: folder.to_owned(),
            manifest,
            summary,
            steps: Steps {
                loss: columns(),
                rel_l1: columns(),
                max_ulp: columns(),
                differing: columns(),
                ..Steps::default()
            },
            layers: Layers::new(n),
            epochs: Vec::new(),
            curvature: Vec::new(),
            growth: Vec::new(),
            ends: None,
            ignored: 0,
            problems: Vec::new(),
            config,
        }
    }

    /// `resnet20 on cifar10`, followed by the origin of the images in brackets if they are not the published ones.
    pub fn name(&self) -> String {
        let train = &self.config.train;
        let origin = self.manifest["dataset"]["origin"].as_str().filter(|origin| origin.starts_with("not "));
        let reservation = origin.map(|origin| format!(" ({origin})")).unwrap_or_default();
        format!("{} on {}{reservation}", train.net, train.dataset)
    }

    /// Reads the lines of `metrics.jsonl`.
    pub fn read_metrics(&mut self, mut reader: impl io::BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            // No run writes a longer line. It is read in pieces, which are skipped.
            if reader.by_ref().take(MOST_LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
                self.forget_lost();
                return Ok(());
            }
            let is_used = serde_json::from_slice(&line).is_ok_and(|line| self.take(line));
            self.ignored += u64::from(!is_used);
        }
    }

    /// Replaces by NaN distances that are zero only because numbers of both replicas are not finite. After the last update, only
    /// the summary lists such replicas.
    fn forget_lost(&mut self) {
        let Self { steps, layers, summary, .. } = self;
        let lost_last: Vec<u64> =
            summary["not_finite"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        let last = steps.step.last().copied().filter(|step| summary["step"].as_u64() == Some(*step));
        let n = steps.loss.len();
        let lost: Vec<Vec<usize>> = (0..steps.step.len())
            .map(|i| {
                let is_last = Some(steps.step[i]) == last;
                let is_lost = |r: usize| !steps.loss[r][i].is_finite() || (is_last && lost_last.contains(&(r as u64)));
                if is_lost(0) { (0..n).filter(|&r| is_lost(r)).collect() } else { Vec::new() }
            })
            .collect();
        for (i, lost) in lost.iter().enumerate() {
            for &replica in lost {
                if steps.rel_l1[replica][i] == 0.0 {
                    steps.rel_l1[replica][i] = f64::NAN;
                }
                if steps.differing[replica][i] == 0.0 {
                    let columns = [&mut steps.rel_l1, &mut steps.max_ulp, &mut steps.differing];
                    columns.into_iter().for_each(|column| column[replica][i] = f64::NAN);
                }
            }
        }
        for column in &mut layers.columns {
            let Ok(i) = steps.step.binary_search(&column.step) else { continue };
            for &replica in &lost[i] {
                let distances = column.rel_l1[replica].iter_mut();
                distances.filter(|distance| **distance == 0.0).for_each(|distance| *distance = f32::NAN);
            }
        }
    }

    /// Adds a line. Returns false and drops it if it does not fit this run or is out of order.
    fn take(&mut self, line: Line) -> bool {
        let n = self.config.train.ks.len();
        match line {
            Line::Step(line) => {
                let lengths = [line.loss.len(), line.rel_l1.len(), line.max_ulp.len(), line.differing.len()];
                let steps = &mut self.steps;
                if lengths != [n; 4] || steps.step.last().is_some_and(|last| *last >= line.step) {
                    return false;
                }
                steps.step.push(line.step);
                steps.lr.push(line.lr);
                let parts = [
                    (&mut steps.loss, line.loss),
                    (&mut steps.rel_l1, line.rel_l1),
                    (&mut steps.max_ulp, line.max_ulp),
                    (&mut steps.differing, line.differing),
                ];
                for (columns, values) in parts {
                    columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
                }
                true
            }
            Line::Layers(line) => self.layers.take(line),
            Line::Curvature(line) => {
                let is_next = self.curvature.last().is_none_or(|last| last.step < line.step);
                if is_next {
                    self.curvature.push(line);
                }
                is_next
            }
            Line::Growth(line) => {
                let is_next = self.growth.last().is_none_or(|last| last.step < line.step) && line.growth.len() == n;
                if is_next {
                    self.growth.push(line);
                }
                is_next
            }
            Line::Epoch(line) => {
                let lengths = [&line.train_accuracy, &line.test_accuracy].map(Vec::len);
                if lengths != [n; 2]
                    || [&line.train_loss, &line.test_loss].map(Vec::len) != [n; 2]
                    || self.epochs.last().is_some_and(|last| last.step >= line.step)
                {
                    return false;
                }
                self.epochs.push(Epoch {
                    step: line.step,
                    train_loss: line.train_loss,
                    train_accuracy: line.train_accuracy,
                    test_loss: line.test_loss,
                    test_accuracy: line.test_accuracy,
                });
                true
            }
        }
    }

    /// `[replica]`: divisor k.
    pub fn ks(&self) -> &[u32] {
        &self.config.train.ks
    }

    /// Colour and dashes of a replica, the same in every figure.
    pub fn style(&self, replica: usize) -> Style {
        match self.others().iter().position(|other| *other == replica) {
            _ if replica == 0 => Style::Reference,
            Some(index) => Style::Series(self.first_colour + index),
            None => Style::Control,
        }
    }

    /// The name of a replica, which no other one has: `k = 3`, or what was done to its weights.
    pub fn label(&self, replica: usize) -> String {
        treatment::name(&self.config.train, replica)
    }

    /// The name of a replica beside a curve: its position, as in `r7`, where the run has names that do not fit there.
    pub fn short(&self, replica: usize) -> String {
        if self.has_long_names() { format!("r{replica}") } else { self.label(replica) }
    }

    /// True if curves have positions for names.
    pub fn has_long_names(&self) -> bool {
        let config = &self.config.train;
        let is_treated = !config.perturb.is_empty() || config.lyapunov.is_some();
        is_treated && (0..self.ks().len()).any(|replica| config.label(replica).chars().count() > LONGEST_NAME)
    }

    /// The name of a replica for sentences: in quotation marks if it contains a comma.
    pub fn named(&self, replica: usize) -> String {
        let label = self.label(replica);
        match label.as_str() {
            "undisturbed" => "the undisturbed copy".to_owned(),
            name if name.contains(", ") => format!("“{name}”"),
            _ => label,
        }
    }

    /// `k = 3, 5 and 7`; for many replicas their number and the range of k.
    pub fn labels(&self, replicas: &[usize]) -> String {
        let config = &self.config.train;
        if replicas.len() > MANY {
            let ks = || replicas.iter().map(|&r| self.ks()[r]);
            let (low, high) = (ks().min().unwrap_or(0), ks().max().unwrap_or(0));
            return match low == high {
                true => format!("{} copies", replicas.len()),
                false => format!("{} copies with k from {low} to {high}", replicas.len()),
            };
        }
        if config.perturb.is_empty() && config.lyapunov.is_none() {
            let short = |&r: &usize| self.label(r).trim_start_matches("k = ").to_owned();
            return format!("k = {}", list(&replicas.iter().map(short).collect::<Vec<_>>()));
        }
        list(&replicas.iter().map(|&r| self.named(r)).collect::<Vec<_>>())
    }

    /// Lyapunov exponent a step of each replica but the first, up to the last return; NaN where growth is not finite, empty without a
    /// return.
    pub fn exponents(&self) -> Vec<f64> {
        let Some(last) = self.growth.last() else { return Vec::new() };
        let total = |replica: usize| self.growth.iter().map(|line| line.growth[replica]).sum::<f64>();
        (1..self.ks().len()).map(|replica| total(replica) / last.step as f64).collect()
    }

    /// Whether the exponents of all distances are the same, within a factor of 1.5: only then are they the Lyapunov exponent.
    pub fn have_one_exponent(&self) -> bool {
        let exponents = self.exponents();
        let [low, high] = [f64::min, f64::max].map(|of| exponents.iter().copied().reduce(of).unwrap_or(f64::NAN));
        low > 0.0 && high <= 1.5 * low || high < 0.0 && low >= 1.5 * high
    }

    /// Replicas that must equal the first.
    pub fn controls(&self) -> Vec<usize> {
        self.config.train.controls()
    }

    /// Replicas that may differ from the first.
    pub fn others(&self) -> Vec<usize> {
        let controls = self.controls();
        (1..self.ks().len()).filter(|replica| !controls.contains(replica)).collect()
    }

    /// The last recorded step; 0 if there is none.
    pub fn last_step(&self) -> u64 {
        self.steps.step.last().copied().unwrap_or(0)
    }

    /// Index of the line of `step`, or of the last recorded step before it.
    pub fn line_at(&self, step: u64) -> Option<usize> {
        self.steps.step.partition_point(|at| *at <= step).checked_sub(1)
    }

    /// Number of steps of the whole run; `None` if it depends on the length of an epoch and the summary does not give that.
    pub fn total_steps(&self) -> Option<u64> {
        let train = &self.config.train;
        let by_epochs = self.steps_per_epoch().map(|steps| steps.saturating_mul(u64::from(train.epochs)));
        match (by_epochs, train.steps) {
            (Some(epochs), Some(steps)) => Some(epochs.min(steps)),
            (epochs, steps) => epochs.or(steps),
        }
    }

    /// Number of steps of an epoch, from the summary.
    pub fn steps_per_epoch(&self) -> Option<u64> {
        self.summary["steps_per_epoch"].as_u64()
    }

    /// True if the run was finished at the last recorded step.
    pub fn is_finished(&self) -> bool {
        self.summary["finished"] == true && self.summary["step"].as_u64() == Some(self.last_step())
    }

    /// Result of the controls, from every `step` line and from the summary's comparison of weights.
    pub fn verdict(&self) -> Verdict {
        let controls = self.controls();
        if controls.is_empty() {
            return Verdict::NoControl;
        }
        if self.steps.step.is_empty() {
            return Verdict::Nothing;
        }
        let in_lines = controls.iter().filter_map(|&r| self.departure(r)).map(|line| self.steps.step[line]).min();
        let control = &self.summary["control"];
        match (in_lines, control["first_red_step"].as_u64()) {
            (None, None) if control["green"] == false && control["not_finite"] != true => Verdict::Red(None),
            (None, None)
                if control["not_finite"] == true || controls.iter().chain([&0]).any(|&r| self.is_not_finite(r)) =>
            {
                Verdict::NotFinite
            }
            (None, None) => Verdict::Green,
            (a, b) => Verdict::Red(a.into_iter().chain(b).min()),
        }
    }

    /// Index of the first line at which a replica differs from the first one.
    pub fn departure(&self, replica: usize) -> Option<usize> {
        let (differing, rel_l1) = (&self.steps.differing[replica], &self.steps.rel_l1[replica]);
        (0..differing.len()).find(|&line| differing[line] > 0.0 || rel_l1[line] > 0.0)
    }

    /// True if a loss of the replica is not finite, or the summary lists the replica as not finite.
    fn is_not_finite(&self, replica: usize) -> bool {
        let is_lost_at_the_end = |lost: &Value| lost.as_array().is_some_and(|all| all.iter().any(|r| *r == replica));
        self.steps.loss[replica].iter().any(|loss| !loss.is_finite()) || is_lost_at_the_end(&self.summary["not_finite"])
    }

    /// True if the distances of the replica from the first one mean nothing at the end.
    pub fn is_lost(&self, replica: usize) -> bool {
        self.is_not_finite(0) || self.is_not_finite(replica)
    }

    /// Index of the first line at which a replica has blown up: its loss reaches [`BLOWN_UP`], or its loss or distance is not
    /// finite.
    pub fn blow_up(&self, replica: usize) -> Option<usize> {
        let (loss, rel_l1) = (&self.steps.loss[replica], &self.steps.rel_l1[replica]);
        (0..loss.len()).find(|&line| !(loss[line].abs() < BLOWN_UP && rel_l1[line].is_finite()))
    }

    /// Number of lines before any replica has blown up. Later distances mean nothing.
    pub fn sound_lines(&self) -> usize {
        (0..self.ks().len()).filter_map(|r| self.blow_up(r)).min().unwrap_or(self.steps.step.len())
    }
}
