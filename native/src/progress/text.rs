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

/// Most replicas whose numbers a screen shows.
pub const SHOWN: usize = 12;

/// ` and 244 more`: the replicas of `all` beyond those that are shown; empty if there are none.
pub fn beyond_shown(all: usize) -> String {
    if all > SHOWN { format!(" and {} more", all - SHOWN) } else { String::new() }
}

/// `[1, 3, 2]`; of many divisors the first ones.
pub fn ks_text(ks: &[u32]) -> String {
    if ks.len() > SHOWN { format!("{:?}{}", &ks[..SHOWN], beyond_shown(ks.len())) } else { format!("{ks:?}") }
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
    let list = |values: &[f64], show: fn(f64) -> String| {
        values.iter().copied().take(SHOWN).map(show).collect::<Vec<_>>().join(" ") + &beyond_shown(values.len())
    };
    format!(
        "epoch {} (step {}): train loss {}, test loss {}, test accuracy {} %",
        epoch.epoch,
        epoch.step,
        list(&epoch.train_loss, loss_text),
        list(&epoch.test_loss, loss_text),
        list(&epoch.test_accuracy, |percent| format!("{percent:.2}")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_replicas_stay_readable() {
        let of = |replicas: usize| {
            let values = vec![0.5; replicas];
            let [train_loss, train_accuracy, test_loss, test_accuracy] = [(); 4].map(|()| values.clone());
            epoch_text(&EpochEvent { epoch: 1, step: 9, lr: 0.1, train_loss, train_accuracy, test_loss, test_accuracy })
        };
        assert_eq!(
            of(2),
            "epoch 1 (step 9): train loss 0.5000 0.5000, test loss 0.5000 0.5000, test accuracy 0.50 0.50 %"
        );
        assert!(of(256).contains("0.5000 and 244 more, test loss") && of(256).len() < 400, "{}", of(256));
    }
}
