//! A finished run of a reproduction as columns of all lines of `metrics.jsonl`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;

use lastbit_core::train::TrainConfig;
use serde_json::Value;

use super::findings::Agreement;
use crate::failure::Failure;
use crate::report::layers::{InOrder, LayersLine};
use crate::report::numbers::{count, list};
use crate::run::METRICS_FILE;

/// A finished run. Values that are not finite are NaN.
pub struct Run {
    /// Name of its folder.
    pub name: String,
    /// Path of its folder.
    pub path: PathBuf,
    /// Its config.
    pub config: TrainConfig,
    /// `[line]`: step, rising.
    pub steps: Vec<u64>,
    /// `[replica][line]`: relative L1 to the first replica, over all convolutions.
    pub rel_l1: Vec<Vec<f64>>,
    /// `[replica][line]`: mean loss of the batch before the update.
    pub loss: Vec<Vec<f64>>,
    /// `[replica]`: largest number of convolution weights whose bits differed from the first replica's after a step.
    pub most_differing: Vec<u64>,
    /// Names of the convolution weights in the network's order.
    pub tensors: Vec<String>,
    /// By step: `[replica][tensor]` relative L1.
    pub layers: BTreeMap<u64, Vec<Vec<f64>>>,
    /// `[evaluation]`: step, and `[replica]` test accuracy in percent.
    pub accuracy: Vec<(u64, Vec<f64>)>,
    /// Whether every control equals the first replica in every bit that was compared.
    control: Agreement,
}

impl Run {
    /// Reads a finished run.
    pub fn read(name: &str, path: PathBuf, config: TrainConfig) -> Result<Self, Failure> {
        let file = path.join(METRICS_FILE);
        let failed = |error: &std::io::Error| Failure::file("read", &file, error);
        let summary: Value = std::fs::read(path.join("summary.json"))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let reader = BufReader::new(File::open(&file).map_err(|error| failed(&error))?);
        let n = config.ks.len();
        let mut run = Self {
            name: name.to_owned(),
            config,
            steps: Vec::new(),
            rel_l1: vec![Vec::new(); n],
            loss: vec![Vec::new(); n],
            most_differing: vec![0; n],
            tensors: Vec::new(),
            layers: BTreeMap::new(),
            accuracy: Vec::new(),
            control: match &summary["control"] {
                control if control["green"] == true => Agreement::Yes,
                control if control["not_finite"] == true => Agreement::CannotTell,
                _ => Agreement::No,
            },
            path,
        };
        for line in reader.lines() {
            let line = line.map_err(|error| failed(&error))?;
            run.take(&line).map_err(|error| Failure::other(format!("'{}': {error}", file.display())))?;
        }
        run.forget_lost(&summary["not_finite"]);
        Ok(run)
    }

    /// A run with these distances, `[replica][step]`, and nothing else in it.
    #[cfg(test)]
    pub fn made_up(config: TrainConfig, rel_l1: Vec<Vec<f64>>) -> Self {
        let (n, steps) = (rel_l1.len(), rel_l1[0].len() as u64);
        assert_eq!(n, config.ks.len());
        let layers = |step: u64| rel_l1.iter().map(|line| vec![line[step as usize - 1]]).collect();
        Self {
            name: "made-up".to_owned(),
            path: PathBuf::new(),
            steps: (1..=steps).collect(),
            layers: (1..=steps).map(|step| (step, layers(step))).collect(),
            loss: vec![vec![1.0; steps as usize]; n],
            most_differing: vec![0; n],
            tensors: vec!["conv1.weight".to_owned()],
            accuracy: vec![(steps, vec![50.0; n])],
            control: Agreement::Yes,
            config,
            rel_l1,
        }
    }

    fn take(&mut self, text: &str) -> Result<(), serde_json::Error> {
        let line: Value = serde_json::from_str(text)?;
        let step = line["step"].as_u64().unwrap_or(0);
        match line["kind"].as_str() {
            Some("step") => {
                self.steps.push(step);
                for replica in 0..self.config.ks.len() {
                    self.rel_l1[replica].push(line["rel_l1"][replica].as_f64().unwrap_or(f64::NAN));
                    self.loss[replica].push(line["loss"][replica].as_f64().unwrap_or(f64::NAN));
                    // A line without the number does not prove that nothing differed.
                    let differing = line["differing"][replica].as_u64().unwrap_or(u64::MAX);
                    self.most_differing[replica] = self.most_differing[replica].max(differing);
                }
            }
            Some("layers") => {
                // Parse again: `Value` sorts its keys, and the network's order is needed.
                let LayersLine { step, rel_l1: InOrder(tensors), .. } = serde_json::from_str(text)?;
                if self.tensors.is_empty() {
                    self.tensors = tensors.iter().map(|(name, _)| name.clone()).collect();
                }
                let values = tensors.iter().map(|(_, value)| value.map_or(f64::NAN, as_written));
                self.layers.entry(step).or_default().push(values.collect());
            }
            Some("epoch") => self.accuracy.push((step, numbers(&line["test_accuracy"]))),
            _ => {}
        }
        Ok(())
    }

    /// Replaces by NaN distances that are zero only because numbers of both replicas are not finite. After the last update, only
    /// the summary lists such replicas: `lost_last`.
    fn forget_lost(&mut self, lost_last: &Value) {
        let lost_last: Vec<u64> = lost_last.as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        for (i, step) in self.steps.iter().enumerate() {
            let is_last = i + 1 == self.steps.len();
            let is_lost = |r: usize| !self.loss[r][i].is_finite() || (is_last && lost_last.contains(&(r as u64)));
            for replica in (0..self.config.ks.len()).filter(|&replica| is_lost(0) && is_lost(replica)) {
                let layers = self.layers.get_mut(step).and_then(|lines| lines.get_mut(replica));
                let distances = layers.into_iter().flatten().chain([&mut self.rel_l1[replica][i]]);
                distances.filter(|distance| **distance == 0.0).for_each(|distance| *distance = f64::NAN);
            }
        }
    }

    /// Whether no control ever differed in a convolution weight, nor in any parameter or momentum at the end.
    pub fn are_controls_zero(&self) -> Agreement {
        let is_zero = |&replica: &usize| self.most_differing[replica] == 0;
        if self.config.controls().iter().all(is_zero) { self.control } else { Agreement::No }
    }
}

/// Verdict on the null controls of several runs, and what was found. Each run comes with whether its controls predict other
/// classes than the first replica.
pub fn judge_controls<'a>(runs: impl IntoIterator<Item = (&'a Run, bool)>) -> (Agreement, String) {
    let (mut red, mut lost) = (Vec::new(), Vec::new());
    let (mut controls, mut steps) = (0, 0);
    for (run, predict_otherwise) in runs {
        controls += run.config.controls().len();
        steps += run.steps.len();
        match run.are_controls_zero() {
            Agreement::No => red.push(run.name.as_str()),
            _ if predict_otherwise => red.push(run.name.as_str()),
            Agreement::CannotTell => lost.push(run.name.as_str()),
            Agreement::Yes => {}
        }
    }
    if !red.is_empty() {
        return (Agreement::No, format!("Controls differ in {}: nothing here can be attributed to k.", list(&red)));
    }
    if !lost.is_empty() {
        let found = format!("In {} the numbers stopped being finite: equal bits then prove nothing.", list(&lost));
        return (Agreement::CannotTell, found);
    }
    let found = format!(
        "{} over {}: 0 bits differ, 0 test images are classified differently.",
        count(controls as u64, "control"),
        count(steps as u64, "step")
    );
    (Agreement::Yes, found)
}

/// A run at a constant learning rate, as long as its number of steps, and evaluated only at the end.
pub fn constant_rate() -> TrainConfig {
    TrainConfig { decay_every: 0, eval_every: 0, epochs: 100_000, ..TrainConfig::default() }
}

fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().into_iter().flatten().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()
}

/// The float64 with the decimal digits that the file has, not the one with the bits of the float32.
fn as_written(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::NAN)
}
