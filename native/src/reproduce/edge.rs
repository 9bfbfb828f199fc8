//! The edge of stability: the largest eigenvalue of the Hessian, Batch Sharpness and the distance of k = 3 on one axis of steps, over
//! learning rates. Full batches reproduce Cohen et al. 2021, mini-batches Andreyev & Beneventano (arXiv 2412.20553).

mod verdict;

use lastbit_core::nets::NetKind;
use lastbit_core::ops::Activation;
use lastbit_core::train::{DatasetKind, LossKind, TrainConfig};

use super::checks::has_duplicates;
use super::findings::table;
use super::flags::flags;
use super::run::{Run, constant_rate};
use super::{Experiment, Findings, Forecast, Study, divergence};
use crate::failure::Failure;
use crate::numbers::about;
use crate::plot::{Axis, Figure};
use crate::statistics::median;

/// The pair that is compared, and a null control.
const KS: [u32; 3] = [1, 3, 2];
/// Index of the perturbed replica in [`KS`].
const PERTURBED: usize = 1;

flags! {
    /// The edge of stability: sharpness, divergence and 2/lr over learning rates, with full batches and with mini-batches
    #[name = "edge"]
    #[example = "lastbit reproduce edge --quick --dataset fashion-mnist --out runs/edge"]
    pub struct Edge {
        /// Network
        net: NetKind = NetKind::Mlp { layers: 2 };
        /// Factor on the network's channels or units
        width: f64 = 1.0;
        /// Nonlinearity: relu, swish (beta 5), swish:BETA or tanh
        activation: Activation = Activation::Tanh;
        /// Loss: cross-entropy or mse
        loss: LossKind = LossKind::Mse;
        /// Images: cifar10, fashion-mnist, folder or synthetic
        dataset: DatasetKind = DatasetKind::Cifar10;
        /// Train on the first N images only; a full batch has all of them
        images: usize = 1000, quick = 500;
        /// Learning rates
        lrs: Vec<f64> = vec![0.01, 0.014, 0.02], quick = vec![0.016, 0.018, 0.02];
        /// Samples in a mini-batch
        batch_size: u32 = 16;
        /// Learning rate times steps of each run with full batches
        scaled_time: f64 = 60.0, quick = 14.0;
        /// Steps of each run with mini-batches
        steps: u64 = 20_000, quick = 3000;
        /// Measurements of the curvature in each run
        measurements: u64 = 80, quick = 24;
        /// Seed
        seed: u64 = 1;
    }
}

/// A run with what is measured along it.
struct Track {
    lr: f64,
    is_full: bool,
    run: Run,
    /// Step and distance of k = 3 from k = 1.
    distance: Vec<(u64, f64)>,
}

impl Track {
    /// 2 / lr.
    fn edge(&self) -> f64 {
        2.0 / self.lr
    }

    /// The quantity that is expected at the edge: the largest eigenvalue with full batches, else Batch Sharpness.
    fn sharpness(&self) -> Vec<(u64, f64)> {
        let value = |line: &crate::report::data::CurvatureLine| match self.is_full {
            true => line.lambda_max,
            false => line.batch_sharpness,
        };
        self.run.curvature.iter().map(|line| (line.step, value(line))).collect()
    }

    /// The median of the last third of the measurements, relative to the edge.
    fn end(&self) -> f64 {
        let all = self.sharpness();
        let last: Vec<f64> = all[all.len() - all.len().div_ceil(3)..].iter().map(|(_, value)| *value).collect();
        median(&last) / self.edge()
    }

    /// The step of the first measurement at which the sharpness has reached 95 % of the edge.
    fn reached(&self) -> Option<u64> {
        self.sharpness().into_iter().find(|(_, value)| *value >= 0.95 * self.edge()).map(|(step, _)| step)
    }

    fn name(&self) -> String {
        name(self.is_full, self.lr)
    }
}

fn name(is_full: bool, lr: f64) -> String {
    format!("{}-lr{lr}", if is_full { "full" } else { "mini" })
}

impl Edge {
    fn config(&self, is_full: bool, lr: f64) -> TrainConfig {
        let steps = if is_full { (self.scaled_time / lr).round().max(1.0) as u64 } else { self.steps };
        TrainConfig {
            net: self.net,
            width: self.width,
            activation: Some(self.activation),
            loss: self.loss,
            dataset: self.dataset,
            ks: KS.to_vec(),
            seed: self.seed,
            batch_size: if is_full { self.images as u32 } else { self.batch_size },
            shuffle: !is_full,
            augment: false,
            train_limit: Some(self.images),
            test_limit: Some(256),
            lr,
            momentum: 0.0,
            nesterov: false,
            weight_decay: 0.0,
            epochs: u32::MAX,
            steps: Some(steps),
            sharpness: Some((steps / self.measurements.max(1)).max(1)),
            // Fewer images for mini-batches: a batch of 16 is a small part of what a device can compute at a time.
            sharpness_images: Some(if is_full { self.images } else { self.images.min(256) }),
            ..constant_rate()
        }
    }

    fn runs(&self) -> Vec<(String, TrainConfig)> {
        let each = [true, false].into_iter().flat_map(|is_full| self.lrs.iter().map(move |&lr| (is_full, lr)));
        each.map(|(is_full, lr)| (name(is_full, lr), self.config(is_full, lr))).collect()
    }

    fn track(&self, study: &mut Study, is_full: bool, lr: f64) -> Result<Track, Failure> {
        let run = study.train(&name(is_full, lr), &self.config(is_full, lr))?;
        let distance = divergence::of_replica(&run, PERTURBED);
        Ok(Track { lr, is_full, run, distance })
    }
}

impl Experiment for Edge {
    fn title(&self) -> String {
        format!("The edge of stability: {} with {} on {}", self.net, self.activation, self.dataset)
    }

    fn check(&self) -> Result<(), Failure> {
        let refuse = |text: String| Err(Failure::usage(text));
        if self.lrs.is_empty() || has_duplicates(&self.lrs) {
            return refuse("--lrs: give at least one rate, each once".to_owned());
        }
        if !(self.scaled_time.is_finite() && self.scaled_time > 0.0) {
            return refuse(format!("--scaled-time: must be a positive number, not {}", self.scaled_time));
        }
        if self.measurements < 9 {
            return refuse(format!(
                "--measurements: give at least 9, or there is no end to speak of, not {}",
                self.measurements
            ));
        }
        if self.images == 0 || self.images > 65_536 || self.batch_size as usize > self.images {
            return refuse(format!(
                "--images: must be at least a mini-batch ({}) and at most 65536, the largest batch; not {}",
                self.batch_size, self.images
            ));
        }
        for &lr in &self.lrs {
            for is_full in [true, false] {
                let config = self.config(is_full, lr);
                config.validate()?;
                if config.steps.is_none_or(|steps| steps < self.measurements) {
                    return refuse(format!("--measurements: lr {lr} has fewer steps than {}", self.measurements));
                }
            }
        }
        Ok(())
    }

    fn forecast(&self, study: &Study) -> Result<Forecast, Failure> {
        study.forecast_runs(&self.runs(), false)
    }

    fn has_independent_runs(&self) -> bool {
        true
    }

    fn run(&self, study: &mut Study) -> Result<Findings, Failure> {
        study.train_parallel(&self.runs())?;
        let mut tracks = Vec::new();
        for is_full in [true, false] {
            for &lr in &self.lrs {
                tracks.push(self.track(study, is_full, lr)?);
            }
        }
        Ok(Findings {
            claims: verdict::claims(&tracks),
            figures: figures(&tracks),
            tables: tables(&tracks),
            methods: self.methods(),
        })
    }
}

/// The sharpness of all rates relative to their edge, and one figure for each rate with everything in it.
fn figures(tracks: &[Track]) -> Vec<Figure> {
    let mut figures = Vec::new();
    for is_full in [true, false] {
        let (what, file) = if is_full { ("Largest eigenvalue", "edge-full") } else { ("Batch Sharpness", "edge-mini") };
        let batches = if is_full { "full batches" } else { "mini-batches" };
        let mut figure = Figure::new(
            file,
            format!("{what} with {batches}, in units of 2/lr"),
            Axis::linear("scaled time (learning rate x steps)"),
            Axis::linear(format!("{} x lr / 2", what.to_lowercase())),
        );
        for track in tracks.iter().filter(|track| track.is_full == is_full) {
            let points = track.sharpness().into_iter();
            let points = points.map(|(step, value)| (step as f64 * track.lr, value / track.edge())).collect();
            figure = figure.line(format!("lr {}", track.lr), points);
        }
        figures.push(figure.horizontal("2/lr", 1.0).caption(match is_full {
            true => "It rises (progressive sharpening) until it reaches 2/lr, and hovers there.",
            false => "With mini-batches it is the curvature of single batches along their own gradients that settles at 2/lr.",
        }));
    }
    figures.extend(tracks.iter().map(all_of));
    figures
}

/// Sharpness and distance of one run: the distance on the axis, the step at which the edge is reached as a line.
fn all_of(track: &Track) -> Figure {
    let points = track.distance.iter().map(|(step, distance)| (*step as f64, *distance)).collect();
    let relative = |value: fn(&crate::report::data::CurvatureLine) -> f64| -> Vec<(f64, f64)> {
        let lines = track.run.curvature.iter();
        lines.map(|line| (line.step as f64, value(line) / track.edge())).filter(|(_, value)| *value > 0.0).collect()
    };
    let mut figure = Figure::new(
        track.name(),
        format!(
            "lr {}, {}: sharpness and distance",
            track.lr,
            if track.is_full { "full batches" } else { "mini-batches" }
        ),
        Axis::linear("step"),
        Axis::log("relative L1 of k = 3 to k = 1; curvatures in units of 2/lr"),
    )
    .line("distance of k = 3", points)
    .line("largest eigenvalue", relative(|line| line.lambda_max))
    .line("Batch Sharpness", relative(|line| line.batch_sharpness))
    .horizontal("2/lr", 1.0);
    if let Some(step) = track.reached() {
        figure = figure.vertical("the edge is reached", step as f64);
    }
    figure
}

fn tables(tracks: &[Track]) -> Vec<super::Table> {
    let summary = table!("edge", "Every run", for track in tracks => {
        "batches" = if track.is_full { "full" } else { "mini" },
        "lr" as "learning rate" = track.lr,
        "edge" as "2/lr" = track.edge(),
        "start" as "at the start" = track.sharpness().first().map(|(_, value)| *value),
        "end" as "at the end, median of the last third" = track.end() * track.edge(),
        "end_over_edge" as "end x lr / 2" = track.end(),
        "reached" as "edge reached at step" = track.reached(),
        "growth_before" as "growth of the distance before, decades a unit of time" = verdict::growth(track).0,
        "growth_after" as "and after" = verdict::growth(track).1,
    })
    .note(
        "The largest eigenvalue with full batches, Batch Sharpness with mini-batches. Time is learning rate x steps.",
    );
    let lines = tracks.iter().flat_map(|track| track.run.curvature.iter().map(move |line| (track, line)));
    let curves = table!("edge-curves", "Every measurement", for (track, line) in lines => {
        "batches" = if track.is_full { "full" } else { "mini" },
        "lr" = track.lr,
        "step" = line.step,
        "lambda_max" = line.lambda_max,
        "batch_sharpness" = line.batch_sharpness,
        "batch_sharpness_error" = line.batch_sharpness_error,
        "product_error" = line.product_error,
        "loss" = line.loss,
    });
    vec![summary, curves.not_shown()]
}

impl Edge {
    fn methods(&self) -> Vec<String> {
        vec![
            format!(
                "{} with {} and {} on the first {} images of {}, plain gradient descent without momentum, weight decay and \
                 augmentation, constant learning rate, seed {}. Full batches until rate x steps is {}; mini-batches of {} for {} steps.",
                self.net,
                self.activation,
                self.loss,
                self.images,
                self.dataset,
                self.seed,
                self.scaled_time,
                self.batch_size,
                self.steps
            ),
            "The largest eigenvalue of the Hessian of the mean loss on these images is found by Lanczos' iteration, Batch Sharpness is \
             the mean over eight batches of g·Hg / g·g. Products with the Hessian are central differences of the gradients of lockstep \
             replicas on the same images; the step of the differences is chosen at each point, and its error is in edge-curves.csv."
                .to_owned(),
        ]
    }
}

/// `0.98 of 2/lr`
fn of_edge(part: f64) -> String {
    format!("{} of 2/lr", about(part))
}
