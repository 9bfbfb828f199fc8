//! What precision changes: the same network, initial weights, batches and divisors in float32 on the adapter and in float64
//! on the host. More bits make the first difference smaller and do not change its growth. Not in the paper.

use std::sync::Arc;

use lastbit_core::data::Dataset;
use lastbit_core::double::DoubleTrainer;
use lastbit_core::nets::{NetKind, Node};
use lastbit_core::ops::Activation;
use lastbit_core::train::{DatasetKind, TrainConfig};
use serde::{Deserialize, Serialize};

use super::checks::{check_between, check_positive};
use super::divergence::{of_replica, plotted};
use super::findings::{claim, table};
use super::flags::flags;
use super::growth::{Growth, VISIBLE, exponential_phase, reaches};
use super::pde::MOST_STEPS;
use super::run::{Run, constant_rate};
use super::{Agreement, Claim, Experiment, Findings, Forecast, Further, Study, check_interrupt};
use crate::failure::Failure;
use crate::numbers::about;
use crate::plot::{Axis, Figure};

/// Replicas: the pair that is compared, and a null control.
const KS: [u32; 3] = [1, 3, 2];
/// Index of the perturbed replica in [`KS`].
const PERTURBED: usize = 1;
/// Index of the null control in [`KS`].
const CONTROL: usize = 2;
/// Test images of the evaluation at the end of the run, which is not used.
const TEST_IMAGES: usize = 16;

flags! {
    /// What precision changes: float32 on the adapter compared with float64 on the host
    #[name = "precision"]
    pub struct Precision {
        /// Network
        net: NetKind = NetKind::ResNet { depth: 8 };
        /// Nonlinearity: relu, swish (beta 5), swish:BETA or tanh
        activation: Activation = Activation::Relu;
        /// Images: cifar10, fashion-mnist, folder or synthetic
        dataset: DatasetKind = DatasetKind::Cifar10;
        /// Samples in a batch
        batch_size: u32 = 16, quick = 8;
        /// Learning rate
        lr: f64 = 0.1;
        /// Steps
        steps: u64 = 60, quick = 20;
        /// Seed
        seed: u64 = 1;
    }
}

/// The float64 run, `[step][replica]`. `None` is a number that is not finite.
#[derive(Serialize, Deserialize)]
struct Trajectory {
    loss: Vec<Vec<Option<f64>>>,
    rel_l1: Vec<Vec<Option<f64>>>,
}

impl Precision {
    fn config(&self) -> TrainConfig {
        TrainConfig {
            net: self.net,
            activation: Some(self.activation),
            dataset: self.dataset,
            ks: KS.to_vec(),
            seed: self.seed,
            batch_size: self.batch_size,
            lr: self.lr,
            steps: Some(self.steps),
            log_every: Some(1),
            test_limit: Some(TEST_IMAGES),
            ..constant_rate()
        }
    }

    fn in_double(&self, dataset: Arc<Dataset>) -> Result<Trajectory, Failure> {
        let mut trainer = DoubleTrainer::new(self.config(), dataset)?;
        let mut trajectory = Trajectory { loss: Vec::new(), rel_l1: Vec::new() };
        let finite = |values: Vec<f64>| values.into_iter().map(super::pde::finite).collect();
        for _ in 0..self.steps {
            check_interrupt()?;
            let step = trainer.step();
            trajectory.loss.push(finite(step.loss));
            trajectory.rel_l1.push(finite(step.rel_l1));
        }
        Ok(trajectory)
    }

    fn claims(&self, run: &Run, trajectory: &Trajectory, single: &[(u64, f64)], double: &[(u64, f64)]) -> Vec<Claim> {
        let first = [single, double].map(|points| points.first().map_or(f64::NAN, |(_, distance)| *distance));
        let losses = [run.loss[0][0], trajectory.loss[0][0].unwrap_or(f64::NAN)];
        let off = (losses[0] / losses[1] - 1.0).abs();
        let growth = [single, double].map(exponential_phase);
        let factors =
            growth.map(|growth| growth.map_or("an unmeasurable factor".to_owned(), |growth| about(growth.factor)));
        // A fit to few points, or to points that are not on a line, cannot contradict the claim.
        let is_clear = |growth: &Growth| growth.r_squared > 0.9 && growth.steps.1 - growth.steps.0 >= 10;
        let by = [single, double].map(|points| reaches(points, VISIBLE));
        let text =
            |by: Option<u64>| by.map_or(format!("not within {} steps", self.steps), |step| format!("at step {step}"));
        let control_double = trajectory.rel_l1.iter().map(|line| match line[CONTROL] {
            Some(0.0) => Agreement::Yes,
            Some(_) => Agreement::No,
            None => Agreement::CannotTell,
        });
        let controls = [run.are_controls_zero, control_double.fold(Agreement::Yes, Agreement::and)];
        let [in_single, in_double] = controls.map(|control| match control {
            Agreement::Yes => "zero bits differ",
            Agreement::No => "bits differ",
            Agreement::CannotTell => "cannot tell, the numbers are not finite",
        });
        vec![
            claim! {
                about: "One and the same network",
                paper: "Not in the paper: both start from the same weights and see the same batches.",
                found: format!("The first batch's loss is {:.7} in float32 and {:.7} in float64: a relative difference of {}.", losses[0], losses[1], about(off)),
                agrees: Agreement::of(off < 1e-5),
                certainty: "Sure: two programs for the same formulas, one on the adapter, one on the host.",
            },
            claim! {
                about: "The first difference",
                paper: "By the formats: float64 has 29 more bits, so its first difference is about 2⁻²⁹ = 1.9 × 10⁻⁹ times as \
                    large.",
                found: format!("After step 1 k = 3 is {} from k = 1 in float32 and {} in float64{}.", about(first[0]), about(first[1]), if first[0] > 0.0 { format!(": {} times", about(first[1] / first[0])) } else { String::new() }),
                // A rate may be so small that no weight moves by an ulp in one step.
                agrees: match first.iter().all(|distance| *distance > 0.0) {
                    true => Agreement::of((1e-11..1e-7).contains(&(first[1] / first[0]))),
                    false => Agreement::CannotTell,
                },
                certainty: "Sure to an order of magnitude: it is chance how many weights a rounding moves.",
            },
            claim! {
                about: "The growth",
                paper: "An instability of the algorithm, not of the format, grows at the same rate in both.",
                found: format!("While growth is exponential: by {} a step in float32 and {} in float64.", factors[0], factors[1]),
                agrees: match growth {
                    [Some(a), Some(b)] => match (0.5..2.0).contains(&(a.factor.ln() / b.factor.ln())) {
                        true => Agreement::Yes,
                        false if [a, b].iter().all(is_clear) => Agreement::No,
                        false => Agreement::CannotTell,
                    },
                    _ => Agreement::CannotTell,
                },
                certainty: "Fair: growth changes from step to step, and the exponential phase of float32 has few steps.",
            },
            claim! {
                about: "The parting",
                paper: "More bits postpone it but do not prevent it.",
                found: format!("1 % apart {} in float32, {} in float64.", text(by[0]), text(by[1])),
                agrees: match by {
                    [Some(a), Some(b)] => Agreement::of(a < b),
                    _ => Agreement::CannotTell,
                },
                certainty: "One seed: it is sure which comes first, but not by how many steps.",
            },
            claim! {
                about: "Null controls",
                paper: "k = 2 equals k = 1 bit for bit in either format.",
                found: format!("float32: {in_single}; float64: {in_double}."),
                agrees: controls[0].and(controls[1]),
                certainty: "Sure: compared after every step.",
            },
        ]
    }
}

impl Experiment for Precision {
    fn is_in_paper(&self) -> bool {
        false
    }

    fn title(&self) -> String {
        format!(
            "What precision changes: {} with {} on {} in float32 and float64",
            self.net, self.activation, self.dataset
        )
    }

    fn check(&self) -> Result<(), Failure> {
        check_positive("--lr", self.lr)?;
        check_between("--steps", 1, MOST_STEPS, self.steps)?;
        Ok(self.config().validate()?)
    }

    fn forecast(&self, study: &Study) -> Result<Forecast, Failure> {
        let runs = study.forecast_runs(&[("float32".to_owned(), self.config())], Further::default())?;
        if study.is_done("float64") {
            return Ok(runs);
        }
        // The host does about a billion multiply-adds a second, and a step takes three forward passes.
        let dataset = study.images(&self.config())?.dataset;
        let network = self.config().net.build(dataset.shape(), dataset.classes, self.activation, 1.0);
        let network = network.map_err(|error| Failure::usage(format!("--net: {error}")))?;
        let macs: u64 = network.nodes.iter().map(Node::multiply_adds).sum();
        let seconds = 3e-9 * macs as f64 * f64::from(self.batch_size) * (KS.len() as u64 * self.steps) as f64;
        Ok(runs.and(study.forecast_pieces([("float64", seconds)])))
    }

    fn run(&self, study: &mut Study) -> Result<Findings, Failure> {
        let run = study.train("float32", &self.config())?;
        let dataset = study.images(&self.config())?.dataset;
        let trajectory: Trajectory = study.piece("float64", |_| self.in_double(dataset))?;
        let single = of_replica(&run, PERTURBED);
        let values = trajectory.rel_l1.iter().map(|line| line[PERTURBED].unwrap_or(f64::NAN));
        let double: Vec<(u64, f64)> = (1..).zip(values).collect();
        let losses = |values: Vec<f64>| (1..).map(f64::from).zip(values).collect::<Vec<_>>();
        let apart = Figure::new(
            "precision-distance",
            "Distance of k = 3 from k = 1",
            Axis::linear("step (1)"),
            Axis::log("relative L1 (0 to 2)"),
        )
        .dotted_line("float32 on the adapter", plotted(&single))
        .dotted_line("float64 on the host", plotted(&double))
        .horizontal("1 %: visible", VISIBLE)
        .caption("Over all convolution weights. float64 begins nine decades lower.");
        let loss = Figure::new("precision-loss", "Loss of k = 1", Axis::linear("step (1)"), Axis::log("loss (nats)"))
            .line("float32 on the adapter", losses(run.loss[0].clone()))
            .line(
                "float64 on the host",
                losses(trajectory.loss.iter().map(|line| line[0].unwrap_or(f64::NAN)).collect()),
            )
            .caption("float32 is itself a perturbation of float64: the two curves part as k = 3 parts from k = 1.");
        let title = "Loss of k = 1 and distance of k = 3 at every step";
        let data = table!("precision", title, for (i, (step, distance)) in single.iter().enumerate() => {
            let at = |lines: &[Vec<Option<f64>>], replica: usize| lines.get(i).and_then(|line| line[replica]);
            "step" = step,
            "loss_float32" = run.loss[0][i],
            "loss_float64" = at(&trajectory.loss, 0),
            "rel_l1_float32" = distance,
            "rel_l1_float64" = at(&trajectory.rel_l1, PERTURBED),
        });
        Ok(Findings {
            claims: self.claims(&run, &trajectory, &single, &double),
            figures: vec![apart, loss],
            tables: vec![data.not_shown()],
            methods: vec![
                "The float64 run uses plain loops on one core, with the same network, initial weights (float32 values), batches, \
                 crops, optimiser and divisors. Every product, sum and quotient is rounded to 53 bits. Tests compare its first \
                 loss and gradients with the adapter's."
                    .to_owned(),
            ],
        })
    }
}
