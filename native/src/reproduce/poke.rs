//! One perturbation at one step: how far apart the copies are at the end, against the step of the perturbation and its size. The paper's k
//! acts in every step, so that it cannot say when training is sensitive.

mod verdict;

use lastbit_core::nets::NetKind;
use lastbit_core::ops::Activation;
use lastbit_core::train::{DatasetKind, LINE_POINTS, Perturb, Poke as Perturbation, PokeKind, TrainConfig};

use super::checks::has_duplicates;
use super::findings::table;
use super::flags::flags;
use super::run::{Run, constant_rate};
use super::{Agreement, Experiment, Findings, Forecast, Further, Study};
use crate::failure::Failure;
use crate::plot::{Axis, Figure};

flags! {
    /// One perturbation at one step: the distance at the end against its step and its size
    #[name = "poke"]
    #[example = "lastbit reproduce poke --quick --dataset fashion-mnist --out runs/poke"]
    pub struct Poke {
        /// Network
        net: NetKind = NetKind::ResNet { depth: 20 }, quick = NetKind::ResNet { depth: 8 };
        /// Nonlinearity: relu, swish (beta 5), swish:BETA or tanh
        activation: Activation = Activation::Relu;
        /// Images: cifar10, fashion-mnist, folder or synthetic
        dataset: DatasetKind = DatasetKind::Cifar10;
        /// Samples in a batch
        batch_size: u32 = 128, quick = 32;
        /// Learning rate, which falls to 0 along a straight line
        lr: f64 = 0.1;
        /// Momentum coefficient
        momentum: f64 = 0.9;
        /// Steps of each run
        steps: u64 = 8000, quick = 300;
        /// Steps before which one weight moves by one ulp, and everything by gaussian noise
        at: Vec<u64> = vec![1, 100, 1000, 2000, 4000, 6000, 7500], quick = vec![1, 60, 120, 180, 240, 290];
        /// Sizes of the gaussian noise, in units of the initial scale
        sizes: Vec<f64> = vec![1e-6, 1e-4, 1e-2], quick = vec![1e-5, 1e-3];
        /// Seeds
        seeds: Vec<u64> = vec![1, 2, 3], quick = vec![1];
        /// Evaluate on the first N test images only
        test_limit: Option<usize> = None, quick = Some(1000);
        /// Images of each set on which the ends are compared along the line between them
        images: usize = 2000, quick = 500;
    }
}

/// What the ends of two copies show.
#[derive(Clone, Debug)]
struct End {
    seed: u64,
    at: u64,
    /// `ulp`, or the size of the noise.
    kind: String,
    /// Whether every step before the perturbation has distance 0; unknown if one has no number.
    is_equal_before: Agreement,
    /// Relative L1 to the undisturbed copy after the last step.
    distance: f64,
    /// Test images that the two classify differently, in percent.
    disagreement: f64,
    /// Correlation of the softmax outputs.
    correlation: f64,
    /// Barriers in the loss on the training and on the test images.
    barriers: [f64; 2],
}

/// Whether two copies at this distance are equal; unknown if it has no number.
fn is_equal(distance: f64) -> Agreement {
    if distance.is_nan() { Agreement::CannotTell } else { Agreement::of(distance == 0.0) }
}

impl Poke {
    /// The perturbations, in the order of the replicas after the undisturbed one.
    fn pokes(&self) -> Vec<Perturbation> {
        let of = |step, kind, size| Perturbation { step, kind, size, tensor: None, seed: None };
        let each = |&step: &u64| {
            let noise = self.sizes.iter().map(move |&size| of(step, PokeKind::Gaussian, size));
            std::iter::once(of(step, PokeKind::Ulp, 1.0)).chain(noise)
        };
        self.at.iter().flat_map(each).collect()
    }

    /// The undisturbed copy, the perturbed ones, and at the end an undisturbed copy as a null control.
    fn config(&self, seed: u64) -> TrainConfig {
        let none = || Perturb(None);
        let pokes = self.pokes().into_iter().map(|poke| Perturb(Some(poke)));
        let perturb: Vec<Perturb> = std::iter::once(none()).chain(pokes).chain([none()]).collect();
        TrainConfig {
            net: self.net,
            activation: Some(self.activation),
            dataset: self.dataset,
            ks: vec![1; perturb.len()],
            perturb,
            seed,
            batch_size: self.batch_size,
            test_limit: self.test_limit,
            lr: self.lr,
            schedule: lastbit_core::train::Schedule::Linear,
            momentum: self.momentum,
            nesterov: self.momentum > 0.0,
            epochs: u32::MAX,
            steps: Some(self.steps),
            decay_every: TrainConfig::default().decay_every,
            ..constant_rate()
        }
    }

    fn runs(&self) -> Vec<(String, TrainConfig)> {
        self.seeds.iter().map(|&seed| (format!("seed{seed}"), self.config(seed))).collect()
    }

    fn ends(&self, study: &mut Study, seed: u64) -> Result<(Run, Vec<End>), Failure> {
        let run = study.train(&format!("seed{seed}"), &self.config(seed))?;
        let (outputs, labels) = study.outputs(&run)?;
        let compared = study.ends(&run, self.images)?;
        let pokes = self.pokes().into_iter().enumerate();
        let ends = pokes.map(|(index, poke)| {
            let replica = index + 1;
            let before = run.steps.iter().zip(&run.rel_l1[replica]).take_while(|(step, _)| **step < poke.step);
            let before = before.map(|(_, distance)| *distance);
            let similarity = outputs[0].similarity(&outputs[replica], &labels);
            let pair = compared.pairs.iter().find(|pair| pair.b.replica == replica);
            End {
                seed,
                at: poke.step,
                kind: if poke.kind == PokeKind::Ulp { "ulp".to_owned() } else { poke.size.to_string() },
                is_equal_before: before.map(is_equal).fold(Agreement::Yes, Agreement::and),
                distance: run.rel_l1[replica].last().copied().unwrap_or(f64::NAN),
                disagreement: similarity.disagreement,
                correlation: similarity.correlation,
                barriers: pair.map_or([f64::NAN; 2], |pair| [pair.train_barrier, pair.test_barrier]),
            }
        });
        let ends = ends.collect();
        Ok((run, ends))
    }
}

impl Experiment for Poke {
    fn title(&self) -> String {
        format!("One perturbation at one step: {} with {} on {}", self.net, self.activation, self.dataset)
    }

    fn is_in_paper(&self) -> bool {
        false
    }

    fn check(&self) -> Result<(), Failure> {
        let refuse = |text: String| Err(Failure::usage(text));
        if self.seeds.is_empty() || has_duplicates(&self.seeds) {
            return refuse("--seeds: give at least one, each once".to_owned());
        }
        if self.at.len() < 2 || has_duplicates(&self.at) || !self.at.is_sorted() {
            return refuse("--at: give at least two steps, ascending, each once".to_owned());
        }
        if let Some(late) = self.at.iter().find(|step| **step > self.steps) {
            return refuse(format!("--at: step {late} is after the last one ({})", self.steps));
        }
        if has_duplicates(&self.sizes) || !self.sizes.is_sorted() {
            return refuse("--sizes: give them ascending, each once".to_owned());
        }
        if self.images == 0 {
            return refuse("--images: give at least 1".to_owned());
        }
        self.seeds.iter().try_for_each(|&seed| Ok(self.config(seed).validate()?))
    }

    fn forecast(&self, study: &Study) -> Result<Forecast, Failure> {
        // The comparison of the ends in evaluations of all replicas, by the samples that go through the network.
        let (others, line) = (self.pokes().len() + 1, LINE_POINTS);
        let compared = others * ((line + 2) * 2 + line) * self.images;
        let evaluated = (others + 1) * self.test_limit.unwrap_or(10_000);
        let ends = compared as f64 / evaluated as f64;
        let Further { evaluations, pieces } = Further::OUTPUTS;
        study.forecast_runs(&self.runs(), Further { evaluations: evaluations + ends, pieces: pieces + 1 })
    }

    fn independent_runs(&self) -> Vec<(String, TrainConfig)> {
        self.runs()
    }

    fn complete(&self, study: &mut Study, run: &Run) -> Result<(), Failure> {
        study.outputs(run)?;
        study.ends(run, self.images).map(drop)
    }

    fn run(&self, study: &mut Study) -> Result<Findings, Failure> {
        let (mut runs, mut ends) = (Vec::new(), Vec::new());
        for &seed in &self.seeds {
            let (run, of_run) = self.ends(study, seed)?;
            runs.push(run);
            ends.extend(of_run);
        }
        Ok(Findings {
            claims: self.claims(&runs, &ends),
            figures: self.figures(&runs, &ends),
            tables: vec![tables(&ends)],
            methods: self.methods(),
        })
    }
}

fn tables(ends: &[End]) -> super::Table {
    table!("poke", "Every perturbed copy", for end in ends => {
        "seed" = end.seed,
        "step" as "perturbed before step" = end.at,
        "size" = end.kind,
        "equal_before" as "equal until then" = end.is_equal_before.word(),
        "rel_l1" as "relative L1 at the end" = end.distance,
        "disagreement" as "disagreement, %" = end.disagreement,
        "correlation" as "correlation of the softmax" = end.correlation,
        "train_barrier" as "barrier, training images" = end.barriers[0],
        "test_barrier" as "barrier, test images" = end.barriers[1],
    })
}

impl Poke {
    fn kinds(&self) -> Vec<String> {
        std::iter::once("ulp".to_owned()).chain(self.sizes.iter().map(f64::to_string)).collect()
    }

    fn figures(&self, runs: &[Run], ends: &[End]) -> Vec<Figure> {
        let name =
            |kind: &str| if kind == "ulp" { "one ulp in one weight".to_owned() } else { format!("noise {kind}") };
        let of = |value: fn(&End) -> f64, kind: &str| -> Vec<(f64, f64)> {
            let at = |&step: &u64| {
                let values: Vec<f64> =
                    ends.iter().filter(|end| end.kind == kind && end.at == step).map(value).collect();
                (step as f64, crate::statistics::median(&values))
            };
            self.at.iter().map(at).collect()
        };
        let mut distance = Figure::new(
            "poke-distance",
            "Distance at the end",
            Axis::linear("step before which the copy was perturbed"),
            Axis::log("relative L1 to the undisturbed copy, at most 2"),
        );
        let mut disagreement = Figure::new(
            "poke-disagreement",
            "Disagreement at the end",
            Axis::linear("step before which the copy was perturbed"),
            Axis::linear("test images classified differently, %"),
        );
        let mut barrier = Figure::new(
            "poke-barrier",
            "Barrier at the end",
            Axis::linear("step before which the copy was perturbed"),
            Axis::linear("barrier in the loss on training images"),
        );
        for kind in self.kinds() {
            barrier = barrier.dotted_line(name(&kind), of(|end| end.barriers[0], &kind));
            distance = distance.dotted_line(name(&kind), of(|end| end.distance, &kind));
            disagreement = disagreement.dotted_line(name(&kind), of(|end| end.disagreement, &kind));
        }
        let mut along = Figure::new(
            "poke-curves",
            format!("One ulp in one weight, seed {}", self.seeds[0]),
            Axis::linear("step"),
            Axis::log("relative L1 to the undisturbed copy"),
        );
        let first = &runs[0];
        for (index, poke) in self.pokes().iter().enumerate().filter(|(_, poke)| poke.kind == PokeKind::Ulp) {
            let points = first.steps.iter().zip(&first.rel_l1[index + 1]).filter(|(_, d)| **d > 0.0);
            along = along.line(format!("at {}", poke.step), points.map(|(step, d)| (*step as f64, *d)).collect());
        }
        let many = if self.seeds.len() > 1 { "Medians over the seeds." } else { "One seed." };
        vec![
            distance.caption(many),
            disagreement.caption(many),
            barrier.caption(format!(
                "The highest loss on the straight line to the undisturbed copy less the mean of both ends. {many}"
            )),
            along.caption("Each curve begins at its perturbation."),
        ]
    }

    fn methods(&self) -> Vec<String> {
        vec![format!(
            "{} with {} on {}, batch {}, SGD with momentum {}, learning rate {} that falls to 0 along a straight line over {} steps. All \
             copies have k = 1 and the same start, order and augmentation; one run trains them in lockstep. A copy is perturbed once, before \
             one step: one weight of a convolution moves by one ulp, or every weight gets gaussian noise of a size in units of its initial \
             standard deviation.",
            self.net, self.activation, self.dataset, self.batch_size, self.momentum, self.lr, self.steps
        )]
    }
}
