//! The control lamp: replicas that must equal the first one bit for bit (rule 4 of docs/RULES.md). Measured, never assumed.

use lastbit_core::train::{StepEvent, TrainConfig};
use serde_json::Value;

/// The lamp's state.
#[derive(Clone, Debug, Default)]
pub struct Lamp {
    controls: Vec<usize>,
    differing: u64,
    first_red_step: Option<u64>,
}

impl Lamp {
    /// The lamp of a run, green.
    pub fn new(config: &TrainConfig) -> Self {
        Self { controls: config.controls(), ..Self::default() }
    }

    /// Looks at a step.
    pub fn see(&mut self, event: &StepEvent) {
        self.count(event.step, |replica| event.differing_anywhere.get(replica).copied());
    }

    /// Looks at a line of `metrics.jsonl`, which counts convolution weights only.
    pub fn see_line(&mut self, line: &Value) {
        if line["kind"] == "step" {
            self.count(line["step"].as_u64().unwrap_or(0), |replica| line["differing"][replica].as_u64());
        }
    }

    fn count(&mut self, step: u64, differing: impl Fn(usize) -> Option<u64>) {
        self.differing = self.controls.iter().filter_map(|&replica| differing(replica)).sum();
        if self.is_red() {
            self.first_red_step.get_or_insert(step);
        }
    }

    /// Positions of the replicas that it watches.
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

impl std::fmt::Display for Lamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.differing {
            _ if self.controls.is_empty() => write!(f, "none (a second k = 1, or k = 2, would be one)"),
            0 => write!(f, "0 bits differ"),
            1 => write!(f, "1 element differs"),
            n => write!(f, "{n} elements differ"),
        }
    }
}
