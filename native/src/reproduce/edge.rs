//! The edge of stability: the largest eigenvalue of the Hessian, Batch Sharpness and the distance of k = 3 on one axis of steps, over
//! learning rates. Full batches reproduce Cohen et al. 2021, mini-batches Andreyev & Beneventano (arXiv 2412.20553). Runs with weight decay and
//! of other depths ask what the paper's journal version says about them.

mod verdict;

use lastbit_core::nets::NetKind;
use lastbit_core::ops::Activation;
use lastbit_core::train::{DatasetKind, LossKind, TrainConfig};

use super::checks::has_duplicates;
use super::findings::table;
use super::flags::flags;
use super::run::{Run, constant_rate};
use super::{Experiment, Findings, Forecast, Further, Study, divergence};
use crate::failure::Failure;
use crate::plot::{Axis, Figure};
use crate::report::data::CurvatureLine;
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
        lrs: Vec<f64> = vec![0.008, 0.01, 0.012], quick = vec![0.014, 0.016, 0.018];
        /// Samples in a mini-batch
        batch_size: u32 = 16;
        /// Learning rate times steps of each run with full batches
        scaled_time: f64 = 60.0, quick = 14.0;
        /// Steps of each run with mini-batches
        steps: u64 = 20_000, quick = 6000;
        /// Weight decays of further runs, with full batches at the largest rate
        decays: Vec<f64> = vec![0.001, 0.01, 0.1], quick = vec![0.01, 0.1];
        /// Networks of further runs, with full batches at the largest rate
        depths: Vec<NetKind> = [1, 3, 4].map(|layers| NetKind::Mlp { layers }).to_vec(), quick = [1, 4].map(|layers| NetKind::Mlp { layers }).to_vec();
        /// Measurements of the curvature in each run
        measurements: u64 = 80, quick = 24;
        /// Seed
        seed: u64 = 1;
    }
}

/// What a run differs in from the others.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Case {
    /// Full batches at a learning rate.
    Full,
    /// Mini-batches at a learning rate.
    Mini,
    /// Full batches with this weight decay.
    Decay(f64),
    /// Full batches and this network.
    Depth(NetKind),
}

impl Case {
    fn is_full(self) -> bool {
        self != Self::Mini
    }

    /// Whether the run is one of those over learning rates.
    fn is_main(self) -> bool {
        matches!(self, Self::Full | Self::Mini)
    }
}

/// A run with what is measured along it.
struct Track {
    lr: f64,
    case: Case,
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
        let value = |line: &CurvatureLine| match self.case.is_full() {
            true => line.lambda_max,
            false => line.batch_sharpness,
        };
        self.run.curvature.iter().map(|line| (line.step, value(line))).collect()
    }

    /// The median of the last third of the measurements, relative to the edge.
    fn end(&self) -> f64 {
        let all = self.sharpness();
        last_third(&all) / self.edge()
    }

    /// The largest eigenvalue.
    fn eigenvalue(&self) -> Vec<(u64, f64)> {
        self.run.curvature.iter().map(|line| (line.step, line.lambda_max)).collect()
    }

    /// Whether the edge was reached before the measurements that [`Track::end`] takes, and the sharpness no longer moves in them by more
    /// than `within` of the edge.
    fn has_settled(&self, within: f64) -> bool {
        let all = self.sharpness();
        let last = &all[all.len() - all.len().div_ceil(3)..];
        let drift = of_second_half(last) - of_first_half(last);
        self.reached().is_some_and(|step| step < last[0].0) && drift.abs() <= within * self.edge()
    }

    /// Whether a quantity that need not come to the edge no longer moves: neither within the last third, nor from the middle third to the
    /// last, by more than `within` of its value.
    fn is_steady(all: &[(u64, f64)], within: f64) -> bool {
        let (before, last) = all.split_at(all.len() - all.len().div_ceil(3));
        let drifts = [of_second_half(last) - of_first_half(last), median_of(last) - of_second_half(before)];
        drifts.iter().all(|drift| drift.abs() <= within * median_of(last).abs())
    }

    /// Whether the sharpness rises within the last third of the measurements.
    fn is_rising(&self) -> bool {
        let all = self.sharpness();
        let last = &all[all.len() - all.len().div_ceil(3)..];
        of_second_half(last) > of_first_half(last)
    }

    /// The step of the first measurement at which the sharpness has reached 95 % of the edge.
    fn reached(&self) -> Option<u64> {
        self.first_at(0.95)
    }

    /// The step of the first measurement at which the sharpness is at least `part` of the edge.
    fn first_at(&self, part: f64) -> Option<u64> {
        self.sharpness().into_iter().find(|(_, value)| *value >= part * self.edge()).map(|(step, _)| step)
    }

    fn name(&self) -> String {
        name(self.case, self.lr)
    }
}

/// The median of the last third of the values.
fn last_third(values: &[(u64, f64)]) -> f64 {
    median_of(&values[values.len() - values.len().div_ceil(3)..])
}

fn of_first_half(values: &[(u64, f64)]) -> f64 {
    median_of(&values[..values.len().div_ceil(2)])
}

fn of_second_half(values: &[(u64, f64)]) -> f64 {
    median_of(&values[values.len() / 2..])
}

fn median_of(values: &[(u64, f64)]) -> f64 {
    median(&values.iter().map(|(_, value)| *value).collect::<Vec<_>>())
}

fn name(case: Case, lr: f64) -> String {
    match case {
        Case::Full => format!("full-lr{lr}"),
        Case::Mini => format!("mini-lr{lr}"),
        Case::Decay(decay) => format!("decay{decay}"),
        Case::Depth(net) => net.to_string(),
    }
}

impl Edge {
    fn config(&self, case: Case, lr: f64) -> TrainConfig {
        let is_full = case.is_full();
        let steps = if is_full { (self.scaled_time / lr).round().max(1.0) as u64 } else { self.steps };
        TrainConfig {
            net: if let Case::Depth(net) = case { net } else { self.net },
            width: self.width,
            activation: Some(self.activation),
            loss: self.loss,
            dataset: self.dataset,
            ks: if case.is_main() { KS.to_vec() } else { vec![1] },
            seed: self.seed,
            batch_size: if is_full { self.images as u32 } else { self.batch_size },
            shuffle: !is_full,
            augment: false,
            train_limit: Some(self.images),
            test_limit: Some(256),
            lr,
            momentum: 0.0,
            nesterov: false,
            weight_decay: if let Case::Decay(decay) = case { decay } else { 0.0 },
            epochs: u32::MAX,
            steps: Some(steps),
            sharpness: Some((steps / self.measurements.max(1)).max(1)),
            // Fewer images for mini-batches: a batch of 16 is a small part of what a device can compute at a time.
            sharpness_images: Some(if is_full { self.images } else { self.images.min(256) }),
            ..constant_rate()
        }
    }

    fn runs(&self) -> Vec<(String, TrainConfig)> {
        self.cases().into_iter().map(|(case, lr)| (name(case, lr), self.config(case, lr))).collect()
    }

    /// The runs: over learning rates with both kinds of batches, then over weight decays and networks.
    fn cases(&self) -> Vec<(Case, f64)> {
        let main = [Case::Full, Case::Mini].into_iter().flat_map(|case| self.lrs.iter().map(move |&lr| (case, lr)));
        let largest = self.lrs.iter().copied().fold(0.0, f64::max);
        let decays = self.decays.iter().map(|&decay| (Case::Decay(decay), largest));
        let depths = self.depths.iter().map(|&net| (Case::Depth(net), largest));
        main.chain(decays).chain(depths).collect()
    }

    fn track(&self, study: &mut Study, case: Case, lr: f64) -> Result<Track, Failure> {
        let run = study.train(&name(case, lr), &self.config(case, lr))?;
        let distance = if case.is_main() { divergence::of_replica(&run, PERTURBED) } else { Vec::new() };
        Ok(Track { lr, case, run, distance })
    }
}

impl Experiment for Edge {
    fn title(&self) -> String {
        format!("The edge of stability: {} with {} on {}", self.net, self.activation, self.dataset)
    }

    fn is_in_paper(&self) -> bool {
        false
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
        if has_duplicates(&self.decays) || self.decays.contains(&0.0) {
            return refuse("--decays: give each once, and not 0, which the other runs have".to_owned());
        }
        if has_duplicates(&self.depths) || self.depths.contains(&self.net) {
            return refuse(format!("--depths: give each once, and not {}, which the other runs have", self.net));
        }
        for (case, lr) in self.cases() {
            let config = self.config(case, lr);
            config.validate()?;
            if config.steps.is_none_or(|steps| steps < self.measurements) {
                return refuse(format!("--measurements: lr {lr} has fewer steps than {}", self.measurements));
            }
        }
        Ok(())
    }

    fn forecast(&self, study: &Study) -> Result<Forecast, Failure> {
        study.forecast_runs(&self.runs(), Further::default())
    }

    fn independent_runs(&self) -> Vec<(String, TrainConfig)> {
        self.runs()
    }

    fn run(&self, study: &mut Study) -> Result<Findings, Failure> {
        let tracks: Vec<Track> =
            self.cases().into_iter().map(|(case, lr)| self.track(study, case, lr)).collect::<Result<_, _>>()?;
        Ok(Findings {
            claims: verdict::claims(&tracks, self.net),
            figures: self.figures(&tracks),
            tables: tables(&tracks),
            methods: self.methods(),
        })
    }
}

impl Edge {
    /// The sharpness of all rates relative to their edge, the same over weight decays and networks, and one figure for each rate with
    /// everything in it.
    fn figures(&self, tracks: &[Track]) -> Vec<Figure> {
        let figure = |file: &str, title: String, value: &str, of: &dyn Fn(&Track) -> Option<String>| {
            let axes = (Axis::linear("scaled time (learning rate x steps)"), Axis::linear(format!("{value} x lr / 2")));
            let mut figure = Figure::new(file, title, axes.0, axes.1);
            for (track, label) in tracks.iter().filter_map(|track| Some((track, of(track)?))) {
                let points = track.sharpness().into_iter();
                let points = points.map(|(step, value)| (step as f64 * track.lr, value / track.edge())).collect();
                figure = figure.line(label, points);
            }
            figure.horizontal("2/lr", 1.0)
        };
        let of = |case| move |track: &Track| (track.case == case).then(|| format!("lr {}", track.lr));
        let largest = self.lrs.iter().copied().fold(0.0, f64::max);
        let is_base = |track: &Track| track.case == Case::Full && track.lr == largest;
        let decay = |track: &Track| match track.case {
            Case::Decay(decay) => Some(format!("weight decay {decay}")),
            _ => is_base(track).then(|| "weight decay 0".to_owned()),
        };
        let depth = |track: &Track| match track.case {
            Case::Depth(net) => Some(net.to_string()),
            _ => is_base(track).then(|| self.net.to_string()),
        };
        let (eigenvalue, title) = ("largest eigenvalue", "Largest eigenvalue with full batches, in units of 2/lr");
        let mut figures = vec![
            figure("edge-full", title.to_owned(), eigenvalue, &of(Case::Full))
                .caption("Cohen et al. 2021: it rises (progressive sharpening) until it reaches 2/lr, and hovers there."),
            figure(
                "edge-mini",
                "Batch Sharpness with mini-batches, in units of 2/lr".to_owned(),
                "Batch Sharpness",
                &of(Case::Mini),
            )
            .caption("arXiv 2412.20553: with mini-batches the curvature of single batches along their own gradients settles at 2/lr."),
        ];
        if !self.decays.is_empty() {
            let title = format!("{title}, by weight decay at lr {largest}");
            figures.push(figure("edge-decay", title, eigenvalue, &decay));
        }
        if !self.depths.is_empty() {
            let title = format!("{title}, by network at lr {largest}");
            figures.push(figure("edge-depth", title, eigenvalue, &depth));
        }
        figures.extend(tracks.iter().filter(|track| track.case.is_main()).map(all_of));
        figures
    }
}

/// Sharpness and distance of one run: the distance on the axis, the step at which the edge is reached as a line.
fn all_of(track: &Track) -> Figure {
    let points = track.distance.iter().map(|(step, distance)| (*step as f64, *distance)).collect();
    let relative = |value: fn(&CurvatureLine) -> f64| -> Vec<(f64, f64)> {
        let lines = track.run.curvature.iter();
        lines.map(|line| (line.step as f64, value(line) / track.edge())).filter(|(_, value)| *value > 0.0).collect()
    };
    let mut figure = Figure::new(
        track.name(),
        format!(
            "lr {}, {}: sharpness and distance",
            track.lr,
            if track.case.is_full() { "full batches" } else { "mini-batches" }
        ),
        Axis::linear("step"),
        Axis::log("relative L1 of k = 3 to k = 1; curvatures in units of 2/lr"),
    )
    .line("distance of k = 3", points)
    .line("largest eigenvalue", relative(|line| line.lambda_max))
    .line("Batch Sharpness", relative(|line| line.batch_sharpness))
    .horizontal("2/lr", 1.0);
    if let Some(step) = track.first_at(1.0) {
        figure = figure.vertical("the edge is crossed", step as f64);
    }
    figure
}

fn tables(tracks: &[Track]) -> Vec<super::Table> {
    let summary = table!("edge", "Every run", for track in tracks => {
    "run" = track.name(),
           "batches" = if track.case.is_full() { "full" } else { "mini" },
           "lr" as "learning rate" = track.lr,
           "edge" as "2/lr" = track.edge(),
           "start" as "at the start" = track.sharpness().first().map(|(_, value)| *value),
           "end" as "at the end, median of the last third" = track.end() * track.edge(),
           "end_over_edge" as "end x lr / 2" = track.end(),
           "reached" as "95 % of the edge at step" = track.reached(),
           "crossed" as "edge crossed at step" = track.first_at(1.0),
           "growth_before" as "growth of the distance before, decades a unit of time" = verdict::growth(track).0,
           "growth_after" as "and after" = verdict::growth(track).1,
       })
    .note(
        "The largest eigenvalue with full batches, Batch Sharpness with mini-batches. Time is learning rate x steps.",
    );
    let lines = tracks.iter().flat_map(|track| track.run.curvature.iter().map(move |line| (track, line)));
    let curves = table!("edge-curves", "Every measurement", for (track, line) in lines => {
    "run" = track.name(),
           "batches" = if track.case.is_full() { "full" } else { "mini" },
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
                 augmentation, constant learning rate, seed {}. Full batches until rate x steps is {}; mini-batches of {} for {} steps. \
                 The runs with weight decay and of other networks have full batches and the largest rate.",
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
            "The largest eigenvalue of the Hessian of the mean loss on these images (in runs with mini-batches: on at most 256 of them) is \
             found by Lanczos' iteration, Batch Sharpness is \
             the mean over eight batches of g·Hg / g·g. Products with the Hessian are central differences of the gradients of lockstep \
             replicas on the same images; the step of the differences is chosen at each point, and its error is in edge-curves.csv."
                .to_owned(),
        ]
    }
}
