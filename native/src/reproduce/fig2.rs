//! Figure 2, right: two copies of a network under plain SGD, k = 1 against 3, at the learning rates 0.1 / n. A large rate
//! amplifies the last bit; a small one does not. Added to the paper's figure: null controls, growth by layer, the forms of
//! the perturbation, and how many test images the copies disagree on.

mod curves;
mod k_versus_seeds;
mod output;
mod verdict;

use lastbit_core::nets::{NetError, NetKind};
use lastbit_core::ops::sgd::Perturbation;
use lastbit_core::ops::{Activation, Shape};
use lastbit_core::train::{DatasetKind, TrainConfig};

use super::checks::{check_between, check_no_control, has_duplicates};
use super::flags::flags;
use super::run::{Run, constant_rate};
use super::trained::TrainedRun;
use super::{Experiment, Findings, Forecast, Further, Study};
use crate::failure::Failure;
use crate::numbers::list;
use crate::train_flags::divisor;

/// Learning rates are 0.1 / n.
const LARGEST_LR: f64 = 0.1;
/// Every step is logged up to this n, and every (n / 32)-th one above, which includes every n-th.
const LOGGED_N: u64 = 32;
/// The pair that is compared: the first replicas of every run.
const PAIR: [u32; 2] = [1, 3];
/// Index of the perturbed replica in [`PAIR`].
const PERTURBED: usize = 1;
/// The null control, which comes last.
const CONTROL: u32 = 2;
/// A distance larger than any that rounding alone makes.
const MACROSCOPIC: f64 = 1e-3;

/// Largest number of points of a curve.
const MOST_POINTS: u64 = 100_000;

flags! {
    /// Figure 2, right: distance between two copies at decreasing learning rates
    #[name = "fig2"]
    #[example = "lastbit reproduce fig2 --ns 2,8 --seeds 1,2,3,4,5 --out runs/fig2"]
    pub struct Fig2 {
        /// Numbers n of the learning rates 0.1/n, ascending; the paper also has 320 and 3200
        #[arg(value_name = "N,N,...")]
        ns: Vec<u64> = vec![2, 4, 8, 16, 32], quick = vec![2, 8];
        /// Seeds; the figure shows medians
        seeds: Vec<u64> = vec![1, 2, 3], quick = vec![1];
        /// Divisors whose spread at the smallest n is compared with that over seeds
        #[arg(value_name = "K,K,...", value_parser = divisor)]
        ks: Vec<u32> = vec![1, 3, 5, 7, 9, 11], quick = vec![1, 3, 5];
        /// Seeds whose spread is taken at the smallest n; those that are not in --seeds train only k = 1 and 3
        spread_seeds: Vec<u64> = at_least_two(&seeds), shown = "--seeds, plus the next seed if it is a single one";
        /// Network
        net: NetKind = NetKind::ResNet { depth: 56 };
        /// Nonlinearity: relu, swish (beta 5) or swish:BETA
        activation: Activation = Activation::Swish { beta: 5.0 };
        /// Images: cifar10, fashion-mnist, folder or synthetic
        dataset: DatasetKind = DatasetKind::Cifar10;
        /// Weight tensor that the figure follows
        tensor: String = in_the_middle(net), shown = "layer2.5.conv1.weight; in other networks one in the middle";
        /// Samples in a batch
        batch_size: u32 = 128;
        /// Points of each curve, one every n steps
        points: u64 = 100;
        /// End every run after this many steps, whatever its n
        steps: Option<u64> = None, quick = Some(50);
        /// Evaluate on the first N test images only
        test_limit: Option<usize> = None, quick = Some(1000);
        /// Forms of the perturbation to compare at the smallest n
        perturbation: Vec<Perturbation> = Perturbation::ALL.to_vec();
    }
}

fn at_least_two(seeds: &[u64]) -> Vec<u64> {
    match seeds {
        [seed] => vec![*seed, seed.wrapping_add(1)],
        several => several.to_vec(),
    }
}

/// Names of the weights over which the network's divergence is measured.
fn measured(net: NetKind) -> Result<Vec<String>, NetError> {
    let network = net.build(Shape::new(3, 32, 32), 10, Activation::Relu, 1.0)?;
    Ok(network.parameters.into_iter().filter(|p| p.measured).map(|p| p.name).collect())
}

/// The tensor whose place corresponds to that of `layer2.5.conv1.weight` among the nine blocks of ResNet-56's second stage.
/// Empty for a network without convolutions of images.
fn in_the_middle(net: NetKind) -> String {
    match net {
        NetKind::ResNet { depth } => format!("layer2.{}.conv1.weight", (depth - 2) / 6 * 5 / 9),
        _ => measured(net).map_or(String::new(), |mut names| names.swap_remove(names.len() / 2)),
    }
}

/// The learning rate of n.
fn rate(n: u64) -> f64 {
    LARGEST_LR / n as f64
}

impl Fig2 {
    /// The n of the largest rate.
    fn smallest_n(&self) -> u64 {
        self.ns[0]
    }

    fn config(&self, n: u64, seed: u64, perturbation: Perturbation) -> TrainConfig {
        let ks = match perturbation {
            // Runs besides those of the figure have no control.
            _ if !self.seeds.contains(&seed) => PAIR.to_vec(),
            Perturbation::Reciprocal | Perturbation::Nextafter => PAIR.to_vec(),
            Perturbation::Divide if n == self.smallest_n() => [&self.ks[..], &[CONTROL]].concat(),
            Perturbation::Divide => [&PAIR[..], &[CONTROL]].concat(),
        };
        TrainConfig {
            net: self.net,
            activation: Some(self.activation),
            dataset: self.dataset,
            ks,
            perturbation,
            seed,
            batch_size: self.batch_size,
            lr: rate(n),
            momentum: 0.0,
            steps: Some(self.steps.unwrap_or(n * self.points)),
            log_every: Some((n / LOGGED_N).max(1)),
            test_limit: self.test_limit,
            ..constant_rate()
        }
    }

    /// Runs by name: every rate and seed, then at the largest rate the other forms of the perturbation and the other seeds of
    /// the spread.
    fn runs(&self) -> Vec<(String, TrainConfig)> {
        let further =
            self.spread_seeds.iter().filter(|seed| !self.seeds.contains(seed)).map(|&seed| (self.smallest_n(), seed));
        let pairs = self.ns.iter().flat_map(|&n| self.seeds.iter().map(move |&seed| (n, seed)));
        let divided = |(n, seed): (u64, u64)| (format!("n{n}-seed{seed}"), self.config(n, seed, Perturbation::Divide));
        let (n, seed) = (self.smallest_n(), self.seeds[0]);
        let others = self.perturbation.iter().filter(|form| **form != Perturbation::Divide);
        let others = others.map(|&form| (format!("n{n}-seed{seed}-{}", form.name()), self.config(n, seed, form)));
        pairs.map(divided).chain(others).chain(further.map(divided)).collect()
    }
}

impl Experiment for Fig2 {
    fn title(&self) -> String {
        format!("Figure 2: the last bit under plain SGD, {} with {} on {}", self.net, self.activation, self.dataset)
    }

    fn check(&self) -> Result<(), Failure> {
        let refuse = |text: String| Err(Failure::usage(text));
        if self.ns.is_empty() || self.ns[0] == 0 || !self.ns.is_sorted_by(|a, b| a < b) {
            return refuse("--ns: give at least one n, ascending, each once".to_owned());
        }
        if self.seeds.is_empty() {
            return refuse("--seeds: give at least one".to_owned());
        }
        if self.spread_seeds.len() < 2 {
            return refuse("--spread-seeds: give at least two".to_owned());
        }
        let has_duplicate_seeds = has_duplicates(&self.seeds) || has_duplicates(&self.spread_seeds);
        if has_duplicate_seeds || has_duplicates(&self.ks) || has_duplicates(&self.perturbation) {
            return refuse("--seeds, --spread-seeds, --ks, --perturbation: give each value once".to_owned());
        }
        if !self.ks.starts_with(&PAIR) {
            return refuse("--ks: begin with 1,3, which the figure compares".to_owned());
        }
        check_between("--points", 1, MOST_POINTS, self.points)?;
        let names = measured(self.net).map_err(|error| Failure::usage(format!("--net: {error}")))?;
        if !names.contains(&self.tensor) {
            let (net, tensor, middle) = (self.net, &self.tensor, in_the_middle(self.net));
            return refuse(format!("--tensor: {net} has no convolution '{tensor}': use one like {middle}"));
        }
        for (_, config) in self.runs() {
            config.validate()?;
        }
        check_no_control(&self.config(self.smallest_n(), self.seeds[0], Perturbation::Divide), self.ks.len())
    }

    fn forecast(&self, study: &Study) -> Result<Forecast, Failure> {
        study.forecast_runs(&self.runs(), Further::OUTPUTS)
    }

    fn independent_runs(&self) -> Vec<(String, TrainConfig)> {
        self.runs()
    }

    fn complete(&self, study: &mut Study, run: &Run) -> Result<(), Failure> {
        study.predictions(run).map(drop)
    }

    fn run(&self, study: &mut Study) -> Result<Findings, Failure> {
        let mut trained = Vec::new();
        for (name, config) in self.runs() {
            let run = study.train(&name, &config)?;
            let predictions = study.predictions(&run)?;
            trained.push(TrainedRun::new(run, predictions, 1));
        }
        let runs = self.sort(&trained);
        let curves = self.curves(&runs.main);
        Ok(Findings {
            claims: self.claims(&runs, &curves),
            figures: self.figures(&runs, &curves),
            tables: self.tables(&runs, &curves),
            methods: self.methods(),
        })
    }
}

impl Fig2 {
    fn methods(&self) -> Vec<String> {
        let which = if self.tensor == "layer2.5.conv1.weight" {
            "The figure follows the tensor of the paper".to_owned()
        } else {
            "The figure follows a tensor in the corresponding place of this network".to_owned()
        };
        vec![
            format!(
                "{} with {} on {}, batch {}, plain SGD (momentum 0), weight decay 5e-4, constant learning rate 0.1 / n. All copies \
                 start from the same weights and see the same batches; the update is divided by k and the rate multiplied by k. \
                 {which}: {}.",
                self.net, self.activation, self.dataset, self.batch_size, self.tensor
            ),
            "Relative L1 of a tensor a from b is the mean of 2|a - b| / (|a| + |b|) over its elements, 0/0 = 0; over all convolutions it \
             is the unweighted mean over the tensors. It is measured on the adapter after every step."
                .to_owned(),
            "Control: k = 2, whose division is exact, is trained in each run of the figure. Anything other than k that changes \
             bits would change its bits, too."
                .to_owned(),
            format!(
                "At learning rate {}, k = {} and seeds {} are trained to compare the spread over k with that over seeds: of the \
                 test accuracy after the last step, and of the distance from k = 1. Deviations are divided by n (ddof 0) and by n \
                 - 1 (ddof 1), with the 95 % intervals of a normal sample, from chi-square. The pooled interval over seeds is too \
                 narrow, because the samples at different k share their seeds. One seed determines initialisation, order and \
                 augmentation.",
                rate(self.smallest_n()),
                list(&self.ks.iter().map(u32::to_string).collect::<Vec<_>>()),
                list(&self.spread_seeds.iter().map(u64::to_string).collect::<Vec<_>>()),
            ),
            "Growth a step is fitted by least squares to the logarithm of the distance, from its first bit to a tenth of its largest \
             value and at most to 1 %, above which it saturates. R² shows how straight the line is."
                .to_owned(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::Flags as _;

    #[test]
    fn the_followed_tensor_is_the_paper_s_or_in_the_middle() {
        let of = |name: &str| in_the_middle(name.parse().unwrap());
        assert_eq!(of("resnet56"), "layer2.5.conv1.weight");
        assert_eq!(of("resnet20"), "layer2.1.conv1.weight");
        assert_eq!(of("resnet8"), "layer2.0.conv1.weight");
        assert!(of("vgg16").starts_with("features."));
    }

    #[test]
    fn full_size_is_the_paper_s() {
        let full = || Fig2::read(None, false);
        full().check().unwrap();
        let settings = full().settings().unwrap();
        assert_eq!(settings["net"].as_str(), Some("resnet56"));
        assert_eq!(settings["seeds"].as_array().map(Vec::len), Some(3));
        let bad = [
            Fig2 { ns: Vec::new(), ..full() },
            Fig2 { ns: vec![0, 2], ..full() },
            Fig2 { ns: vec![8, 2], ..full() },
            Fig2 { seeds: Vec::new(), ..full() },
            Fig2 { ks: vec![1], ..full() },
            Fig2 { ks: vec![1, 5, 3], ..full() },
            Fig2 { ks: vec![1, 3, 4], ..full() },
            Fig2 { ks: vec![1, 3, 64], ..full() },
            Fig2 { spread_seeds: vec![1], ..full() },
            Fig2 { spread_seeds: vec![1, 1], ..full() },
            Fig2 { tensor: "fc.weight".to_owned(), ..full() },
            Fig2 { points: 0, ..full() },
            Fig2 { batch_size: 0, ..full() },
            Fig2 { net: NetKind::OneLayer, ..full() },
        ];
        for experiment in bad {
            let Err(failure) = experiment.check() else { panic!("{experiment:?} is accepted") };
            assert!(failure.to_string().starts_with("--"), "{failure}");
        }
    }
}
