//! Figure 2, right: two copies of a network under plain SGD, k = 1 against 3, at the learning rates 0.1 / n. A large rate
//! amplifies the last bit; a small one does not. Added to the paper's figure: null controls, growth by layer, the forms of
//! the perturbation, and how many test images the copies disagree on.

mod curves;
mod sheets;
mod spread;
mod verdict;

use clap::Args;
use lastbit_core::nets::NetKind;
use lastbit_core::ops::sgd::Perturbation;
use lastbit_core::ops::{Activation, Shape};
use lastbit_core::train::{DatasetKind, TrainConfig};
use serde::Serialize;

use super::{Experiment, Findings, Forecast, Setup, Study, as_text, has_twins, settings_of};
use crate::failure::Failure;
use crate::numbers::list;
use crate::train_flags::divisor;
use crate::value_parsers::whole;
use curves::{Done, Runs};

/// Learning rates are 0.1 / n.
const LARGEST_LR: f64 = 0.1;
/// The paper's n.
const NS: [u64; 7] = [2, 4, 8, 16, 32, 320, 3200];
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

/// Flags of `reproduce fig2`.
#[derive(Debug, Default, Args)]
pub struct Flags {
    /// Largest n of the learning rates 0.1/n for n = 2, 4, 8, 16, 32, 320, 3200; with --quick every other
    /// of them [default: 32; --quick: 8]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u64>)]
    n_max: Option<u64>,
    /// Seeds; the figure shows medians [default: 1,2,3; --quick: 1]
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', allow_negative_numbers = true, value_parser = whole::<u64>)]
    seeds: Option<Vec<u64>>,
    /// Divisors whose spread at the smallest n is compared with that over seeds [default: 1,3,5,7,9,11; --quick: 1,3,5]
    #[arg(long, value_name = "K,K,...", value_delimiter = ',', allow_negative_numbers = true, value_parser = divisor)]
    ks: Option<Vec<u32>>,
    /// Seeds whose spread is taken at the smallest n; those that are not in --seeds train only k = 1 and 3 [default: --seeds,
    /// plus the next seed if it is a single one]
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', allow_negative_numbers = true, value_parser = whole::<u64>)]
    spread_seeds: Option<Vec<u64>>,
    /// Network [default: resnet56]
    #[arg(long)]
    net: Option<NetKind>,
    /// Nonlinearity: relu, swish (beta 5) or swish:BETA [default: swish]
    #[arg(long)]
    activation: Option<Activation>,
    /// Images: cifar10, fashion-mnist, folder or synthetic [default: cifar10]
    #[arg(long)]
    dataset: Option<DatasetKind>,
    /// Weight tensor that the figure follows [default: layer2.5.conv1.weight; in other networks one in the middle]
    #[arg(long, value_name = "NAME")]
    tensor: Option<String>,
    /// Samples in a batch [default: 128]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u32>)]
    batch_size: Option<u32>,
    /// Points of each curve, one every n steps [default: 100]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u64>)]
    points: Option<u64>,
    /// End every run after this many steps, whatever its n [--quick: 50]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u64>)]
    steps: Option<u64>,
    /// Evaluate on the first N test images only [--quick: 1000]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<usize>)]
    test_limit: Option<usize>,
    /// Forms of the perturbation to compare at the smallest n [default: divide,reciprocal,nextafter]
    #[arg(long, value_name = "FORM,...", value_delimiter = ',', value_parser = str::parse::<Perturbation>)]
    perturbation: Option<Vec<Perturbation>>,
}

/// The experiment.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Fig2 {
    n_max: u64,
    /// The n up to `n_max` that are trained.
    #[serde(skip)]
    ns: Vec<u64>,
    seeds: Vec<u64>,
    ks: Vec<u32>,
    spread_seeds: Vec<u64>,
    #[serde(serialize_with = "as_text")]
    net: NetKind,
    activation: Activation,
    dataset: DatasetKind,
    tensor: String,
    batch_size: u32,
    points: u64,
    steps: Option<u64>,
    test_limit: Option<usize>,
    perturbation: Vec<Perturbation>,
}

impl Setup for Flags {
    fn experiment(&self, is_quick: bool) -> Result<Box<dyn Experiment>, Failure> {
        let size = |quick: u64, full: u64| if is_quick { quick } else { full };
        let n_max = self.n_max.unwrap_or(size(8, 32));
        let net = self.net.unwrap_or(NetKind::ResNet { depth: 56 });
        // A single seed shows the order of rates that are four times apart, but not of closer ones.
        let every = if is_quick { 2 } else { 1 };
        let ns: Vec<u64> = NS.into_iter().step_by(every).filter(|n| *n <= n_max).collect();
        if ns.is_empty() {
            return Err(Failure::usage(format!("--n-max: must be at least {}, not {n_max}", NS[0])));
        }
        let seeds = self.seeds.clone().unwrap_or_else(|| if is_quick { vec![1] } else { vec![1, 2, 3] });
        if seeds.is_empty() {
            return Err(Failure::usage("--seeds: give at least one"));
        }
        let spread_seeds = self.spread_seeds.clone().unwrap_or_else(|| match seeds.as_slice() {
            [seed] => vec![*seed, seed.wrapping_add(1)],
            several => several.to_vec(),
        });
        if spread_seeds.len() < 2 {
            return Err(Failure::usage("--spread-seeds: give at least two"));
        }
        let has_twins = has_twins(&seeds)
            || has_twins(&spread_seeds)
            || self.ks.as_deref().is_some_and(has_twins)
            || self.perturbation.as_deref().is_some_and(has_twins);
        if has_twins {
            return Err(Failure::usage("--seeds, --spread-seeds, --ks, --perturbation: give each value once"));
        }
        let ks = self.ks.clone().unwrap_or_else(|| if is_quick { vec![1, 3, 5] } else { vec![1, 3, 5, 7, 9, 11] });
        if !ks.starts_with(&PAIR) {
            return Err(Failure::usage("--ks: begin with 1,3, which the figure compares"));
        }
        let points = self.points.unwrap_or(100);
        if !(1..=MOST_POINTS).contains(&points) {
            return Err(Failure::usage(format!("--points: must be from 1 to {MOST_POINTS}, not {points}")));
        }
        let experiment = Fig2 {
            n_max,
            ns,
            seeds,
            ks,
            spread_seeds,
            net,
            activation: self.activation.unwrap_or(Activation::Swish { beta: 5.0 }),
            dataset: self.dataset.unwrap_or(DatasetKind::Cifar10),
            tensor: followed(net, self.tensor.as_deref())?,
            batch_size: self.batch_size.unwrap_or(128),
            points,
            steps: self.steps.or(is_quick.then_some(50)),
            test_limit: self.test_limit.or(is_quick.then_some(1000)),
            perturbation: self.perturbation.clone().unwrap_or_else(|| Perturbation::ALL.to_vec()),
        };
        for (_, config) in experiment.runs() {
            config.validate()?;
        }
        let largest = experiment.config(experiment.ns[0], experiment.seeds[0], Perturbation::Divide);
        if let Some(&control) = largest.controls().iter().find(|&&replica| replica < experiment.ks.len()) {
            let k = experiment.ks[control];
            return Err(Failure::usage(format!("--ks: k = {k} is a control of 1 (divide): leave it out")));
        }
        Ok(Box::new(experiment))
    }
}

/// The tensor to follow: `wanted`, or the one whose place corresponds to that of `layer2.5.conv1.weight` among the nine
/// blocks of ResNet-56's second stage.
fn followed(net: NetKind, wanted: Option<&str>) -> Result<String, Failure> {
    let built = net.build(Shape::new(3, 32, 32), 10, Activation::Relu, 1.0);
    let network = built.map_err(|error| Failure::usage(format!("--net: {error}")))?;
    let names: Vec<&str> = network.parameters.iter().filter(|p| p.convolution).map(|p| p.name.as_str()).collect();
    let middle = match net {
        NetKind::ResNet { depth } => format!("layer2.{}.conv1.weight", (depth - 2) / 6 * 5 / 9),
        _ => names[names.len() / 2].to_owned(),
    };
    let name = wanted.unwrap_or(&middle);
    if !names.contains(&name) {
        return Err(Failure::usage(format!("--tensor: {net} has no convolution '{name}': use one like {middle}")));
    }
    Ok(name.to_owned())
}

impl Fig2 {
    fn config(&self, n: u64, seed: u64, perturbation: Perturbation) -> TrainConfig {
        let ks = match perturbation {
            // Runs besides those of the figure have no control.
            _ if !self.seeds.contains(&seed) => PAIR.to_vec(),
            Perturbation::Reciprocal | Perturbation::Nextafter => PAIR.to_vec(),
            Perturbation::Divide if n == self.ns[0] => [&self.ks[..], &[CONTROL]].concat(),
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
            lr: LARGEST_LR / n as f64,
            momentum: 0.0,
            decay_every: 0,
            eval_every: 0,
            epochs: 100_000,
            steps: Some(self.steps.unwrap_or(n * self.points)),
            // Every step for n up to 32; for larger n every (n / 32)-th step, which includes every n-th.
            log_every: Some((n / NS[4]).max(1)),
            test_limit: self.test_limit,
            ..TrainConfig::default()
        }
    }

    /// Runs by name: every rate and seed, then at the largest rate the other forms of the perturbation and the other seeds of
    /// the spread.
    fn runs(&self) -> Vec<(String, TrainConfig)> {
        let further =
            self.spread_seeds.iter().filter(|seed| !self.seeds.contains(seed)).map(|&seed| (self.ns[0], seed));
        let pairs = self.ns.iter().flat_map(|&n| self.seeds.iter().map(move |&seed| (n, seed)));
        let divided = |(n, seed): (u64, u64)| (format!("n{n}-seed{seed}"), self.config(n, seed, Perturbation::Divide));
        let (n, seed) = (self.ns[0], self.seeds[0]);
        let others = self.perturbation.iter().filter(|form| **form != Perturbation::Divide);
        let others = others.map(|&form| (format!("n{n}-seed{seed}-{}", form.name()), self.config(n, seed, form)));
        pairs.map(divided).chain(others).chain(further.map(divided)).collect()
    }
}

impl Experiment for Fig2 {
    fn name(&self) -> &'static str {
        "fig2"
    }

    fn title(&self) -> String {
        format!("Figure 2: the last bit under plain SGD, {} with {} on {}", self.net, self.activation, self.dataset)
    }

    fn settings(&self) -> Result<toml::Table, Failure> {
        settings_of(self)
    }

    fn forecast(&self, study: &Study) -> Result<Forecast, Failure> {
        study.forecast_runs(&self.runs())
    }

    fn has_independent_runs(&self) -> bool {
        true
    }

    fn run(&self, study: &mut Study) -> Result<Findings, Failure> {
        let mut done = Vec::new();
        study.train_ahead(&self.runs())?;
        for (name, config) in self.runs() {
            let run = study.train(&name, &config)?;
            let predictions = study.predictions(&run)?;
            done.push(Done::new(run, &self.tensor, predictions));
        }
        let runs = Runs::of(self, &done);
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
                LARGEST_LR / self.ns[0] as f64,
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

    #[test]
    fn the_followed_tensor_is_the_paper_s_or_in_the_middle() {
        let of = |name: &str| followed(name.parse().unwrap(), None).unwrap();
        assert_eq!(of("resnet56"), "layer2.5.conv1.weight");
        assert_eq!(of("resnet20"), "layer2.1.conv1.weight");
        assert_eq!(of("resnet8"), "layer2.0.conv1.weight");
        assert!(of("vgg16").starts_with("features."));
        assert!(followed(NetKind::ResNet { depth: 8 }, Some("layer2.5.conv1.weight")).is_err());
    }

    #[test]
    fn full_size_is_the_paper_s() {
        let full = Flags::default().experiment(false).unwrap().settings().unwrap();
        assert_eq!(full["net"].as_str(), Some("resnet56"));
        assert_eq!(full["seeds"].as_array().map(Vec::len), Some(3));
        let bad = [
            Flags { n_max: Some(0), ..Flags::default() },
            Flags { seeds: Some(Vec::new()), ..Flags::default() },
            Flags { ks: Some(vec![1]), ..Flags::default() },
            Flags { ks: Some(vec![1, 5, 3]), ..Flags::default() },
            Flags { ks: Some(vec![1, 3, 4]), ..Flags::default() },
            Flags { ks: Some(vec![1, 3, 64]), ..Flags::default() },
            Flags { spread_seeds: Some(vec![1]), ..Flags::default() },
            Flags { spread_seeds: Some(vec![1, 1]), ..Flags::default() },
            Flags { points: Some(0), ..Flags::default() },
            Flags { batch_size: Some(0), ..Flags::default() },
            Flags { net: Some(NetKind::OneLayer), ..Flags::default() },
        ];
        for flags in bad {
            let Err(failure) = flags.experiment(false) else { panic!("{flags:?} is accepted") };
            assert!(failure.to_string().starts_with("--"), "{failure}");
        }
    }
}
