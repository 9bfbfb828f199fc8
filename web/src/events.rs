//! Events of a run, in the shapes of `www/src/messages.ts`: rows of numbers for steps, JSON for the rest.

use lastbit_core::train::{CurvatureEvent, EpochEvent, Event, GrowthEvent, LayersEvent, StepEvent};
use serde_json::{Value, json};
use wasm_bindgen::prelude::*;

/// The events that became known during one call of `Lab`.
#[wasm_bindgen]
#[derive(Default)]
pub struct Events {
    rows: Vec<f64>,
    others: Vec<Value>,
    peeked: Option<(u64, Vec<u32>)>,
    /// True once the last step is done and evaluated.
    pub finished: bool,
}

#[wasm_bindgen]
impl Events {
    /// Steps, row-major: step, epoch, learning rate, then for each replica loss, relative L1, largest distance in ulps,
    /// differing elements of convolutions, differing elements anywhere, percent of right answers.
    #[must_use]
    pub fn rows(&mut self) -> Vec<f64> {
        std::mem::take(&mut self.rows)
    }

    /// All other events (layers, epochs, curvature, growth) as a JSON array; an empty string if there are none.
    #[must_use]
    pub fn others(&mut self) -> String {
        let others = std::mem::take(&mut self.others);
        if others.is_empty() { String::new() } else { Value::Array(others).to_string() }
    }

    /// The step after which the watched parameters were read; `undefined` if they were not.
    #[must_use]
    pub fn peeked_step(&self) -> Option<f64> {
        self.peeked.as_ref().map(|(step, _)| *step as f64)
    }

    /// Bits of the watched ranges, one range after the other, each `[R][count]`; empty if they were not read.
    #[must_use]
    pub fn peeked(&mut self) -> Vec<u32> {
        self.peeked.take().map(|(_, bits)| bits).unwrap_or_default()
    }
}

impl Events {
    /// Appends events of the trainer.
    pub fn add(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Step(event) => self.add_step(&event),
                Event::Layers(event) => self.others.push(layers(&event)),
                Event::Epoch(event) => self.others.push(epoch(&event)),
                Event::Curvature(ref curved) => self.others.push(curvature(curved, event.to_json())),
                Event::Growth(ref grown) => self.others.push(growth(grown, event.to_json())),
            }
        }
    }

    fn add_step(&mut self, event: &StepEvent) {
        self.rows.extend([event.step as f64, event.epoch as f64, event.lr]);
        self.rows.extend(event.loss.iter().map(|loss| f64::from(*loss)));
        self.rows.extend(&event.rel_l1);
        self.rows.extend(event.max_ulp.iter().map(|ulp| f64::from(*ulp)));
        self.rows.extend(event.differing.iter().map(|n| *n as f64));
        self.rows.extend(event.differing_anywhere.iter().map(|n| *n as f64));
        let percent = 100.0 / f64::from(event.samples.max(1));
        self.rows.extend(event.correct.iter().map(|n| f64::from(*n) * percent));
    }

    /// Stores the bits of the watched ranges as they were after `step`.
    pub fn set_peeked(&mut self, step: u64, bits: Vec<u32>) {
        self.peeked = Some((step, bits));
    }

    /// True if no event became known.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.others.is_empty() && self.peeked.is_none()
    }
}

fn layers(event: &LayersEvent) -> Value {
    let rel_l1: Vec<f32> = event.rel_l1.iter().map(|(_, distance)| *distance).collect();
    json!({
        "kind": "layers", "step": event.step, "replica": event.replica, "fingerprint": event.fingerprint, "weight": event.weight, "relL1": rel_l1
    })
}

/// `line` is the event in `metrics.jsonl`, which the page saves.
fn curvature(event: &CurvatureEvent, line: String) -> Value {
    let c = &event.curvature;
    json!({
        "kind": "curvature", "step": event.step, "lr": event.lr, "lambdaMax": c.lambda_max, "batchSharpness": c.batch_sharpness,
        "batchSharpnessError": c.batch_sharpness_error, "line": line,
    })
}

/// The same for growth.
fn growth(event: &GrowthEvent, line: String) -> Value {
    json!({ "kind": "growth", "step": event.step, "steps": event.steps, "growth": event.growth, "line": line })
}

fn epoch(event: &EpochEvent) -> Value {
    json!({
        "kind": "epoch", "epoch": event.epoch, "step": event.step,
        "trainLoss": event.train_loss, "trainAccuracy": event.train_accuracy,
        "testLoss": event.test_loss, "testAccuracy": event.test_accuracy,
    })
}
