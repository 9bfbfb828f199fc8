//! The state of the controls: the replicas that must equal the first one bit for bit (rule 4 of docs/RULES.md). It is measured,
//! never assumed.

use lastbit_core::train::{StepEvent, TrainConfig};
use serde_json::Value;

/// What the steps so far showed of the controls.
#[derive(Clone, Debug, Default)]
pub struct ControlStatus {
    controls: Vec<usize>,
    differing: u64,
    first_red_step: Option<u64>,
    /// By replica: the first step at which its numbers were not finite.
    first_not_finite: Vec<Option<u64>>,
}

impl ControlStatus {
    /// The state before the first step: no control differs.
    pub fn new(config: &TrainConfig) -> Self {
        Self { controls: config.controls(), first_not_finite: vec![None; config.ks.len()], ..Self::default() }
    }

    /// Adds a step.
    pub fn add(&mut self, event: &StepEvent) {
        self.count(event.step, |replica| event.differing_anywhere.get(replica).copied());
        self.note_not_finite(event.step, |replica| !event.is_finite(replica));
    }

    /// Adds a line of `metrics.jsonl`, which counts measured weights only.
    pub fn add_line(&mut self, line: &Value) {
        if line["kind"] == "step" {
            let step = line["step"].as_u64().unwrap_or(0);
            self.count(step, |replica| line["differing"][replica].as_u64());
            // JSON has no numbers that are not finite.
            self.note_not_finite(step, |replica| line["loss"][replica].is_null());
        }
    }

    fn count(&mut self, step: u64, differing: impl Fn(usize) -> Option<u64>) {
        self.differing = self.controls.iter().filter_map(|&replica| differing(replica)).sum();
        if self.is_red() {
            self.first_red_step.get_or_insert(step);
        }
    }

    fn note_not_finite(&mut self, step: u64, is_not_finite: impl Fn(usize) -> bool) {
        for (replica, first) in self.first_not_finite.iter_mut().enumerate() {
            if is_not_finite(replica) {
                first.get_or_insert(step);
            }
        }
    }

    /// The first step at which a replica's numbers were not finite, in this session or an earlier one.
    pub fn first_not_finite(&self, replica: usize) -> Option<u64> {
        self.first_not_finite.get(replica).copied().flatten()
    }

    /// True if a control, or the first replica, has numbers that are not finite: equal bits then prove nothing.
    pub fn is_not_finite(&self) -> bool {
        self.compared().any(|replica| self.first_not_finite(replica).is_some())
    }

    /// The controls, and the first replica, with which they are compared. Empty without controls.
    pub fn compared(&self) -> impl Iterator<Item = usize> {
        self.controls.iter().copied().chain(self.controls.first().map(|_| 0))
    }

    /// Positions in `--ks` of the controls.
    pub fn controls(&self) -> &[usize] {
        &self.controls
    }

    /// True when a control differs now.
    pub fn is_red(&self) -> bool {
        self.differing > 0
    }

    /// The first step at which a control differed.
    pub fn first_red_step(&self) -> Option<u64> {
        self.first_red_step
    }
}

impl std::fmt::Display for ControlStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.differing {
            _ if self.controls.is_empty() => write!(f, "none (a second k = 1, or k = 2, would be one)"),
            0 if self.is_not_finite() => write!(f, "cannot tell, the numbers are not finite"),
            0 => write!(f, "0 bits differ"),
            1 => write!(f, "1 element differs"),
            n => write!(f, "{n} elements differ"),
        }
    }
}
