//! What makes two trainings end differently: initial weights, order, augmentation, k, one bit, each alone, and everything at once. After
//! Summers & Dinneen 2021 ("Nondeterminism and Instability in Neural Network Optimization", ICML), who find that each alone has nearly the
//! effect of all together.

mod verdict;

use std::fmt;

use lastbit_core::nets::NetKind;
use lastbit_core::ops::Activation;
use lastbit_core::train::{DatasetKind, MAX_K, Outputs, Perturb, Poke, PokeKind, Schedule, Similarity, TrainConfig};

use super::findings::table;
use super::flags::flags;
use super::run::{Run, constant_rate};
use super::{Experiment, Findings, Forecast, Further, Study, Table};
use crate::failure::Failure;
use crate::plot::{Axis, Figure};
use crate::statistics::{Deviation, Interval, mean_over_pairs};

flags! {
    /// What makes trainings end differently: initial weights, order, augmentation, k, one bit, each alone
    #[name = "sources"]
    #[example = "lastbit reproduce sources --quick --dataset fashion-mnist --out runs/sources"]
    pub struct Sources {
        /// Network
        net: NetKind = NetKind::ResNet { depth: 14 }, quick = NetKind::ResNet { depth: 8 };
        /// Nonlinearity: relu, swish (beta 5), swish:BETA or tanh
        activation: Activation = Activation::Relu;
        /// Images: cifar10, fashion-mnist, folder or synthetic
        dataset: DatasetKind = DatasetKind::Cifar10;
        /// Trainings for each source, at least three
        copies: u32 = 25, quick = 5;
        /// Samples in a batch
        batch_size: u32 = 128, quick = 32;
        /// Learning rate, which falls to 0 along a cosine
        lr: f64 = 0.1;
        /// Momentum coefficient
        momentum: f64 = 0.9;
        /// Epochs of each training
        epochs: u32 = 100, quick = 2;
        /// Train on the first N images only
        train_limit: Option<usize> = None, quick = Some(10_000);
        /// Evaluate on the first N test images only
        test_limit: Option<usize> = None, quick = Some(2000);
        /// Seed of the first training
        seed: u64 = 1;
    }
}

/// What differs between the trainings of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// Initial weights.
    Init,
    /// Order of the samples.
    Order,
    /// Crops and flips.
    Augmentation,
    /// All of these.
    All,
    /// The divisor k of the paper.
    K,
    /// One ulp in one weight at the start.
    Bit,
}

/// All sources, in the order of the tables.
const SOURCES: [Source; 6] = [Source::Init, Source::Order, Source::Augmentation, Source::All, Source::K, Source::Bit];

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "initial weights",
            Self::Order => "order",
            Self::Augmentation => "augmentation",
            Self::All => "all of these",
            Self::K => "k",
            Self::Bit => "one bit",
        })
    }
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Order => "order",
            Self::Augmentation => "augmentation",
            Self::All => "all",
            Self::K => "k",
            Self::Bit => "bit",
        }
    }

    /// Whether its trainings are replicas of one run.
    fn is_in_lockstep(self) -> bool {
        matches!(self, Self::K | Self::Bit)
    }
}

/// The trainings of a source at their ends.
struct Group {
    source: Source,
    /// Test accuracy of each, in percent.
    accuracy: Vec<f64>,
    /// `[i][j]` for i < j: how alike they are.
    pairs: Vec<Vec<Similarity>>,
}

impl Group {
    fn new(source: Source, outputs: &[Outputs], labels: &[u8]) -> Self {
        let pair = |(i, first): (usize, &Outputs)| {
            let others = outputs[i + 1..].iter();
            others.map(|second| first.similarity(second, labels)).collect()
        };
        let accuracy = outputs.iter().map(|outputs| outputs.accuracy(labels)).collect();
        Self { source, accuracy, pairs: outputs.iter().enumerate().map(pair).collect() }
    }

    /// Mean of a quantity over all pairs, with its interval.
    fn mean(&self, value: fn(&Similarity) -> f64) -> Option<Interval> {
        mean_over_pairs(self.accuracy.len(), |i, j| value(&self.pairs[i][j - i - 1]))
    }

    /// Deviation of the accuracies.
    fn spread(&self) -> Option<Deviation> {
        Deviation::of(&self.accuracy)
    }
}

/// Everything that the verdict is about.
struct Trained {
    groups: Vec<Group>,
    /// The runs in lockstep, which have controls.
    lockstep: Vec<Run>,
    /// Steps of a training.
    steps: u64,
}

impl Sources {
    /// The first training, which all groups share.
    fn base(&self) -> TrainConfig {
        TrainConfig {
            net: self.net,
            activation: Some(self.activation),
            dataset: self.dataset,
            ks: vec![1],
            seed: self.seed,
            batch_size: self.batch_size,
            train_limit: self.train_limit,
            test_limit: self.test_limit,
            lr: self.lr,
            schedule: Schedule::Cosine,
            decay_every: TrainConfig::default().decay_every,
            momentum: self.momentum,
            nesterov: self.momentum > 0.0,
            epochs: self.epochs,
            ..constant_rate()
        }
    }

    /// The runs of a source. Those in lockstep begin with the first training and end with a null control; the others leave it out.
    fn runs_of(&self, source: Source) -> Vec<(String, TrainConfig)> {
        let base = self.base();
        let others = || (1..u64::from(self.copies)).map(|i| self.seed + i);
        match source {
            Source::K => {
                // Odd ones: a power of two as a factor changes no bit.
                let ks = (1..=MAX_K).step_by(2).take(self.copies as usize);
                let ks = ks.chain([2]).collect();
                vec![("k".to_owned(), TrainConfig { ks, ..base })]
            }
            Source::Bit => {
                let bit = |seed| {
                    Perturb(Some(Poke { step: 1, kind: PokeKind::Ulp, size: 1.0, tensor: None, seed: Some(seed) }))
                };
                let perturb: Vec<Perturb> =
                    std::iter::once(Perturb(None)).chain(others().map(bit)).chain([Perturb(None)]).collect();
                vec![("bit".to_owned(), TrainConfig { ks: vec![1; perturb.len()], perturb, ..base })]
            }
            _ => {
                let config = |seed: u64| {
                    let own = |is_other: bool| Some(if is_other { seed } else { self.seed });
                    TrainConfig {
                        seed_init: own(matches!(source, Source::Init | Source::All)),
                        seed_order: own(matches!(source, Source::Order | Source::All)),
                        seed_augment: own(matches!(source, Source::Augmentation | Source::All)),
                        ..base.clone()
                    }
                };
                others().map(|seed| (format!("{}-{seed}", source.name()), config(seed))).collect()
            }
        }
    }

    fn runs(&self) -> Vec<(String, TrainConfig)> {
        SOURCES.iter().flat_map(|source| self.runs_of(*source)).collect()
    }

    fn trained(&self, study: &mut Study) -> Result<Trained, Failure> {
        let (mut groups, mut lockstep, mut steps) = (Vec::new(), Vec::new(), 0);
        let mut first = None;
        // Those in lockstep first: they hold the training that all share.
        for source in SOURCES
            .into_iter()
            .filter(|source| source.is_in_lockstep())
            .chain(SOURCES.into_iter().filter(|source| !source.is_in_lockstep()))
        {
            let mut all: Vec<Outputs> =
                if source.is_in_lockstep() { Vec::new() } else { first.iter().cloned().collect() };
            let mut labels = Vec::new();
            for (name, config) in self.runs_of(source) {
                let run = study.train(&name, &config)?;
                let (mut outputs, of_run) = study.outputs(&run)?;
                steps = run.steps.last().copied().unwrap_or(0);
                if source.is_in_lockstep() {
                    outputs.truncate(self.copies as usize);
                    first = outputs.first().cloned();
                    lockstep.push(run);
                }
                all.extend(outputs);
                labels = of_run;
            }
            groups.push(Group::new(source, &all, &labels));
        }
        groups.sort_by_key(|group| SOURCES.iter().position(|source| *source == group.source));
        Ok(Trained { groups, lockstep, steps })
    }
}

impl Experiment for Sources {
    fn title(&self) -> String {
        format!("What makes trainings end differently: {} with {} on {}", self.net, self.activation, self.dataset)
    }

    fn is_in_paper(&self) -> bool {
        false
    }

    fn check(&self) -> Result<(), Failure> {
        let refuse = |text: String| Err(Failure::usage(text));
        let most = MAX_K.div_ceil(2);
        if !(3..=most).contains(&self.copies) {
            return refuse(format!("--copies: give 3 to {most} trainings of each source"));
        }
        if self.seed.checked_add(self.copies.into()).is_none() {
            return refuse("--seed: give a smaller one, to which --copies can be added".to_owned());
        }
        self.runs().iter().try_for_each(|(_, config)| Ok(config.validate()?))
    }

    fn forecast(&self, study: &Study) -> Result<Forecast, Failure> {
        study.forecast_runs(&self.runs(), Further::OUTPUTS)
    }

    fn independent_runs(&self) -> Vec<(String, TrainConfig)> {
        self.runs()
    }

    fn complete(&self, study: &mut Study, run: &Run) -> Result<(), Failure> {
        study.outputs(run).map(drop)
    }

    fn run(&self, study: &mut Study) -> Result<Findings, Failure> {
        let trained = self.trained(study)?;
        Ok(Findings {
            claims: self.claims(&trained),
            figures: figures(&trained),
            tables: vec![summary(&trained), pairs(&trained)],
            methods: self.methods(&trained),
        })
    }
}

fn summary(trained: &Trained) -> Table {
    table!("sources", "Spread and similarity by source", for group in &trained.groups => {
        let spread = group.spread();
        let disagreement = group.mean(|pair| pair.disagreement);
        let correlation = group.mean(|pair| pair.correlation);
        let gain = group.mean(|pair| pair.ensemble_gain);
        "source" as "what differs" = group.source.to_string(),
        "trainings" = group.accuracy.len(),
        "accuracy" as "accuracy, %" = spread.map(|spread| spread.mean),
        "deviation" as "deviation, points" = spread.map(|spread| spread.ddof1),
        "deviation_low" as "95 % from" = spread.map(|spread| spread.interval().0),
        "deviation_high" as "to" = spread.map(|spread| spread.interval().1),
        "disagreement" as "disagreement, %" = disagreement.map(|mean| mean.mean),
        "disagreement_low" as "95 % from" = disagreement.map(|mean| mean.low),
        "disagreement_high" as "to" = disagreement.map(|mean| mean.high),
        "correlation" = correlation.map(|mean| mean.mean),
        "correlation_low" as "95 % from" = correlation.map(|mean| mean.low),
        "correlation_high" as "to" = correlation.map(|mean| mean.high),
        "ensemble_gain" as "ensemble gain, points" = gain.map(|mean| mean.mean),
        "ensemble_gain_low" as "95 % from" = gain.map(|mean| mean.low),
        "ensemble_gain_high" as "to" = gain.map(|mean| mean.high),
        "logit_correlation" as "correlation of logits" = group.mean(|pair| pair.logit_correlation).map(|mean| mean.mean),
        "logit_ensemble_gain" as "gain by logits" = group.mean(|pair| pair.logit_ensemble_gain).map(|mean| mean.mean),
    })
    .note(
        "Deviation of the test accuracy with division by n - 1 and the interval of chi-square. Disagreement, correlation of the softmax \
         outputs and ensemble gain are means over all pairs, with the interval of the jackknife over trainings.",
    )
}

fn pairs(trained: &Trained) -> Table {
    let rows = trained.groups.iter().flat_map(|group| {
        let of_first = group.pairs.iter().enumerate();
        of_first
            .flat_map(move |(i, of_i)| of_i.iter().enumerate().map(move |(j, pair)| (group.source, i, i + 1 + j, pair)))
    });
    table!("sources-pairs", "Every pair of trainings", for (source, i, j, pair) in rows => {
        "source" as "what differs" = source.to_string(),
        "first" = i,
        "second" = j,
        "disagreement" as "disagreement, %" = pair.disagreement,
        "correlation" = pair.correlation,
        "ensemble_gain" as "ensemble gain, points" = pair.ensemble_gain,
        "logit_correlation" as "correlation of logits" = pair.logit_correlation,
        "logit_rank_correlation" as "rank correlation of logits" = pair.logit_rank_correlation,
        "logit_ensemble_gain" as "gain by logits" = pair.logit_ensemble_gain,
    })
    .not_shown()
}

fn figures(trained: &Trained) -> Vec<Figure> {
    let scatter = |name: &str, title: &str, y: &str, value: fn(&Similarity) -> f64| {
        let axes = (Axis::linear("test images classified differently, %"), Axis::linear(y));
        trained.groups.iter().fold(Figure::new(name, title, axes.0, axes.1), |figure, group| {
            let points = group.pairs.iter().flatten().map(|pair| (pair.disagreement, value(pair)));
            figure.dots(group.source.to_string(), points.collect())
        })
    };
    let caption = "A dot is a pair of trainings that differ in one source alone. Where the clouds lie on one another, the sources have \
                   the same effect.";
    vec![
        scatter("sources-correlation", "Disagreement and correlation", "correlation of the softmax outputs", |pair| {
            pair.correlation
        })
        .caption(caption),
        scatter(
            "sources-gain",
            "Disagreement and ensemble gain",
            "gain of the mean of two, percentage points",
            |pair| pair.ensemble_gain,
        )
        .caption(caption),
    ]
}

impl Sources {
    fn methods(&self, trained: &Trained) -> Vec<String> {
        let images =
            self.train_limit.map_or_else(|| "all training images".to_owned(), |n| format!("{n} training images"));
        vec![
            format!(
                "{} with {} on {images} of {}, batch {}, SGD with momentum {}, learning rate {} that falls to 0 along a cosine over {} \
                 epochs ({} steps). {} trainings for each source; the first one, with seed {}, belongs to all of them.",
                self.net,
                self.activation,
                self.dataset,
                self.batch_size,
                self.momentum,
                self.lr,
                self.epochs,
                trained.steps,
                self.copies,
                self.seed
            ),
            "Initial weights, order and augmentation have seeds of their own, so that one changes while the others stay. For k and for \
             one bit the trainings are replicas of one run, equal but for k or for one weight that is moved by one ulp before the first \
             step; a null control runs with them."
                .to_owned(),
        ]
    }
}
