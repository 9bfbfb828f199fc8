//! Steps and evaluations as text.

use lastbit_core::train::{CurvatureEvent, EpochEvent, GrowthEvent, StepEvent, TrainConfig};

use crate::report::edges::{Edge, edges};
use crate::report::treatment;

/// What a screen needs to know of a run.
#[derive(Clone, Debug)]
pub struct RunShape {
    /// A short name of each replica: `k=3`, or what is done to its weights.
    pub names: Vec<String>,
    /// Number of steps done before this session.
    pub first_step: u64,
    /// Number of steps of the whole run.
    pub total_steps: u64,
    /// The edges of stability.
    pub edges: Vec<Edge>,
    /// True if replicas are displaced on purpose, so that none can be a control.
    pub is_displaced: bool,
}

impl RunShape {
    /// The shape of a run of `config`.
    pub fn new(config: &TrainConfig, first_step: u64, total_steps: u64) -> Self {
        let short = |replica| treatment::name(config, replica).replacen("k = ", "k=", 1);
        let names = (0..config.ks.len()).map(short).collect();
        Self { names, first_step, total_steps, edges: edges(config), is_displaced: config.lyapunov.is_some() }
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
    format!("{:?}{}", &ks[..ks.len().min(SHOWN)], beyond_shown(ks.len()))
}

/// `k = [1, 3, 2]`, or what is done to the weights of each replica: `undisturbed; 1 ulp before step 100; undisturbed (r2)`. Of many
/// replicas the first ones.
pub fn replicas_text(config: &TrainConfig) -> String {
    let ks = &config.ks;
    if config.perturb.is_empty() && config.lyapunov.is_none() {
        return format!("k = {}", ks_text(ks));
    }
    let beyond = beyond_shown(ks.len());
    let names: Vec<String> = (0..ks.len().min(SHOWN)).map(|replica| treatment::name(config, replica)).collect();
    let k = if ks.iter().all(|k| *k == ks[0]) { format!("k = {}: ", ks[0]) } else { String::new() };
    format!("{k}{}{beyond}", names.join("; "))
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

/// `step 100: largest eigenvalue 18.2 (2/lr = 20.0), Batch Sharpness 19.7 ± 0.4`, with the edges of the run's optimiser.
pub fn curvature_text(event: &CurvatureEvent, edges: &[Edge]) -> String {
    let c = &event.curvature;
    let edge = |edge: &Edge| {
        let batches = edge.batches.map_or(String::new(), |batches| format!(" for {batches}"));
        format!("{} = {}{batches}", edge.formula, measured_text(edge.at(event.lr)))
    };
    let edges = match edges {
        [] => String::new(),
        some => format!(" ({})", some.iter().map(edge).collect::<Vec<_>>().join(", ")),
    };
    format!(
        "step {}: largest eigenvalue {}{edges}, Batch Sharpness {} ± {}",
        event.step,
        measured_text(c.lambda_max),
        measured_text(c.batch_sharpness),
        measured_text(c.batch_sharpness_error),
    )
}

/// `step 100: distances changed by 0.9997, 1.0002 in 5 steps`: the factor of each displaced replica.
pub fn growth_text(event: &GrowthEvent) -> String {
    let factors: Vec<String> =
        event.growth.iter().skip(1).take(SHOWN).map(|growth| factor_text(growth.exp())).collect();
    let (factors, beyond) = (factors.join(", "), beyond_shown(event.growth.len().saturating_sub(1)));
    let steps = if event.steps == 1 { "step" } else { "steps" };
    format!("step {}: distances changed by {factors}{beyond} in {} {steps}", event.step, event.steps)
}

/// A factor, with four decimals near 1.
fn factor_text(factor: f64) -> String {
    if (0.1..10.0).contains(&factor) { format!("{factor:.4}") } else { measured_text(factor) }
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
    use lastbit_core::train::{Curvature, Optimizer};

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

    fn perturbed(perturb: &str) -> TrainConfig {
        let perturb: Vec<_> = perturb.split(',').map(|entry| entry.parse().unwrap()).collect();
        TrainConfig { ks: vec![1; perturb.len()], perturb, ..TrainConfig::default() }
    }

    #[test]
    fn each_replica_has_a_name_of_its_own() {
        let names = |config: &TrainConfig| RunShape::new(config, 0, 10).names;
        let plain = TrainConfig { ks: vec![1, 3, 1], ..TrainConfig::default() };
        assert_eq!(names(&plain), ["k=1", "k=3", "k=1 (r2)"]);
        let poked = perturbed("none,100:ulp:1,none");
        assert_eq!(names(&poked), ["undisturbed", "1 ulp before step 100", "undisturbed (r2)"]);
        let mixed = TrainConfig { ks: vec![1, 3, 1], ..poked.clone() };
        assert_eq!(names(&mixed), ["k=1, undisturbed", "k=3, 1 ulp before step 100", "k=1, undisturbed (r2)"]);
        assert_eq!(replicas_text(&plain), "k = [1, 3, 1]");
        assert_eq!(replicas_text(&poked), "k = 1: undisturbed; 1 ulp before step 100; undisturbed (r2)");
        assert_eq!(replicas_text(&mixed), "k = 1, undisturbed; k = 3, 1 ulp before step 100; k = 1, undisturbed (r2)");
        let displaced = TrainConfig { lyapunov: Some(5), lyapunov_distances: vec![0.01], ks: vec![1; 2], ..plain };
        assert_eq!(replicas_text(&displaced), "k = 1: undisturbed; at distance 1e-2");
        assert_eq!(replicas_text(&perturbed(&["none"; 20].join(","))).matches("undisturbed").count(), SHOWN);
    }

    #[test]
    fn growth_is_told_as_factors() {
        let told = |growth: &[f64], steps| {
            let growth = std::iter::once(0.0).chain(growth.iter().copied()).collect();
            growth_text(&GrowthEvent { step: 100, steps, growth })
        };
        assert_eq!(told(&[-0.0003, 0.0002], 5), "step 100: distances changed by 0.9997, 1.0002 in 5 steps");
        assert_eq!(
            told(&[10.0, -7.0, f64::NAN], 1),
            "step 100: distances changed by 22026, 9.12e-4, not finite in 1 step"
        );
        assert!(told(&[0.0; 30], 5).contains("1.0000 and 18 more in 5 steps"), "{}", told(&[0.0; 30], 5));
    }

    #[test]
    fn the_curvature_stands_beside_the_edges_of_the_optimiser() {
        let curvature = Curvature {
            lambda_max: 18.24,
            residual: 0.1,
            products: 9,
            h: 0.1,
            product_error: 1e-3,
            batch_sharpness: 19.7,
            batch_sharpness_error: 0.4,
            loss: 1.0,
            gradient_norm: 1.0,
        };
        let event = CurvatureEvent { step: 100, lr: 0.1, replica: 0, curvature };
        let told = |config: &TrainConfig| curvature_text(&event, &edges(config));
        let sgd = |momentum, weight_decay| TrainConfig { momentum, weight_decay, ..TrainConfig::default() };
        let plain = "step 100: largest eigenvalue 18.2 (2/lr = 20.0), Batch Sharpness 19.7 ± 0.400";
        assert_eq!(told(&sgd(0.0, 0.0)), plain);
        assert_eq!(told(&sgd(0.0, 5.0)), plain.replace("2/lr = 20.0", "2/lr - 5 = 15.0"));
        let momentum = "2/lr = 20.0, 2(1+b)/(1+2b)/lr = 13.6 for full batches, 2(1-b)/lr = 2.00 for small batches";
        assert_eq!(told(&sgd(0.9, 0.0)), plain.replace("2/lr = 20.0", momentum));
        let adamw = TrainConfig { optimizer: Optimizer::AdamW, ..sgd(0.9, 0.01) };
        assert_eq!(told(&adamw), plain.replace(" (2/lr = 20.0)", ""));
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
