//! Everything that a run needs to resume with the same bits.

use super::optimizer::Optimizer;
use crate::nets::{Init, Network};
use crate::rng::{Purpose, Stream};

/// Parameters and running statistics of one replica, by tensor, in the network's order.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Values of each parameter, row-major.
    pub parameters: Vec<Vec<f32>>,
    /// Running mean and running variance of each batch norm.
    pub running: Vec<[Vec<f32>; 2]>,
}

impl Weights {
    /// Initial weights of `network`, drawn from `seed`, one stream for each tensor (docs/RULES.md, "The algorithm").
    #[must_use]
    pub fn initial(network: &Network, seed: u64) -> Self {
        let parameters = network.parameters.iter().enumerate().map(|(index, parameter)| {
            let n = parameter.elements() as usize;
            let mut stream = Stream::new(seed, Purpose::Init, index as u64);
            match parameter.init {
                Init::Normal(std) => stream.normal_f32s(std, n),
                Init::Uniform(bound) => stream.uniform_f32s(bound, n),
                Init::Constant(value) => vec![value; n],
            }
        });
        let running = network.running.iter().map(|norm| {
            let n = norm.channels as usize;
            [vec![0.0; n], vec![1.0; n]]
        });
        Self { parameters: parameters.collect(), running: running.collect() }
    }

    /// Moves one weight, among those that are measured, to the next float away from zero, as in Summers & Dinneen 2021. `seed` and `k` select
    /// the weight; k = 1 moves none.
    pub fn move_one_ulp(&mut self, network: &Network, seed: u64, k: u32) {
        let measured: Vec<usize> = (0..network.parameters.len()).filter(|&p| network.parameters[p].measured).collect();
        let total: usize = measured.iter().map(|&p| self.parameters[p].len()).sum();
        if k == 1 || total == 0 {
            return;
        }
        let mut chosen = Stream::new(seed, Purpose::Nextafter, u64::from(k)).below(total as u32) as usize;
        for p in measured {
            match self.parameters[p].get_mut(chosen) {
                Some(value) => {
                    *value = f32::from_bits(value.to_bits() + 1);
                    return;
                }
                None => chosen -= self.parameters[p].len(),
            }
        }
    }
}

/// The state of one replica.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplicaState {
    /// Parameters and running statistics.
    pub weights: Weights,
    /// The optimiser's state: its arenas, in order.
    pub optimizer: Vec<Arena>,
}

/// One arena of an optimiser's state: a number for each parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Arena {
    /// The arena's name, as in [`Optimizer::arenas`].
    pub name: &'static str,
    /// Values of each parameter, row-major.
    pub values: Vec<Vec<f32>>,
}

/// Sums over the samples of an epoch or an evaluation, for a line in the metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EpochSums {
    /// Number of samples.
    pub samples: u64,
    /// Sum of losses, `[R]`.
    pub loss: Vec<f64>,
    /// Number of correct answers, `[R]`.
    pub correct: Vec<u64>,
}

impl EpochSums {
    /// Sums of no samples, for `replicas` replicas.
    #[must_use]
    pub fn new(replicas: usize) -> Self {
        Self { samples: 0, loss: vec![0.0; replicas], correct: vec![0; replicas] }
    }

    /// Adds a batch. `totals` has the sum of losses and the number of correct answers of each replica.
    pub fn add(&mut self, samples: u32, totals: &[[f32; 2]]) {
        self.samples += u64::from(samples);
        for (r, [loss, correct]) in totals.iter().enumerate() {
            self.loss[r] += f64::from(*loss);
            self.correct[r] += *correct as u64;
        }
    }

    /// Mean loss and accuracy in percent of each replica.
    #[must_use]
    pub fn means(&self) -> (Vec<f64>, Vec<f64>) {
        let n = self.samples as f64;
        (self.loss.iter().map(|l| l / n).collect(), self.correct.iter().map(|&c| 100.0 * c as f64 / n).collect())
    }
}

/// What follows a step, and whether it is reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// True if the evaluation is reported. False if none is due.
    pub evaluation: bool,
    /// True if the curvature and the growth are reported, or none are due.
    pub measurements: bool,
}

impl Reported {
    /// Whether a line of `kind` in `metrics.jsonl` that belongs to the step is reported.
    #[must_use]
    pub fn has(self, kind: &str) -> bool {
        match kind {
            "epoch" => self.evaluation,
            "curvature" | "growth" => self.measurements,
            _ => true,
        }
    }
}

/// The state of a run after `step` steps. Sample order and augmentation are functions of the step, so the counter is also
/// the sampler's position.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Number of steps done.
    pub step: u64,
    /// What follows this step and is already reported.
    pub reported: Reported,
    /// Sums of the current epoch.
    pub sums: EpochSums,
    /// Replicas, in the order of the divisors.
    pub replicas: Vec<ReplicaState>,
}

impl State {
    /// The state before the first step: the same weights in every replica, and zeros as state of `optimizer`.
    #[must_use]
    pub fn initial(weights: &Weights, replicas: usize, optimizer: Optimizer) -> Self {
        let zeros: Vec<_> = weights.parameters.iter().map(|p| vec![0.0; p.len()]).collect();
        let arenas = optimizer.arenas().iter().map(|&name| Arena { name, values: zeros.clone() });
        let replica = ReplicaState { weights: weights.clone(), optimizer: arenas.collect() };
        Self {
            step: 0,
            reported: Reported::default(),
            sums: EpochSums::new(replicas),
            replicas: vec![replica; replicas],
        }
    }
}
