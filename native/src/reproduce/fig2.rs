//! Figure 2, right: two copies of a network under plain SGD, k = 1 against 3, at the learning rates 0.1 / n. A large rate
//! amplifies the last bit; a small one does not. What the paper leaves out stands beside it: null controls, growth by
//! layer, the forms of the perturbation, and how many test images the copies disagree on.

use clap::Args;
use lastbit_core::nets::NetKind;
use lastbit_core::ops::Activation;
use lastbit_core::ops::Shape;
use lastbit_core::ops::sgd::Perturbation;
use lastbit_core::train::{DatasetKind, TrainConfig};
use serde::Serialize;

use super::churn::{Churn, disagreement};
use super::figure::{Axis, Figure};
use super::forms::{form, form_name, forms_of};
use super::growth::{self, VISIBLE, exponential_phase, first_bit, median, reaches};
use super::onset;
use super::run::Run;
use super::{Agreement, Cell, Claim, Experiment, Findings, Forecast, Setup, Study, Table, settings_of};
use crate::failure::Failure;
use crate::report::numbers::{about, count, list, range};

/// Learning rates are 0.1 / n.
const LARGEST_LR: f64 = 0.1;
/// The paper's n.
const NS: [u64; 7] = [2, 4, 8, 16, 32, 320, 3200];
/// Replicas of a run: the pair that is compared, and two null controls.
const KS: [u32; 4] = [1, 3, 2, 1];
/// Of [`KS`].
const PERTURBED: usize = 1;
/// A distance beyond everything that rounding alone makes.
const MACROSCOPIC: f64 = 1e-3;

/// Flags of `reproduce fig2`.
#[derive(Debug, Default, Args)]
pub struct Flags {
    /// Largest n of the learning rates 0.1/n for n = 2, 4, 8, 16, 32, 320, 3200 [default: 32; --quick: 2 and 8 alone]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    n_max: Option<u64>,
    /// Seeds; the figure shows medians [default: 1,2,3; --quick: 1]
    #[arg(long, value_name = "N,N,...", value_delimiter = ',')]
    seeds: Option<Vec<u64>>,
    /// Network [default: resnet56; --quick: resnet20]
    #[arg(long)]
    net: Option<NetKind>,
    /// Nonlinearity: relu, swish (beta 5) or swish:BETA [default: swish]
    #[arg(long)]
    activation: Option<Activation>,
    /// Images: cifar10, fashion-mnist, folder or synthetic [default: cifar10]
    #[arg(long)]
    dataset: Option<DatasetKind>,
    /// Weight tensor that the figure follows [default: layer2.5.conv1.weight, in another network the one in the middle]
    #[arg(long, value_name = "NAME")]
    tensor: Option<String>,
    /// Samples in a batch [default: 128]
    #[arg(long, value_name = "N")]
    batch_size: Option<u32>,
    /// Points of each curve, one every n steps [default: 100]
    #[arg(long, value_name = "N")]
    points: Option<u64>,
    /// End every run after so many steps, whatever its n [--quick: 50]
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Evaluate on the first N test images only [--quick: 1000]
    #[arg(long, value_name = "N")]
    test_limit: Option<usize>,
    /// Forms of the perturbation to set beside each other at the smallest n [default: divide,reciprocal,nextafter]
    #[arg(long, value_name = "FORM,...", value_delimiter = ',', value_parser = form)]
    perturbation: Option<Vec<Perturbation>>,
}

/// The experiment.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Fig2 {
    n_max: u64,
    /// Those up to `n_max` that are taken.
    #[serde(skip)]
    ns: Vec<u64>,
    seeds: Vec<u64>,
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

fn as_text<S: serde::Serializer>(net: &NetKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(net)
}

impl Setup for Flags {
    fn experiment(&self, is_quick: bool) -> Result<Box<dyn Experiment>, Failure> {
        let size = |quick: u64, full: u64| if is_quick { quick } else { full };
        let n_max = self.n_max.unwrap_or(size(8, 32));
        let net = self.net.unwrap_or(NetKind::ResNet { depth: size(20, 56) as u32 });
        let is_taken = |n: &u64| *n <= n_max && (!is_quick || self.n_max.is_some() || *n != 4);
        let ns: Vec<u64> = NS.into_iter().filter(is_taken).collect();
        if ns.is_empty() {
            return Err(Failure::usage(format!("--n-max: must be at least {}, not {n_max}", NS[0])));
        }
        let seeds = self.seeds.clone().unwrap_or_else(|| if is_quick { vec![1] } else { vec![1, 2, 3] });
        if seeds.is_empty() {
            return Err(Failure::usage("--seeds: give at least one"));
        }
        let points = self.points.unwrap_or(100);
        if points == 0 {
            return Err(Failure::usage("--points: must be at least 1"));
        }
        let experiment = Fig2 {
            n_max,
            ns,
            seeds,
            net,
            activation: self.activation.unwrap_or(Activation::Swish { beta: 5.0 }),
            dataset: self.dataset.unwrap_or(DatasetKind::Cifar10),
            tensor: followed(net, self.tensor.as_deref())?,
            batch_size: self.batch_size.unwrap_or(128),
            points,
            steps: self.steps.or(is_quick.then_some(50)),
            test_limit: self.test_limit.or(is_quick.then_some(1000)),
            perturbation: self.perturbation.clone().unwrap_or_else(forms_of),
        };
        for &n in &experiment.ns {
            experiment.config(n, experiment.seeds[0], Perturbation::Divide).validate()?;
        }
        Ok(Box::new(experiment))
    }
}

/// The tensor to follow: the one that is named, or the one at the place of `layer2.5.conv1.weight` among the nine blocks
/// of ResNet-56's second stage.
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
        return Err(Failure::usage(format!("--tensor: {net} has no convolution '{name}': one is {middle}")));
    }
    Ok(name.to_owned())
}

impl Fig2 {
    fn config(&self, n: u64, seed: u64, perturbation: Perturbation) -> TrainConfig {
        TrainConfig {
            net: self.net,
            activation: Some(self.activation),
            dataset: self.dataset,
            ks: if perturbation == Perturbation::Divide { KS.to_vec() } else { KS[..2].to_vec() },
            perturbation,
            seed,
            batch_size: self.batch_size,
            lr: LARGEST_LR / n as f64,
            momentum: 0.0,
            decay_every: 0,
            eval_every: 0,
            epochs: 100_000,
            steps: Some(self.steps.unwrap_or(n * self.points)),
            // Every step of the first rates; of the smaller ones every so manieth, among them every n-th.
            log_every: Some((n / NS[4]).max(1)),
            test_limit: self.test_limit,
            ..TrainConfig::default()
        }
    }

    /// Runs by name: every rate and seed, then the other forms of the perturbation at the largest rate.
    fn runs(&self) -> Vec<(String, TrainConfig)> {
        let pairs = self.ns.iter().flat_map(|&n| self.seeds.iter().map(move |&seed| (n, seed)));
        let main = pairs.map(|(n, seed)| (format!("n{n}-seed{seed}"), self.config(n, seed, Perturbation::Divide)));
        let (n, seed) = (self.ns[0], self.seeds[0]);
        let others = self.perturbation.iter().filter(|form| **form != Perturbation::Divide);
        let others = others.map(|&form| (format!("n{n}-seed{seed}-{}", form_name(form)), self.config(n, seed, form)));
        main.chain(others).collect()
    }
}

/// A finished run with what was read off it.
struct Done {
    n: u64,
    run: Run,
    churn: Vec<Churn>,
    /// Of the tensor that is followed: step and relative L1 at each layers line.
    tensor: Vec<(u64, f64)>,
    /// Over all convolutions: step and relative L1.
    whole: Vec<(u64, f64)>,
}

impl Done {
    fn new(run: Run, tensor: &str, predictions: &[Vec<u32>]) -> Self {
        let index = run.tensors.iter().position(|name| name == tensor).unwrap_or(0);
        Self {
            n: (LARGEST_LR / run.config.lr).round() as u64,
            tensor: onset::of_tensor(&run, PERTURBED, index),
            whole: onset::of_replica(&run, PERTURBED),
            churn: (1..predictions.len()).map(|r| disagreement(&predictions[0], &predictions[r])).collect(),
            run,
        }
    }

    fn lr(&self) -> f64 {
        self.run.config.lr
    }

    fn at(&self, step: u64) -> Option<f64> {
        self.whole.iter().find(|(at, _)| *at == step).map(|(_, distance)| *distance)
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

    fn run(&self, study: &mut Study) -> Result<Findings, Failure> {
        let mut done = Vec::new();
        for (name, config) in self.runs() {
            let run = study.train(&name, &config)?;
            let predictions = study.predictions(&run)?;
            done.push(Done::new(run, &self.tensor, &predictions));
        }
        let (main, forms): (Vec<&Done>, Vec<&Done>) =
            done.iter().partition(|done| done.run.config.perturbation == Perturbation::Divide);
        let forms: Vec<&Done> = main.iter().copied().take(1).chain(forms).collect();
        let curves = self.curves(&main);
        Ok(Findings {
            claims: self.claims(&main, &forms, &curves),
            figures: self.figures(&main, &forms, &curves),
            tables: self.tables(&main, &forms, &curves),
            methods: self.methods(),
        })
    }
}

/// A curve of the figure: at each scaled iteration the distance of each seed and their median.
struct Curve {
    n: u64,
    points: Vec<Point>,
}

struct Point {
    step: u64,
    /// Step / n.
    scaled: f64,
    /// `[seed]`
    values: Vec<f64>,
    /// Largest distance of any control of any seed.
    control: f64,
}

impl Curve {
    fn medians(&self) -> Vec<(f64, f64)> {
        self.points.iter().map(|point| (point.scaled, median(&point.values))).collect()
    }

    /// The median at the last point that is not after `scaled`.
    fn median_at(&self, scaled: f64) -> Option<f64> {
        self.points.iter().rev().find(|point| point.scaled <= scaled + 1e-9).map(|point| median(&point.values))
    }
}

impl Fig2 {
    /// The runs of the first seed by their rate.
    fn first_seed<'a>(&self, main: &[&'a Done]) -> Vec<(String, &'a Run)> {
        let runs = main.iter().filter(|done| done.run.config.seed == self.seeds[0]);
        runs.map(|done| (format!("lr {}", done.lr()), &done.run)).collect()
    }

    /// As published: a point every n steps. Where a run is shorter than a hundred points, all its steps.
    fn curves(&self, main: &[&Done]) -> Vec<Curve> {
        let curve = |&n: &u64| {
            let of_n: Vec<&&Done> = main.iter().filter(|done| done.n == n).collect();
            let is_sampled = |step: &u64| self.steps.is_some() || step.is_multiple_of(n);
            let steps: Vec<u64> = of_n[0].run.layers.keys().copied().filter(is_sampled).collect();
            let value = |done: &Done, step: u64| {
                done.tensor.iter().find(|(at, _)| *at == step).map_or(f64::NAN, |(_, distance)| *distance)
            };
            let control = |step: u64| {
                let of_run = |done: &&&Done| {
                    let controls = done.run.config.controls();
                    let lines = done.run.layers.get(&step).cloned().unwrap_or_default();
                    controls.into_iter().flat_map(|r| lines[r].clone()).fold(0.0, f64::max)
                };
                of_n.iter().map(of_run).fold(0.0, f64::max)
            };
            let point = |step: u64| Point {
                step,
                scaled: step as f64 / n as f64,
                values: of_n.iter().map(|done| value(done, step)).collect(),
                control: control(step),
            };
            Curve { n, points: steps.into_iter().map(point).collect() }
        };
        self.ns.iter().map(curve).collect()
    }

    fn claims(&self, main: &[&Done], forms: &[&Done], curves: &[Curve]) -> Vec<Claim> {
        let seeds = count(self.seeds.len() as u64, "seed");
        let mut claims = vec![self.begins(main), self.amplified(main, &seeds)];
        claims.extend(self.vanishes(curves, &seeds));
        claims.push(controls(main));
        claims.extend(self.forms_claim(forms));
        claims
    }

    fn begins(&self, main: &[&Done]) -> Claim {
        let first: Vec<f64> = main.iter().filter_map(|done| done.at(1)).collect();
        let (low, high) =
            (first.iter().copied().fold(f64::INFINITY, f64::min), first.iter().copied().fold(0.0, f64::max));
        Claim {
            about: "It begins in the last bit".to_owned(),
            paper: "k divides the update and multiplies the rate: in exact arithmetic nothing changes, in float32 the last bit does."
                .to_owned(),
            found: format!(
                "After step 1 k = 3 is {} from k = 1 (relative L1 over all convolutions).",
                range(first, about).unwrap_or_default()
            ),
            agrees: Agreement::of(low > 0.0 && high < 1e-6),
            certainty: "Sure: measured on every weight. One ulp of one weight is a relative distance of about 1e-7, and few weights move."
                .to_owned(),
        }
    }

    fn amplified(&self, main: &[&Done], seeds: &str) -> Claim {
        let n = self.ns[0];
        let largest: Vec<&&Done> = main.iter().filter(|done| done.n == n).collect();
        let by: Vec<Option<u64>> = largest.iter().map(|done| reaches(&done.whole, MACROSCOPIC)).collect();
        let ends: Vec<f64> =
            largest.iter().filter_map(|done| done.whole.last()).map(|(_, distance)| *distance).collect();
        let last = largest.first().and_then(|done| done.whole.last()).map_or(0, |(step, _)| *step);
        let reached: Vec<f64> = by.iter().flatten().map(|step| *step as f64).collect();
        let when = range(reached.iter().copied(), |step| format!("{step:.0}"))
            .map_or_else(|| "was not reached".to_owned(), |steps| format!("was passed at step {steps}"));
        Claim {
            about: format!("At lr {} it is amplified", LARGEST_LR / n as f64),
            paper: "A large learning rate amplifies it until the copies are visibly different networks, within tens of iterations.".to_owned(),
            found: format!("{MACROSCOPIC} {when}; after step {last} the copies are {} apart.", range(ends, about).unwrap_or_default()),
            agrees: match (reached.len(), last) {
                (n, _) if n == by.len() => Agreement::Yes,
                (_, last) if last < 50 => Agreement::CannotTell,
                _ => Agreement::No,
            },
            certainty: format!("{seeds}; the controls show that nothing but k is the reason. While it grows, seeds differ by orders of magnitude."),
        }
    }

    /// The smaller rate diverges less: at the end of the shortest curve in scaled iterations, for rates four times apart.
    fn vanishes(&self, curves: &[Curve], seeds: &str) -> Vec<Claim> {
        let end = curves
            .iter()
            .filter_map(|curve| curve.points.last())
            .map(|point| point.scaled)
            .fold(f64::INFINITY, f64::min);
        let at_end: Vec<(u64, f64)> =
            curves.iter().filter_map(|curve| Some((curve.n, curve.median_at(end)?))).collect();
        let pairs: Vec<[(u64, f64); 2]> = at_end
            .iter()
            .flat_map(|&large| {
                at_end.iter().filter(move |small| small.0 == 4 * large.0).map(move |&small| [large, small])
            })
            .collect();
        let told: Vec<String> = at_end
            .iter()
            .map(|(n, distance)| format!("{} at lr {}", about(*distance), LARGEST_LR / *n as f64))
            .collect();
        let mut claims = Vec::new();
        if !pairs.is_empty() {
            let ordered = pairs.iter().filter(|[large, small]| small.1 < large.1).count();
            claims.push(Claim {
                about: "A smaller rate amplifies less".to_owned(),
                paper:
                    "The smaller the learning rate, the smaller the distance at the same scaled iteration (step / n)."
                        .to_owned(),
                found: format!(
                    "At scaled iteration {}: {}. Of {} four times apart {ordered} {} in this order.",
                    about(end),
                    list(&told),
                    count(pairs.len() as u64, "pair"),
                    if ordered == 1 { "is" } else { "are" }
                ),
                agrees: Agreement::of(ordered == pairs.len()),
                certainty: format!(
                    "{seeds} a rate. One seed can deviate by orders of magnitude while the distance grows."
                ),
            });
        }
        let small = curves.iter().filter(|curve| curve.n >= 32).filter_map(|curve| Some((curve.n, growth_of(curve)?)));
        let small: Vec<(u64, f64)> = small.collect();
        claims.push(Claim {
            about: "A small enough rate removes it".to_owned(),
            paper: "At a small enough learning rate the distance stays at the level of rounding.".to_owned(),
            found: match small.as_slice() {
                [] => format!(
                    "The smallest rate here is {}: too large to decide.",
                    LARGEST_LR / *self.ns.last().unwrap_or(&1) as f64
                ),
                all => {
                    let told: Vec<String> = all
                        .iter()
                        .map(|(n, most)| format!("at most {} at lr {}", about(*most), LARGEST_LR / *n as f64))
                        .collect();
                    format!("The median of the followed tensor is {}.", list(&told))
                }
            },
            agrees: match small.last() {
                None => Agreement::CannotTell,
                Some((_, most)) if *most < 1e-5 => Agreement::Yes,
                Some((n, _)) if *n < 320 => Agreement::CannotTell,
                Some(_) => Agreement::No,
            },
            certainty: "The longer a run, the more it could still grow: true for as many steps as were taken."
                .to_owned(),
        });
        claims
    }

    /// The forms of the perturbation beside each other.
    fn forms_claim(&self, forms: &[&Done]) -> Option<Claim> {
        if forms.len() < 2 {
            return None;
        }
        let ends: Vec<f64> = forms.iter().filter_map(|done| done.whole.last()).map(|(_, distance)| *distance).collect();
        let told: Vec<String> = forms
            .iter()
            .zip(&ends)
            .map(|(done, end)| {
                format!(
                    "{}: {} after step 1, {} at the end",
                    form_name(done.run.config.perturbation),
                    done.at(1).map_or("-".to_owned(), about),
                    about(*end)
                )
            })
            .collect();
        let (low, high) =
            (ends.iter().copied().fold(f64::INFINITY, f64::min), ends.iter().copied().fold(0.0, f64::max));
        Some(Claim {
            about: "How the bit is moved does not matter".to_owned(),
            paper: "The authors multiply by fl(1/k); Summers and Dinneen (2021) move one weight by one ulp. Both end in the same divergence."
                .to_owned(),
            found: format!("{}.", told.join("; ")),
            agrees: match low {
                low if low >= VISIBLE || high <= 10.0 * low => Agreement::Yes,
                _ if high < VISIBLE => Agreement::CannotTell,
                _ => Agreement::No,
            },
            certainty: "One run of each form. They begin at different distances and need different times; where growth has ended they must lie close."
                .to_owned(),
        })
    }

    fn figures(&self, main: &[&Done], forms: &[&Done], curves: &[Curve]) -> Vec<Figure> {
        let mut distance = Figure::new(
            "fig2",
            format!("k = 3 against k = 1: relative L1 of {}", self.tensor),
            Axis::linear("scaled iteration (step / n)"),
            Axis::log("relative L1, at most 2"),
        );
        for curve in curves {
            if self.seeds.len() > 1 {
                let ends = |point: &Point| {
                    let fold = |start, of: fn(f64, f64) -> f64| point.values.iter().copied().fold(start, of);
                    (point.scaled, fold(f64::INFINITY, f64::min), fold(0.0, f64::max))
                };
                distance = distance.band("", curve.points.iter().map(ends).collect());
            }
            distance = distance.line(format!("lr {} (n = {})", LARGEST_LR / curve.n as f64, curve.n), curve.medians());
        }
        let control = curves.iter().max_by(|a, b| end_of(a).total_cmp(&end_of(b)));
        let control = control.map(|curve| curve.points.iter().map(|point| (point.scaled, point.control)).collect());
        let many = if self.seeds.len() > 1 {
            " Lines are medians over the seeds, areas reach from the smallest to the largest."
        } else {
            ""
        };
        let distance = distance
            .control("controls k = 2, 1", control.unwrap_or_default())
            .caption(format!("Both axes as published, except that the iteration is in units of n. Zero is on the rail below the axis.{many}"));

        let mut by_step = Figure::new(
            "fig2-steps",
            "The same copies over all convolutions, step by step",
            Axis::linear("step"),
            Axis::log("relative L1, at most 2"),
        );
        for &n in &self.ns {
            let first = main.iter().find(|done| done.n == n);
            let points = first.map(|done| done.whole.iter().map(|(step, d)| (*step as f64, *d)).collect());
            by_step = by_step.line(format!("lr {}", LARGEST_LR / n as f64), points.unwrap_or_default());
        }
        let by_step = by_step.horizontal("1 %: visible", VISIBLE).caption(format!(
            "Seed {}. A straight line is exponential growth: the same factor at every step.",
            self.seeds[0]
        ));
        let mut figures = vec![distance, by_step];
        figures.extend(onset::figure("fig2-layers", &self.first_seed(main), PERTURBED));
        if forms.len() > 1 {
            let mut beside = Figure::new(
                "fig2-forms",
                format!("Three ways to move the last bit, lr {}", LARGEST_LR / self.ns[0] as f64),
                Axis::linear("step"),
                Axis::log("relative L1 over all convolutions"),
            );
            for done in forms {
                let points = done.whole.iter().map(|(step, d)| (*step as f64, *d)).collect();
                beside = beside.line(form_name(done.run.config.perturbation), points);
            }
            figures.push(beside.caption(
                "divide: the quotient d / k correctly rounded. reciprocal: d times fl(1/k), the authors' form. nextafter: one weight \
                 moved by one ulp before the first step.",
            ));
        }
        figures
    }

    fn tables(&self, main: &[&Done], forms: &[&Done], curves: &[Curve]) -> Vec<Table> {
        let mut runs = Table::new(
            "fig2-runs",
            "Every run",
            &[
                ("n", "n"),
                ("lr", "learning rate"),
                ("seed", "seed"),
                ("perturbation", "perturbation"),
                ("rel_l1_step_1", "after step 1"),
                ("rel_l1_step_3", "step 3"),
                ("rel_l1_step_10", "step 10"),
                ("rel_l1_step_20", "step 20"),
                ("rel_l1_step_50", "step 50"),
                ("last_step", "last step"),
                ("rel_l1_last", "last step's"),
                ("growth_factor", "growth a step"),
                ("growth_r2", "R² of the fit"),
                ("steps_from_first_bit_to_1_percent", "steps from first bit to 1 %"),
                ("controls_differ", "controls differ"),
                ("churn_percent", "churn, %"),
                ("churn_control_percent", "churn of controls, %"),
            ],
        )
        .note(
            "Relative L1 of k = 3 to k = 1 over all convolutions. Churn: test images on which the two copies say different \
             classes at the end of the run.",
        );
        for done in main.iter().chain(forms.iter().skip(1)) {
            runs.row(run_cells(done));
        }
        let title = format!("Where and when it begins, seed {}", self.seeds[0]);
        let layers = onset::table("fig2-layers", title, &self.first_seed(main), PERTURBED);
        let mut figure = Table::data(
            "fig2",
            "the curves of the figure, with every seed and the controls",
            &["n", "lr", "scaled_iteration", "step", "seed", "rel_l1", "rel_l1_median", "control_largest"],
        );
        for curve in curves {
            for point in &curve.points {
                for (seed, value) in self.seeds.iter().zip(&point.values) {
                    figure.row([
                        curve.n.into(),
                        (LARGEST_LR / curve.n as f64).into(),
                        point.scaled.into(),
                        point.step.into(),
                        (*seed).into(),
                        (*value).into(),
                        median(&point.values).into(),
                        point.control.into(),
                    ]);
                }
            }
        }
        let mut steps = Table::data(
            "fig2-steps",
            "every step of every run, over all convolutions",
            &["n", "seed", "perturbation", "step", "loss_k1", "loss_k3", "rel_l1"],
        );
        for done in main.iter().chain(forms.iter().skip(1)) {
            for (line, (step, distance)) in done.whole.iter().enumerate() {
                steps.row([
                    done.n.into(),
                    done.run.config.seed.into(),
                    form_name(done.run.config.perturbation).into(),
                    (*step).into(),
                    done.run.loss[line][0].into(),
                    done.run.loss[line][PERTURBED].into(),
                    (*distance).into(),
                ]);
            }
        }
        vec![runs, layers, figure, steps]
    }

    fn methods(&self) -> Vec<String> {
        let which = if self.tensor == "layer2.5.conv1.weight" {
            "It follows the tensor of the paper".to_owned()
        } else {
            "It follows the tensor at the same place of this smaller network".to_owned()
        };
        vec![
            format!(
                "{} with {} on {}, batch {}, plain SGD (momentum 0), weight decay 5e-4, constant learning rate 0.1 / n. All copies begin with \
                 the same weights and see the same batches; the update is divided by k and the rate multiplied by k. {which}: {}.",
                self.net, self.activation, self.dataset, self.batch_size, self.tensor
            ),
            "Relative L1 of a tensor a from b is the mean of 2|a - b| / (|a| + |b|) over its elements, 0/0 = 0; over all convolutions it \
             is the unweighted mean of the tensors'. It is measured on the GPU after every step."
                .to_owned(),
            "Controls: a second k = 1 and k = 2, whose division is exact, train in the same run. Whatever else than k moved a bit would \
             move theirs."
                .to_owned(),
            "Growth a step is fitted by least squares to the logarithm of the distance, from its first bit to a tenth of its largest \
             value, at most to 1 %: above that it saturates. R² says how straight the line is."
                .to_owned(),
        ]
    }
}

fn run_cells(done: &Done) -> Vec<Cell> {
    let config = &done.run.config;
    let growth = exponential_phase(&done.whole);
    let steps = reaches(&done.whole, VISIBLE).zip(first_bit(&done.whole)).map(|(to, from)| to - from);
    let controls = config.controls();
    let most = controls.iter().flat_map(|&r| done.run.differing.iter().map(move |line| line[r])).max();
    let churn = |replica: usize| done.churn.get(replica - 1).map(Churn::percent);
    let of_controls =
        controls.iter().filter_map(|&r| churn(r)).fold(None, |most: Option<f64>, c| Some(most.unwrap_or(0.0).max(c)));
    let (step, last) = done.whole.last().copied().unwrap_or_default();
    vec![
        done.n.into(),
        done.lr().into(),
        config.seed.into(),
        form_name(config.perturbation).into(),
        done.at(1).into(),
        done.at(3).into(),
        done.at(10).into(),
        done.at(20).into(),
        done.at(50).into(),
        step.into(),
        last.into(),
        growth.map(|g| g.factor).into(),
        growth.map(|g| g.r_squared).into(),
        steps.into(),
        most.into(),
        churn(PERTURBED).into(),
        of_controls.into(),
    ]
}

/// The largest median of a curve.
fn growth_of(curve: &Curve) -> Option<f64> {
    let medians: Vec<(u64, f64)> = curve.points.iter().map(|point| (point.step, median(&point.values))).collect();
    (!medians.is_empty()).then(|| growth::largest(&medians))
}

fn end_of(curve: &Curve) -> f64 {
    curve.points.last().map_or(0.0, |point| point.scaled)
}

/// The null controls of every run.
fn controls(main: &[&Done]) -> Claim {
    let red: Vec<&str> =
        main.iter().filter(|done| !done.run.are_controls_zero()).map(|done| done.run.name.as_str()).collect();
    let n: usize = main.iter().map(|done| done.run.config.controls().len()).sum();
    let steps: usize = main.iter().map(|done| done.run.steps.len()).sum();
    Claim {
        about: "The controls stay at zero".to_owned(),
        paper: "Not in the paper. By the arithmetic a second k = 1 and a power of two must not differ in a single bit."
            .to_owned(),
        found: match red.as_slice() {
            [] => format!("{} over {}: 0 bits differ.", count(n as u64, "control"), count(steps as u64, "step")),
            red => format!("Controls differ in {}: nothing here may be put down to k.", list(red)),
        },
        agrees: Agreement::of(red.is_empty()),
        certainty: "Sure: every weight and momentum is compared bit by bit on the GPU.".to_owned(),
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
