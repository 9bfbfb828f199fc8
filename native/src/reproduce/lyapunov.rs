//! Lyapunov exponent along training, by Benettin's method: displaced replicas return to their distances again and again, and the
//! logarithms of their growth are averaged. It must not depend on the distance, or it is no exponent.

mod verdict;

use lastbit_core::nets::NetKind;
use lastbit_core::ops::Activation;
use lastbit_core::train::{DatasetKind, TrainConfig};

use super::checks::has_duplicates;
use super::findings::table;
use super::flags::flags;
use super::run::{Run, constant_rate};
use super::{Experiment, Findings, Forecast, Further, Study, divergence};
use crate::failure::Failure;
use crate::plot::{Axis, Figure};

/// The pair whose growth is compared with the exponent, and a null control.
const KS: [u32; 3] = [1, 3, 2];
/// Index of the perturbed replica in [`KS`].
const PERTURBED: usize = 1;

flags! {
    /// The Lyapunov exponent along training, at several distances and learning rates
    #[name = "lyapunov"]
    #[example = "lastbit reproduce lyapunov --quick --dataset fashion-mnist --out runs/lyapunov"]
    pub struct Lyapunov {
        /// Network
        net: NetKind = NetKind::ResNet { depth: 20 }, quick = NetKind::ResNet { depth: 8 };
        /// Nonlinearity: relu, swish (beta 5), swish:BETA or tanh
        activation: Activation = Activation::Swish { beta: 1.0 };
        /// Images: cifar10, fashion-mnist, folder or synthetic
        dataset: DatasetKind = DatasetKind::Cifar10;
        /// Samples in a batch
        batch_size: u32 = 128, quick = 32;
        /// Momentum coefficient
        momentum: f64 = 0.0;
        /// Learning rates
        lrs: Vec<f64> = vec![0.01, 0.03, 0.1, 0.3], quick = vec![0.02, 0.1, 0.3];
        /// Distances to which replicas return, in the Euclidean norm of all weights
        distances: Vec<f64> = vec![1e-3, 1e-2, 1e-1, 1.0];
        /// Steps between returns
        every: u64 = 5;
        /// Steps of each run
        steps: u64 = 2000, quick = 400;
        /// Seed
        seed: u64 = 1;
    }
}

/// The runs at one learning rate.
struct Track {
    lr: f64,
    run: Run,
    /// `[distance]`: mean and standard error of the exponent a step, over the second half of the returns.
    exponents: Vec<(f64, f64)>,
    /// The run with k = 3, and step and distance of that replica.
    pair: Run,
    distance: Vec<(u64, f64)>,
}

impl Lyapunov {
    fn config(&self, lr: f64) -> TrainConfig {
        TrainConfig {
            net: self.net,
            activation: Some(self.activation),
            dataset: self.dataset,
            ks: vec![1; self.distances.len() + 1],
            lyapunov: Some(self.every),
            lyapunov_distances: self.distances.clone(),
            seed: self.seed,
            batch_size: self.batch_size,
            test_limit: Some(256),
            lr,
            momentum: self.momentum,
            nesterov: self.momentum > 0.0,
            epochs: u32::MAX,
            steps: Some(self.steps),
            ..constant_rate()
        }
    }

    fn runs_at(&self, lr: f64) -> [(String, TrainConfig); 2] {
        let config = self.config(lr);
        let pair = TrainConfig { ks: KS.to_vec(), lyapunov: None, lyapunov_distances: Vec::new(), ..config.clone() };
        [(format!("returns-lr{lr}"), config), (format!("pair-lr{lr}"), pair)]
    }

    fn runs(&self) -> Vec<(String, TrainConfig)> {
        self.lrs.iter().flat_map(|&lr| self.runs_at(lr)).collect()
    }

    fn track(&self, study: &mut Study, lr: f64) -> Result<Track, Failure> {
        let [(name, config), (pair_name, pair_config)] = self.runs_at(lr);
        let run = study.train(&name, &config)?;
        let pair = study.train(&pair_name, &pair_config)?;
        let exponents = (1..=self.distances.len()).map(|replica| exponent(&run, replica)).collect();
        let distance = divergence::of_replica(&pair, PERTURBED);
        Ok(Track { lr, run, exponents, pair, distance })
    }
}

/// Mean and standard error of a replica's exponent a step, over the second half of the returns: in the first half the displacement turns
/// into the direction that grows fastest.
fn exponent(run: &Run, replica: usize) -> (f64, f64) {
    let lines = &run.growth[run.growth.len() / 2..];
    mean_and_error(lines.iter().map(|line| line.growth[replica] / line.steps as f64))
}

/// Mean of independent values, and its standard error.
fn mean_and_error(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let rates: Vec<f64> = values.collect();
    let n = rates.len() as f64;
    let mean = rates.iter().sum::<f64>() / n;
    let squares = rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>();
    (mean, (squares / (n - 1.0) / n).sqrt())
}

impl Experiment for Lyapunov {
    fn title(&self) -> String {
        format!("The Lyapunov exponent along training: {} with {} on {}", self.net, self.activation, self.dataset)
    }

    fn is_in_paper(&self) -> bool {
        false
    }

    fn check(&self) -> Result<(), Failure> {
        let refuse = |text: &str| Err(Failure::usage(text));
        if self.lrs.is_empty() || has_duplicates(&self.lrs) {
            return refuse("--lrs: give at least one rate, each once");
        }
        if self.distances.len() < 2 || has_duplicates(&self.distances) || !self.distances.is_sorted() {
            return refuse("--distances: give at least two, ascending, each once");
        }
        if self.every == 0 || self.steps / self.every < 8 {
            return refuse("--every: must be at least 1 and leave at least eight returns within --steps");
        }
        self.lrs.iter().try_for_each(|&lr| Ok(self.config(lr).validate()?))
    }

    fn forecast(&self, study: &Study) -> Result<Forecast, Failure> {
        study.forecast_runs(&self.runs(), Further::default())
    }

    fn independent_runs(&self) -> Vec<(String, TrainConfig)> {
        self.runs()
    }

    fn run(&self, study: &mut Study) -> Result<Findings, Failure> {
        let tracks: Vec<Track> = self.lrs.iter().map(|&lr| self.track(study, lr)).collect::<Result<_, _>>()?;
        Ok(Findings {
            claims: self.claims(&tracks),
            figures: self.figures(&tracks),
            tables: self.tables(&tracks),
            methods: self.methods(),
        })
    }
}

impl Lyapunov {
    fn figures(&self, tracks: &[Track]) -> Vec<Figure> {
        let mut by_distance = Figure::new(
            "lyapunov",
            "Exponent against the distance",
            Axis::log("distance to which replicas return"),
            Axis::linear("Lyapunov exponent a step"),
        );
        for track in tracks {
            let points = self.distances.iter().zip(&track.exponents).map(|(d, (mean, _))| (*d, *mean)).collect();
            by_distance = by_distance.dotted_line(format!("lr {}", track.lr), points);
        }
        let mut figures = vec![by_distance.horizontal("0", 0.0).caption(
            "Where a line is flat, the exponent does not depend on the distance. At large distances growth saturates; at small ones \
             rounding adds to it.",
        )];
        for track in tracks {
            let mut figure = Figure::new(
                format!("lyapunov-lr{}", track.lr),
                format!("Growth a step between returns, lr {}", track.lr),
                Axis::linear("step"),
                Axis::linear("logarithm of the growth, a step"),
            );
            for (index, distance) in self.distances.iter().enumerate() {
                let lines = track.run.growth.iter();
                let points = lines.map(|line| (line.step as f64, line.growth[index + 1] / line.steps as f64)).collect();
                figure = figure.line(format!("distance {distance}"), points);
            }
            figures.push(figure.horizontal("0", 0.0));
        }
        figures
    }

    fn tables(&self, tracks: &[Track]) -> Vec<super::Table> {
        let rows = tracks.iter().flat_map(|track| {
            self.distances.iter().zip(&track.exponents).map(move |(distance, exponent)| (track.lr, distance, exponent))
        });
        let summary = table!("lyapunov", "Exponent of every replica", for (lr, distance, (mean, error)) in rows => {
            "lr" as "learning rate" = lr,
            "distance" = *distance,
            "exponent" as "exponent a step" = *mean,
            "standard_error" as "standard error" = *error,
        })
        .note("Over the second half of the returns. The standard error takes returns for independent.");
        let lines = tracks.iter().flat_map(|track| track.run.growth.iter().map(move |line| (track.lr, line)));
        let names = self.distances.iter().map(|distance| (format!("d{distance:e}"), format!("distance {distance:e}")));
        let all = table!("lyapunov-growth", "Every return", for (lr, line) in lines => {
            "lr" = lr,
            "step" = line.step,
            "steps" = line.steps,
            ..names => line.growth[1..].iter().map(super::findings::ToCell::to_cell),
        });
        vec![summary, all.not_shown()]
    }

    fn methods(&self) -> Vec<String> {
        vec![format!(
            "{} with {} on {}, batch {}, SGD with momentum {}, constant learning rate, k = 1 in every replica, seed {}. Before the first \
             step each replica after the first is displaced by its distance in one random direction, the same for all. Every {} steps it \
             returns to its distance from the first one along its displacement, momentum included, and the logarithm of its growth is \
             recorded (Benettin et al. 1980). All replicas see the same batches, so this is the exponent of a random dynamical system with \
             common noise.",
            self.net, self.activation, self.dataset, self.batch_size, self.momentum, self.seed, self.every
        )]
    }
}
