//! Table 1: whole trainings that differ only in k, compared with whole trainings that differ in the seed. By the paper, the
//! standard deviation of the test accuracy over k is as large as that over seeds.

mod row;
mod sheets;
mod verdict;

use clap::Args;
use lastbit_core::ops::sgd::Perturbation;
use lastbit_core::train::{MAX_K, TrainConfig};
use serde::Serialize;

use super::{Experiment, Findings, Forecast, Setup, Study, has_twins, settings_of};
use crate::failure::Failure;
use crate::train_flags::divisor;
use crate::value_parsers::{listed, real, whole};
use row::{Row, Trained};

/// Flags of `reproduce table1`.
#[derive(Debug, Default, Args)]
pub struct Flags {
    /// Rows, each NET:ACTIVATION:DATASET [default: resnet56:relu:cifar10, resnet56:swish:cifar10, vgg16:relu:cifar10,
    /// resnet56:relu:fashion-mnist; --quick: resnet8:relu:cifar10]
    #[arg(long, value_name = "ROW,ROW,...", value_delimiter = ',', value_parser = listed::<Row>)]
    rows: Option<Vec<Row>>,
    /// Divisors; a control with twice the first is added [default: 1,3,5,7,9,11]
    #[arg(long, value_name = "K,K,...", value_delimiter = ',', allow_negative_numbers = true, value_parser = divisor)]
    ks: Option<Vec<u32>>,
    /// Seeds of initialisation, order and augmentation together [default: 1,2,3,4,5,6; --quick: 1,2,3]
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', allow_negative_numbers = true, value_parser = whole::<u64>)]
    seeds: Option<Vec<u64>>,
    /// Epochs of a training [default: 200; --quick: 12]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u32>)]
    epochs: Option<u32>,
    /// Epochs between decays of the learning rate by 10 [default: 40; --quick: 5]
    #[arg(long, value_name = "EPOCHS", allow_negative_numbers = true, value_parser = whole::<u32>)]
    decay_every: Option<u32>,
    /// The result of a training is its mean test accuracy over this many last epochs [default: 10; --quick: 3]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u32>)]
    last: Option<u32>,
    /// Samples in a batch [default: 128; --quick: 32]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u32>)]
    batch_size: Option<u32>,
    /// Initial learning rate [default: 0.1]
    #[arg(long, value_name = "X", allow_negative_numbers = true, value_parser = real)]
    lr: Option<f64>,
    /// Train on the first N images only [--quick: 2048]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<usize>)]
    train_limit: Option<usize>,
    /// Evaluate on the first N test images only [--quick: 1000]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<usize>)]
    test_limit: Option<usize>,
    /// Forms of the perturbation; the table uses the first, the others are compared with it at the first seed
    /// [default: divide,reciprocal,nextafter]
    #[arg(long, value_name = "FORM,...", value_delimiter = ',', value_parser = str::parse::<Perturbation>)]
    perturbation: Option<Vec<Perturbation>>,
}

/// The experiment.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Table1 {
    rows: Vec<Row>,
    ks: Vec<u32>,
    seeds: Vec<u64>,
    epochs: u32,
    decay_every: u32,
    last: u32,
    batch_size: u32,
    lr: f64,
    train_limit: Option<usize>,
    test_limit: Option<usize>,
    perturbation: Vec<Perturbation>,
}

impl Setup for Flags {
    fn experiment(&self, is_quick: bool) -> Result<Box<dyn Experiment>, Failure> {
        let rows = self.rows.clone().unwrap_or_else(|| Row::defaults(is_quick));
        let ks = self.ks.clone().unwrap_or_else(|| vec![1, 3, 5, 7, 9, 11]);
        let seeds = self.seeds.clone().unwrap_or_else(|| (1..=if is_quick { 3 } else { 6 }).collect());
        let pick = |given: Option<u32>, quick: u32, full: u32| given.unwrap_or(if is_quick { quick } else { full });
        let experiment = Table1 {
            rows,
            ks,
            seeds,
            epochs: pick(self.epochs, 12, 200),
            decay_every: pick(self.decay_every, 5, 40),
            last: pick(self.last, 3, 10),
            batch_size: pick(self.batch_size, 32, 128),
            lr: self.lr.unwrap_or(0.1),
            train_limit: self.train_limit.or(is_quick.then_some(2048)),
            test_limit: self.test_limit.or(is_quick.then_some(1000)),
            perturbation: self.perturbation.clone().unwrap_or_else(|| Perturbation::ALL.to_vec()),
        };
        experiment.check()?;
        Ok(Box::new(experiment))
    }
}

impl Table1 {
    fn check(&self) -> Result<(), Failure> {
        let refuse = |text: String| Err(Failure::usage(text));
        if self.rows.is_empty() || self.ks.len() < 2 || self.seeds.len() < 2 || self.perturbation.is_empty() {
            let (flag, least) = match (self.rows.is_empty(), self.ks.len() < 2, self.seeds.len() < 2) {
                (true, ..) => ("--rows", "one"),
                (_, true, _) => ("--ks", "two"),
                (.., true) => ("--seeds", "two"),
                _ => ("--perturbation", "one"),
            };
            return refuse(format!("{flag}: give at least {least}"));
        }
        if has_twins(&self.seeds) || has_twins(&self.perturbation) || has_twins(&self.rows) {
            return refuse("--rows, --seeds, --perturbation: give each value once".to_owned());
        }
        if self.ks[0].saturating_mul(2) > MAX_K {
            return refuse(format!(
                "--ks: the first must be at most {}, so that twice its value can be the control",
                MAX_K / 2
            ));
        }
        let (form, config) = (self.perturbation[0], self.config(&self.rows[0], self.seeds[0], self.perturbation[0]));
        config.validate()?;
        if let Some(&twin) = config.controls().iter().find(|&&r| r < self.ks.len()) {
            let k = self.ks[twin];
            return refuse(format!("--ks: k = {k} is a control of {} ({}): leave it out", self.ks[0], form.name()));
        }
        if self.last == 0 || self.last > self.epochs {
            return refuse(format!("--last: must be between 1 and the {} epochs, not {}", self.epochs, self.last));
        }
        Ok(())
    }

    fn config(&self, row: &Row, seed: u64, perturbation: Perturbation) -> TrainConfig {
        // Twice the first k divides alike. With nextafter only an equal k moves the same weight.
        let control = if perturbation == Perturbation::Nextafter { self.ks[0] } else { 2 * self.ks[0] };
        TrainConfig {
            net: row.net,
            activation: Some(row.activation),
            dataset: row.dataset,
            ks: self.ks.iter().copied().chain([control]).collect(),
            perturbation,
            seed,
            batch_size: self.batch_size,
            lr: self.lr,
            epochs: self.epochs,
            decay_every: self.decay_every,
            train_limit: self.train_limit,
            test_limit: self.test_limit,
            ..TrainConfig::default()
        }
    }

    /// Runs of a row by name: every seed, then the other forms of the perturbation at the first seed.
    fn runs(&self, row: &Row) -> Vec<(String, TrainConfig)> {
        let main = self.perturbation[0];
        let name = row.name();
        let seeds = self.seeds.iter().map(|&seed| (format!("{name}-seed{seed}"), self.config(row, seed, main)));
        let seed = self.seeds[0];
        let others = self.perturbation[1..].iter();
        let others = others.map(|&form| (format!("{name}-seed{seed}-{}", form.name()), self.config(row, seed, form)));
        seeds.chain(others).collect()
    }

    fn all_runs(&self) -> Vec<(String, TrainConfig)> {
        self.rows.iter().flat_map(|row| self.runs(row)).collect()
    }
}

impl Experiment for Table1 {
    fn name(&self) -> &'static str {
        "table1"
    }

    fn title(&self) -> String {
        "Table 1: spread of the test accuracy over k, compared with that over seeds".to_owned()
    }

    fn settings(&self) -> Result<toml::Table, Failure> {
        settings_of(self)
    }

    fn forecast(&self, study: &Study) -> Result<Forecast, Failure> {
        study.forecast_runs(&self.all_runs())
    }

    fn has_independent_runs(&self) -> bool {
        true
    }

    fn run(&self, study: &mut Study) -> Result<Findings, Failure> {
        study.train_ahead(&self.all_runs())?;
        let mut rows = Vec::new();
        for row in &self.rows {
            let mut trained = Vec::new();
            for (name, config) in self.runs(row) {
                let run = study.train(&name, &config)?;
                let predictions = study.predictions(&run)?;
                trained.push(Trained::new(run, predictions, self.ks.len(), self.last as usize));
            }
            rows.push(row::Done::new(row.clone(), trained, self.seeds.len()));
        }
        Ok(Findings {
            claims: verdict::claims(&rows),
            figures: sheets::figures(&rows),
            tables: sheets::tables(&rows, &self.ks),
            methods: self.methods(),
        })
    }
}

impl Table1 {
    fn methods(&self) -> Vec<String> {
        let limits = match (self.train_limit, self.test_limit) {
            (None, None) => String::new(),
            (train, test) => {
                let of = |limit: Option<usize>, what: &str| limit.map(|n| format!("the first {n} {what} images"));
                let parts: Vec<String> = [of(train, "training"), of(test, "test")].into_iter().flatten().collect();
                format!(" It uses {} only.", parts.join(" and "))
            }
        };
        vec![
            format!(
                "Batch {}, {} epochs, learning rate {} divided by 10 every {} epochs, Nesterov momentum 0.9, weight decay 5e-4, \
                 random crop and flip.{limits} One seed determines initialisation, order and augmentation. The result of a \
                 training is its mean test accuracy over the last {} epochs.",
                self.batch_size, self.epochs, self.lr, self.decay_every, self.last
            ),
            "Deviations over k are taken at one seed, those over seeds at one k. The paper divides by n (ddof 0); dividing by n - 1 \
             makes the variance unbiased. Pooled deviations are the root of the mean variance of all seeds (of all k). The 95 % \
             intervals are those of a normal sample, from chi-square. Trainings of one seed that differ in k are almost independent \
             once they have parted; they still share the order of the images."
                .to_owned(),
            "The pooled interval over seeds is too narrow: trainings of one seed share initialisation, order and augmentation, so \
             the samples at different k are not independent, although their degrees of freedom are added. A contradiction is \
             therefore judged by the interval that a single k would have."
                .to_owned(),
            "Churn is the share of test images that two trainings classify differently at the end: two networks of equal \
             accuracy can disagree on many images."
                .to_owned(),
            "The noise of the test set is the binomial deviation of the accuracy over test sets of this size. All trainings are \
             tested on the same images, so it is not part of the spreads; it shows how precisely a single accuracy is known."
                .to_owned(),
            "The control is trained in the same run and is left out of all spreads: it must equal the first copy bit for bit.".to_owned(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_size_is_the_paper_s() {
        let full = Flags::default().experiment(false).unwrap().settings().unwrap();
        let count = |key: &str| full[key].as_array().map(Vec::len);
        assert_eq!([count("rows"), count("ks"), count("seeds")], [Some(4), Some(6), Some(6)]);
        assert_eq!((full["epochs"].as_integer(), full["last"].as_integer()), (Some(200), Some(10)));
    }

    #[test]
    fn bad_values_name_their_flag() {
        let bad = [
            (Flags { ks: Some(vec![1]), ..Flags::default() }, "--ks"),
            (Flags { ks: Some(vec![1, 4]), ..Flags::default() }, "--ks: k = 4"),
            (Flags { ks: Some(vec![1, 64]), ..Flags::default() }, "--ks"),
            (Flags { seeds: Some(vec![]), ..Flags::default() }, "--seeds"),
            (Flags { seeds: Some(vec![1, 1]), ..Flags::default() }, "--rows, --seeds"),
            (Flags { last: Some(0), ..Flags::default() }, "--last"),
            (Flags { epochs: Some(5), ..Flags::default() }, "--last"),
            (Flags { lr: Some(-1.0), ..Flags::default() }, "--lr"),
        ];
        for (flags, flag) in bad {
            let Err(failure) = flags.experiment(false) else { panic!("{flags:?} is accepted") };
            assert!(failure.to_string().starts_with(flag), "{failure}");
        }
    }
}
