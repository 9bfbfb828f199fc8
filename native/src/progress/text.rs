//! Steps and evaluations as text.

use lastbit_core::train::{EpochEvent, StepEvent};

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

/// `k=3 loss 2.3021 rel_l1 4.1e-9`; the first replica has no distance, because the others are compared with it.
pub fn replica_text(ks: &[u32], replica: usize, step: &StepEvent) -> String {
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
pub fn epoch_text(epoch: &EpochEvent) -> String {
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
