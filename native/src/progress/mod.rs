//! What a user sees of a run or a download: bars on a terminal, plain lines elsewhere.

mod bars;
mod lines;
mod transfer;

use lastbit_core::train::{EpochEvent, Event, StepEvent};

pub use transfer::Transfer;

use crate::run::Lamp;
use crate::terminal::{is_interactive, say};

/// What a screen needs to know of a run.
#[derive(Clone, Debug)]
pub struct RunShape {
    /// The divisors, one for each replica.
    pub ks: Vec<u32>,
    /// Number of steps done before this session.
    pub first_step: u64,
    /// Number of steps of the whole run.
    pub total_steps: u64,
}

/// What the program prints on standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Text for a person.
    Text,
    /// Text for a person, in lines that begin with this name, because other runs print at the same time.
    Beside(String),
    /// JSON for a program, one object a line.
    Json,
    /// Nothing.
    Quiet,
}

/// Shows the events of a run.
pub enum Screen {
    /// Bars on a terminal.
    Bars(bars::Bars),
    /// Lines in a file or a pipe.
    Lines(lines::Lines),
    /// The lines of `metrics.jsonl`.
    Json,
    /// Nothing.
    Quiet,
}

impl Screen {
    /// The screen for this manner, and for the place where the output goes.
    pub fn new(manner: Manner, shape: RunShape, lamp: &Lamp) -> Self {
        match manner {
            Manner::Json => Self::Json,
            Manner::Quiet => Self::Quiet,
            Manner::Text if is_interactive() => Self::Bars(bars::Bars::new(&shape, lamp)),
            Manner::Text => Self::Lines(lines::Lines::new(shape, String::new())),
            Manner::Beside(name) => Self::Lines(lines::Lines::new(shape, format!("{name}: "))),
        }
    }

    /// Shows an event, whose line of `metrics.jsonl` is `line`; `lamp` has seen it.
    pub fn show(&mut self, event: &Event, line: &str, lamp: &Lamp) {
        match (self, event) {
            (Self::Bars(bars), Event::Step(step)) => bars.step(step, lamp),
            (Self::Bars(bars), Event::Epoch(epoch)) => bars.epoch(epoch),
            (Self::Lines(lines), Event::Step(step)) => lines.step(step, lamp),
            (Self::Lines(lines), Event::Epoch(epoch)) => lines.epoch(epoch),
            (Self::Json, _) => say(line),
            (Self::Quiet, _) | (_, Event::Layers(_)) => {}
        }
    }

    /// Leaves the last state on the screen.
    pub fn finish(&mut self) {
        if let Self::Bars(bars) = self {
            bars.finish();
        }
    }
}

/// `k=3 loss 2.3021 rel_l1 4.1e-9`; the first replica has no distance, because the others are compared with it.
fn replica_text(ks: &[u32], replica: usize, step: &StepEvent) -> String {
    let loss = format!("k={} loss {}", ks[replica], loss_text(step.loss[replica].into()));
    match replica {
        0 => loss,
        _ if step.has_distance(replica) => format!("{loss} rel_l1 {}", divergence_text(step.rel_l1[replica])),
        _ => format!("{loss} rel_l1 {NOT_FINITE}"),
    }
}

/// Shown in place of a number that is not finite, and of a distance from or to one.
pub const NOT_FINITE: &str = "not finite";

/// Formats a loss with four decimals, or with a power of ten if it has blown up.
pub fn loss_text(loss: f64) -> String {
    if loss.abs() < 1e6 { format!("{loss:.4}") } else { format!("{loss:.3e}") }
}

fn divergence_text(rel_l1: f64) -> String {
    if rel_l1 == 0.0 { "0".to_owned() } else { format!("{rel_l1:.1e}") }
}

/// `epoch 1 (step 391): train loss 1.52 1.53, test loss 1.31 1.33, test accuracy 52.10 51.88 %`.
fn epoch_text(epoch: &EpochEvent) -> String {
    let list = |values: &[f64], show: fn(f64) -> String| values.iter().copied().map(show).collect::<Vec<_>>().join(" ");
    format!(
        "epoch {} (step {}): train loss {}, test loss {}, test accuracy {} %",
        epoch.epoch,
        epoch.step,
        list(&epoch.train_loss, loss_text),
        list(&epoch.test_loss, loss_text),
        list(&epoch.test_accuracy, |percent| format!("{percent:.2}")),
    )
}
