//! Table 1: whole trainings that differ only in k, compared with whole trainings that differ in the seed. By the paper, the
//! standard deviation of the test accuracy over k is as large as that over seeds.

mod output;
mod row;
mod verdict;

use lastbit_core::ops::sgd::Perturbation;
use lastbit_core::train::{LrChange, MAX_K, TrainConfig};

use super::checks::{check_no_control, has_duplicates};
use super::flags::flags;
use super::run::Run;
use super::trained::TrainedRun;
use super::{Experiment, Findings, Forecast, Further, Study};
use crate::failure::Failure;
use crate::train_flags::divisor;
use row::{Row, RowSpec};

flags! {
    /// Table 1: spread of the test accuracy over k, compared with that over seeds
    #[name = "table1"]
    #[example = "lastbit reproduce table1 --rows vgg16:relu:cifar10 --seeds 1,2,3 --out runs/vgg16"]
    pub struct Table1 {
        /// Rows, each NET:ACTIVATION:DATASET
        rows: Vec<RowSpec> = RowSpec::defaults(false), quick = RowSpec::defaults(true);
        /// Divisors; a control with twice the first is added
        #[arg(value_name = "K,K,...", value_parser = divisor)]
        ks: Vec<u32> = vec![1, 3, 5, 7, 9, 11];
        /// Seeds of initialisation, order and augmentation together
        seeds: Vec<u64> = vec![1, 2, 3, 4, 5, 6], quick = vec![1, 2, 3];
        /// Epochs of a training
        epochs: u32 = 200, quick = 12;
        /// Epochs between decays of the learning rate by 10
        #[arg(value_name = "EPOCHS")]
        decay_every: u32 = 40, quick = 5;
        /// The result of a training is its mean test accuracy over this many last epochs
        last: u32 = 10, quick = 3;
        /// Samples in a batch
        batch_size: u32 = 128, quick = 32;
        /// Initial learning rate
        lr: f64 = 0.1;
        /// Learning rates from given steps on, for trainings too short to decay by epochs
        lr_changes: Vec<LrChange> = Vec::new(), shown = "none";
        /// Train on the first N images only
        train_limit: Option<usize> = None, quick = Some(2048);
        /// Evaluate on the first N test images only
        test_limit: Option<usize> = None, quick = Some(1000);
        /// Forms of the perturbation; the table uses the first, the others are compared with it at the first seed
        perturbation: Vec<Perturbation> = Perturbation::ALL.to_vec();
    }
}

impl Table1 {
    fn config(&self, row: &RowSpec, seed: u64, perturbation: Perturbation) -> TrainConfig {
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
            lr_changes: self.lr_changes.clone(),
            epochs: self.epochs,
            decay_every: self.decay_every,
            train_limit: self.train_limit,
            test_limit: self.test_limit,
            ..TrainConfig::default()
        }
    }

    /// Runs of a row by name: every seed, then the other forms of the perturbation at the first seed.
    fn runs(&self, row: &RowSpec) -> Vec<(String, TrainConfig)> {
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
        if has_duplicates(&self.seeds) || has_duplicates(&self.perturbation) || has_duplicates(&self.rows) {
            return refuse("--rows, --seeds, --perturbation: give each value once".to_owned());
        }
        if self.ks[0].saturating_mul(2) > MAX_K {
            return refuse(format!(
                "--ks: the first must be at most {}, so that twice its value can be the control",
                MAX_K / 2
            ));
        }
        for form in &self.perturbation {
            let config = self.config(&self.rows[0], self.seeds[0], *form);
            config.validate()?;
            check_no_control(&config, self.ks.len())?;
        }
        if self.last == 0 || self.last > self.epochs {
            return refuse(format!("--last: must be between 1 and the {} epochs, not {}", self.epochs, self.last));
        }
        Ok(())
    }

    fn forecast(&self, study: &Study) -> Result<Forecast, Failure> {
        study.forecast_runs(&self.all_runs(), Further::OUTPUTS)
    }

    fn independent_runs(&self) -> Vec<(String, TrainConfig)> {
        self.all_runs()
    }

    fn complete(&self, study: &mut Study, run: &Run) -> Result<(), Failure> {
        study.predictions(run).map(drop)
    }

    fn run(&self, study: &mut Study) -> Result<Findings, Failure> {
        let mut rows = Vec::new();
        for spec in &self.rows {
            let mut trained = Vec::new();
            for (name, config) in self.runs(spec) {
                let mut run = study.train(&name, &config)?;
                // Losses are not shown, and there are as many as steps.
                run.loss.clear();
                let predictions = study.predictions(&run)?;
                trained.push(TrainedRun::new(run, predictions, self.last as usize));
            }
            rows.push(Row::new(spec.clone(), trained, self.seeds.len()));
        }
        Ok(Findings {
            claims: verdict::claims(&rows),
            figures: output::figures(&rows),
            tables: output::tables(&rows, &self.ks),
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
        let changes: Vec<String> =
            self.lr_changes.iter().map(|change| format!(", {} from step {} on", change.lr, change.step)).collect();
        let decays = match self.decay_every {
            0 => String::new(),
            every => format!(", divided by 10 every {every} epochs"),
        };
        vec![
            format!(
                "Batch {}, {} epochs, learning rate {}{}{decays}, Nesterov momentum 0.9, weight decay 5e-4, random crop and \
                 flip.{limits} One seed determines initialisation, order and augmentation. The result of a training is its mean \
                 test accuracy over the last {} epochs.",
                self.batch_size,
                self.epochs,
                self.lr,
                changes.concat(),
                self.last
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
    use crate::reproduce::Flags as _;

    #[test]
    fn full_size_is_the_paper_s() {
        let full = Table1::read(None, false).settings().unwrap();
        let count = |key: &str| full[key].as_array().map(Vec::len);
        assert_eq!([count("rows"), count("ks"), count("seeds")], [Some(4), Some(6), Some(6)]);
        assert_eq!((full["epochs"].as_integer(), full["last"].as_integer()), (Some(200), Some(10)));
    }

    #[test]
    fn rates_from_steps_on_reach_the_trainings() {
        let change = LrChange { step: 79, lr: 0.01 };
        let experiment = Table1 { decay_every: 0, lr_changes: vec![change], ..Table1::read(None, false) };
        let config = experiment.config(&experiment.rows[0], 1, Perturbation::Divide);
        let length = config.length(50_000);
        assert_eq!([78, 79].map(|step| config.lr_at(step, length)), [0.1, 0.01]);
        assert!(experiment.methods()[0].contains("learning rate 0.1, 0.01 from step 79 on, Nesterov"));
    }

    #[test]
    fn bad_values_name_their_flag() {
        let full = || Table1::read(None, false);
        let bad = [
            (Table1 { ks: vec![1], ..full() }, "--ks"),
            (Table1 { ks: vec![1, 4], ..full() }, "--ks: k = 4"),
            (Table1 { ks: vec![1, 64], ..full() }, "--ks"),
            (Table1 { seeds: vec![], ..full() }, "--seeds"),
            (Table1 { seeds: vec![1, 1], ..full() }, "--rows, --seeds"),
            (Table1 { last: 0, ..full() }, "--last"),
            (Table1 { epochs: 5, ..full() }, "--last"),
            (Table1 { lr: -1.0, ..full() }, "--lr"),
            (Table1 { lr_changes: vec![LrChange { step: 0, lr: 0.1 }], ..full() }, "--lr-changes"),
        ];
        for (experiment, flag) in bad {
            let Err(failure) = experiment.check() else { panic!("{experiment:?} is accepted") };
            assert!(failure.to_string().starts_with(flag), "{failure}");
        }
    }
}
