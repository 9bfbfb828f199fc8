//! The edges of stability: values of the sharpness at which gradient descent loses stability. The page draws the same
//! (`www/src/run/curvature.ts`).

use lastbit_core::train::{Optimizer, TrainConfig};

/// An edge.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// Its formula, with the run's weight decay as a number: `2/lr - 0.0005`.
    pub formula: String,
    /// The batches for which it holds, if not for all: `full batches`.
    pub batches: Option<&'static str>,
    /// Learning rate times (edge + decay).
    times: f64,
    /// Weight decay, which the measured loss does not contain: it adds its value to every eigenvalue of the Hessian of what is trained.
    decay: f64,
}

impl Edge {
    /// Its value at a learning rate. Negative if the weight decay alone is beyond it.
    pub fn at(&self, lr: f64) -> f64 {
        self.times / lr - self.decay
    }

    /// Its name beside a curve, where there is no room for the formulas of edges that hold for some batches only.
    pub fn name(&self) -> String {
        self.batches.map_or_else(|| self.formula.clone(), |batches| format!("edge, {batches}"))
    }
}

/// The edges of a run, the plain one first; none for AdamW, whose steps are not multiples of the gradient.
pub fn edges(train: &TrainConfig) -> Vec<Edge> {
    let (momentum, decay) = (train.momentum, train.weight_decay);
    let edge = |formula: &str, batches, times| {
        let formula = if decay > 0.0 { format!("{formula} - {decay}") } else { formula.to_owned() };
        Edge { formula, batches, times, decay }
    };
    let plain = edge("2/lr", None, 2.0);
    match (train.optimizer, momentum > 0.0) {
        (Optimizer::AdamW, _) => Vec::new(),
        (Optimizer::Sgd, false) => vec![plain],
        (Optimizer::Sgd, true) => {
            // Full batches: heavy ball, and Nesterov's form (Cohen et al. 2021, appendix B). Small batches: arXiv 2604.14108.
            let (formula, times) = match train.nesterov {
                true => ("2(1+b)/(1+2b)/lr", 2.0 * (1.0 + momentum) / (1.0 + 2.0 * momentum)),
                false => ("2(1+b)/lr", 2.0 * (1.0 + momentum)),
            };
            let small = edge("2(1-b)/lr", Some("small batches"), 2.0 * (1.0 - momentum));
            vec![plain, edge(formula, Some("full batches"), times), small]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sgd(momentum: f64, nesterov: bool, weight_decay: f64) -> TrainConfig {
        TrainConfig { momentum, nesterov, weight_decay, ..TrainConfig::default() }
    }

    #[test]
    fn weight_decay_moves_the_edge() {
        // The one-layer network of docs/RESEARCH.md: dt 0.01, alpha 20.
        let [edge] = &edges(&sgd(0.0, false, 20.0))[..] else { panic!("one edge without momentum") };
        assert!((edge.at(0.01) - 180.0).abs() < 1e-9, "{}", edge.at(0.01));
        assert_eq!(edge.name(), "2/lr - 20");
        let found = edges(&sgd(0.9, true, 5e-4));
        let values: Vec<String> =
            found.iter().map(|edge| format!("{}: {} = {:.4}", edge.name(), edge.formula, edge.at(0.1))).collect();
        assert_eq!(
            values,
            [
                "2/lr - 0.0005: 2/lr - 0.0005 = 19.9995",
                "edge, full batches: 2(1+b)/(1+2b)/lr - 0.0005 = 13.5709",
                "edge, small batches: 2(1-b)/lr - 0.0005 = 1.9995"
            ]
        );
    }

    #[test]
    fn without_decay_the_edge_is_plain_and_adamw_has_none() {
        let found = edges(&sgd(0.9, false, 0.0));
        let formulas: Vec<&str> = found.iter().map(|edge| edge.formula.as_str()).collect();
        assert_eq!(formulas, ["2/lr", "2(1+b)/lr", "2(1-b)/lr"]);
        assert!((found[1].at(0.1) - 38.0).abs() < 1e-9);
        let adamw = TrainConfig { optimizer: Optimizer::AdamW, ..sgd(0.9, true, 0.01) };
        assert!(edges(&adamw).is_empty());
    }
}
