//! Steps and evaluations as text.

use lastbit_core::train::{CurvatureEvent, EpochEvent, GrowthEvent, StepEvent, TrainConfig};

/// What a screen needs to know of a run.
#[derive(Clone, Debug)]
pub struct RunShape {
    /// A short name of each replica: `k=3`, or `replica 1` where all have the same k.
    pub names: Vec<String>,
    /// Number of steps done before this session.
    pub first_step: u64,
    /// Number of steps of the whole run.
    pub total_steps: u64,
}

impl RunShape {
    /// The shape of a run of `config`.
    pub fn new(config: &TrainConfig, first_step: u64, total_steps: u64) -> Self {
        let is_one_k = config.ks.len() > 1 && config.ks.iter().all(|k| *k == config.ks[0]);
        let name = |(replica, k): (usize, &u32)| if is_one_k { format!("replica {replica}") } else { format!("k={k}") };
        Self { names: config.ks.iter().enumerate().map(name).collect(), first_step, total_steps }
    }
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
pub fn replica_text(names: &[String], replica: usize, step: &StepEvent) -> String {
    let loss = format!("{} loss {}", names[replica], loss_text(step.loss[replica].into()));
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

/// `step 100: largest eigenvalue 18.2 (2/lr = 20), Batch Sharpness 19.7 ± 0.4`.
pub fn curvature_text(event: &CurvatureEvent) -> String {
    let c = &event.curvature;
    format!(
        "step {}: largest eigenvalue {} (2/lr = {}), Batch Sharpness {} ± {}",
        event.step,
        measured_text(c.lambda_max),
        measured_text(2.0 / event.lr),
        measured_text(c.batch_sharpness),
        measured_text(c.batch_sharpness_error),
    )
}

/// `step 100: distances grew by e^0.32 e^0.35 in 10 steps`.
pub fn growth_text(event: &GrowthEvent) -> String {
    let grown = event.growth.iter().skip(1).map(|growth| format!("e^{growth:.3}")).collect::<Vec<_>>().join(" ");
    format!("step {}: distances grew by {grown} in {} steps", event.step, event.steps)
}

/// A measured number with three digits.
fn measured_text(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        NOT_FINITE.to_owned()
    } else if size == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e6).contains(&size) {
        format!("{value:.2e}")
    } else {
        let digits = 2 - size.log10().floor() as i32;
        format!("{value:.*}", digits.max(0) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measured_numbers_have_three_digits() {
        let cases = [
            (18.24, "18.2"),
            (1.0, "1.00"),
            (0.01234, "0.0123"),
            (123_456.0, "123456"),
            (-3.0e-9, "-3.00e-9"),
            (0.0, "0"),
        ];
        for (value, text) in cases {
            assert_eq!(measured_text(value), text);
        }
        assert_eq!(measured_text(f64::NAN), "not finite");
    }

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
