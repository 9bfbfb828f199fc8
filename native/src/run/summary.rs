//! `summary.json`, and the table at the end of a run.

use std::io::ErrorKind;
use std::path::Path;

use lastbit_core::train::{Event, State, TrainConfig, checkpoint::fingerprint_of};
use serde_json::{Value, json};

use super::layout::SUMMARY_FILE;
use super::seal::{is_whole, seal};
use crate::control::ControlStatus;
use crate::failure::Failure;
use crate::files::replace_file;
use crate::progress::{NOT_FINITE, loss_text};
use crate::terminal::columns;

/// The last lines of the metrics, the state of the controls, and what the last saved state showed.
#[derive(Clone, Debug)]
pub struct Summary {
    ks: Vec<u32>,
    last_step: Value,
    last_epoch: Value,
    control: ControlStatus,
    fingerprints: Vec<String>,
    /// Elements of all parameters and of the optimiser's state in which each control differs from the first replica.
    control_differences: Vec<u64>,
    /// Replicas with a number in weights or optimiser state that is not finite.
    not_finite: Vec<usize>,
}

impl Summary {
    /// The summary of a run without steps.
    pub fn new(config: &TrainConfig) -> Self {
        Self {
            ks: config.ks.clone(),
            last_step: Value::Null,
            last_epoch: Value::Null,
            control: ControlStatus::new(config),
            fingerprints: Vec::new(),
            control_differences: Vec::new(),
            not_finite: Vec::new(),
        }
    }

    /// Adds a line of the metrics that an earlier session wrote.
    pub fn add_line(&mut self, line: &Value) {
        self.control.add_line(line);
        self.keep_last(line.clone());
    }

    /// Adds an event; `line` is its line of the metrics.
    pub fn add(&mut self, event: &Event, line: &str) {
        if let Event::Step(event) = event {
            self.control.add(event);
        }
        if !matches!(event, Event::Layers(_)) {
            self.keep_last(serde_json::from_str(line).unwrap_or_default());
        }
    }

    fn keep_last(&mut self, line: Value) {
        match line["kind"].as_str() {
            Some("step") => self.last_step = line,
            Some("epoch") => self.last_epoch = line,
            _ => {}
        }
    }

    /// The state of the controls.
    pub fn control(&self) -> &ControlStatus {
        &self.control
    }

    /// Takes the fingerprints, the differences of the controls and the replicas that are not finite from the state.
    pub fn add_state(&mut self, state: &State) {
        self.fingerprints = state.replicas.iter().map(fingerprint_of).collect();
        let all = |replica: usize| {
            let replica = &state.replicas[replica];
            let optimizer = replica.optimizer.iter().flat_map(|arena| &arena.values);
            replica.weights.parameters.iter().chain(optimizer).flatten()
        };
        let differing = |r: &usize| all(0).zip(all(*r)).filter(|(a, b)| a.to_bits() != b.to_bits()).count() as u64;
        self.control_differences = self.control.controls().iter().map(differing).collect();
        self.not_finite = (0..state.replicas.len()).filter(|r| all(*r).any(|value| !value.is_finite())).collect();
    }

    /// Takes over what `saved` found in a state.
    pub fn adopt(&mut self, saved: Self) {
        self.fingerprints = saved.fingerprints;
        self.control_differences = saved.control_differences;
        self.not_finite = saved.not_finite;
    }

    /// True if a control differs now or did so at a step.
    pub fn is_control_red(&self) -> bool {
        self.control.first_red_step().is_some() || self.control_differences.iter().any(|n| *n > 0)
    }

    /// Replicas with a number in weights or optimiser state that is not finite in the last saved state.
    pub fn not_finite(&self) -> &[usize] {
        &self.not_finite
    }

    /// True if the replica's numbers are or were not finite.
    fn is_not_finite(&self, replica: usize) -> bool {
        self.control.first_not_finite(replica).is_some() || self.not_finite.contains(&replica)
    }

    /// True if a control, or the first replica, has numbers that are not finite: equal bits then prove nothing.
    pub fn is_control_not_finite(&self) -> bool {
        self.control.compared().any(|replica| self.is_not_finite(replica))
    }

    /// Writes `summary.json` into `folder`.
    pub fn write(&self, folder: &Path, progress: &RunProgress) -> Result<(), Failure> {
        let controls = self.control.controls().iter().zip(&self.control_differences);
        let controls: Vec<Value> = controls
            .map(|(replica, differing)| json!({ "replica": replica, "k": self.ks[*replica], "differing": differing }))
            .collect();
        let summary = json!({
            "finished": progress.is_finished,
            "step": progress.step,
            "steps_per_epoch": progress.steps_per_epoch,
            "ks": self.ks,
            "last_step": self.last_step,
            "last_epoch": self.last_epoch,
            "fingerprints": self.fingerprints,
            "control": {
                "green": !self.is_control_red() && !self.is_control_not_finite(),
                "not_finite": !self.is_control_red() && self.is_control_not_finite(),
                "first_red_step": self.control.first_red_step(),
                "replicas": controls,
            },
            "flip_bit": progress.flip_bit,
            "not_finite": self.not_finite,
            "sha256": "",
        });
        let text = serde_json::to_string_pretty(&summary).map_err(Failure::other)? + "\n";
        replace_file(&folder.join(SUMMARY_FILE), seal(&text).as_bytes())
    }

    /// The table at the end of the run, a row for each replica.
    pub fn table(&self) -> Vec<String> {
        let head =
            ["replica", "k", "loss", "rel_l1", "max ulp", "differing", "test loss", "test accuracy", "fingerprint"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(self.ks.iter().enumerate().map(|(r, k)| {
            let number =
                |line: &Value, key: &str, show: fn(f64) -> String| match (line.is_null(), line[key][r].as_f64()) {
                    (_, Some(number)) => show(number),
                    (true, None) => "-".to_owned(),
                    // JSON has no numbers that are not finite.
                    (false, None) => NOT_FINITE.to_owned(),
                };
            let (step, epoch) = (&self.last_step, &self.last_epoch);
            let distance = |key: &str, show: fn(f64) -> String| {
                if self.is_not_finite(0) || self.is_not_finite(r) {
                    NOT_FINITE.to_owned()
                } else {
                    number(step, key, show)
                }
            };
            vec![
                r.to_string(),
                k.to_string(),
                number(step, "loss", loss_text),
                distance("rel_l1", |x| if x == 0.0 { "0".to_owned() } else { format!("{x:.2e}") }),
                distance("max_ulp", |x| x.to_string()),
                distance("differing", |x| x.to_string()),
                number(epoch, "test_loss", loss_text),
                number(epoch, "test_accuracy", |x| format!("{x:.2} %")),
                self.fingerprints.get(r).cloned().unwrap_or_default(),
            ]
        }));
        columns(&rows)
    }
}

/// How far a run is.
pub struct RunProgress {
    /// Steps done.
    pub step: u64,
    /// True when no step or evaluation is left.
    pub is_finished: bool,
    /// Number of steps of an epoch.
    pub steps_per_epoch: u64,
    /// The injected fault, as the value of `--flip-bit`.
    pub flip_bit: Option<String>,
}

/// The keys of the file besides the checksum. The first versions wrote no checksum: a file without one is theirs, and not damaged, if
/// it has no other keys.
const KEYS: [&str; 10] = [
    "control",
    "finished",
    "fingerprints",
    "flip_bit",
    "ks",
    "last_epoch",
    "last_step",
    "not_finite",
    "step",
    "steps_per_epoch",
];

/// A summary on the disk.
pub enum FoundSummary {
    /// The file is missing.
    Nothing,
    /// The file is not as it was written.
    Damaged,
    /// The file is whole; its content.
    Whole(Value),
}

impl FoundSummary {
    /// Reads the summary of the run in `folder`.
    pub fn read(folder: &Path) -> Self {
        match std::fs::read_to_string(folder.join(SUMMARY_FILE)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Self::Nothing,
            Err(_) => Self::Damaged,
            Ok(text) => Self::parse(&text).map_or(Self::Damaged, Self::Whole),
        }
    }

    fn parse(text: &str) -> Option<Value> {
        let summary: Value = serde_json::from_str(text).ok()?;
        let has_known_keys =
            || summary.as_object().is_some_and(|all| all.keys().all(|key| KEYS.contains(&key.as_str())));
        let is_whole = is_whole(text).unwrap_or_else(has_known_keys);
        is_whole.then_some(summary)
    }

    /// Number of steps done when the summary was written; `None` if it is missing or damaged.
    pub fn step(&self) -> Option<u64> {
        match self {
            Self::Whole(summary) => summary["step"].as_u64(),
            Self::Nothing | Self::Damaged => None,
        }
    }

    /// The last step, if the run is finished under `config`.
    pub fn finished_step(&self, config: &TrainConfig) -> Option<u64> {
        let Self::Whole(summary) = self else { return None };
        let by_epochs = u64::from(config.epochs).saturating_mul(summary["steps_per_epoch"].as_u64()?);
        let total = config.steps.map_or(by_epochs, |steps| steps.min(by_epochs));
        let step = summary["step"].as_u64()?;
        (summary["finished"] == true && step >= total).then_some(step)
    }
}

/// The content of the file in `folder`, even if its checksum is wrong; null if it is not JSON.
pub fn summary_json(folder: &Path) -> Value {
    let text = std::fs::read(folder.join(SUMMARY_FILE)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// The summary with this text; `None` if it is not as it was written.
pub fn parse_summary(text: &str) -> Option<FoundSummary> {
    FoundSummary::parse(text).map(FoundSummary::Whole)
}

/// The last step of the run in `folder` if it is finished under `config`.
pub fn finished_step(folder: &Path, config: &TrainConfig) -> Option<u64> {
    FoundSummary::read(folder).finished_step(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_of_a_summary_counts() {
        let text = seal("{\n  \"finished\": true,\n  \"sha256\": \"\",\n  \"step\": 12\n}\n");
        assert!(FoundSummary::parse(&text).is_some_and(|summary| summary["step"] == 12), "{text}");
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let changed = String::from_utf8(bytes).ok().and_then(|text| FoundSummary::parse(&text));
            assert_eq!(changed, None, "bit {bit}");
        }
        for length in 0..text.len() {
            assert_eq!(FoundSummary::parse(&text[..length]), None, "{length} bytes");
        }
        assert!(FoundSummary::parse("{\"finished\": true, \"step\": 12}").is_some(), "an older version's");
    }
}
