//! Compares networks at their ends: the replicas of a run with its first one, or those of two runs or checkpoints.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use lastbit_core::device::Context;
use lastbit_core::train::{Probe, SetKind, TrainConfig, Tuning, Weights};
use pollster::block_on;

use crate::datasets::Images;
use crate::failure::Failure;
use crate::interrupt;
use crate::report::data::RunData;
use crate::run::{
    CheckpointManifest, EndsNetwork, EndsPair, EndsRecord, ImageCounts, checkpoint_folders, is_in_parts,
    read_checkpoint, read_config,
};
use crate::run_config::RunConfig;
use crate::terminal::{columns, warn};

/// Most images of each set that networks are compared on by default.
pub const IMAGES: usize = 2000;
/// Relative L1 from which on two networks have parted.
pub const PARTED: f64 = 0.01;

/// Where networks are: in the newest whole checkpoint of a run, or in a given one.
pub struct Place {
    /// Folder of the run.
    pub run: PathBuf,
    /// Its config.
    pub config: RunConfig,
    /// Whether the newest checkpoint is meant, the end of the run.
    pub is_end: bool,
    /// Folders of checkpoints, the best first.
    checkpoints: Vec<PathBuf>,
}

/// The networks of a checkpoint.
pub struct Networks {
    /// Steps done.
    step: u64,
    /// Weights of each replica.
    replicas: Vec<Weights>,
}

impl Place {
    /// The place that `path`, the folder of a run or of a checkpoint, means.
    pub fn find(path: &Path) -> Result<Self, Failure> {
        let of_checkpoint = path.ancestors().nth(2).filter(|_| CheckpointManifest::read(path).is_ok());
        let run = of_checkpoint.unwrap_or(path);
        if run.is_file() {
            return Err(Failure::usage(format!(
                "'{}' is a file: give the folder of a run or of a checkpoint",
                run.display()
            )));
        }
        if is_in_parts(run) {
            let part = run.join("part-0");
            return Err(Failure::usage(format!(
                "'{}' holds a run in parts: give the folder of a part, such as '{}'",
                run.display(),
                part.display()
            )));
        }
        let config = read_config(run)?;
        let checkpoints = match of_checkpoint {
            Some(_) => vec![path.to_owned()],
            None => checkpoint_folders(run).into_iter().map(|(_, folder)| folder).collect(),
        };
        if checkpoints.is_empty() {
            return Err(Failure::usage(format!("'{}' has no checkpoint: train the run first", run.display())));
        }
        Ok(Self { run: run.to_owned(), config, is_end: of_checkpoint.is_none(), checkpoints })
    }

    /// Refuses networks between which there is no line.
    pub fn check_line_to(&self, other: &Self) -> Result<(), Failure> {
        let keys = |place: &Self| {
            let TrainConfig { net, width, norm, loss, dataset, .. } = &place.config.train;
            let activation = place.config.train.activation().to_string();
            [
                ("--net", net.to_string()),
                ("--width", width.to_string()),
                ("--activation", activation),
                ("--norm", norm.to_string()),
                ("--loss", loss.to_string()),
                ("--dataset", dataset.to_string()),
            ]
        };
        match keys(self).iter().zip(keys(other)).find(|((_, a), (_, b))| a != b) {
            Some(((flag, a), (_, b))) => Err(Failure::usage(format!(
                "the networks cannot be compared: {flag} is {a} in '{}' and {b} in '{}': give two runs of one network",
                self.run.display(),
                other.run.display()
            ))),
            None => Ok(()),
        }
    }

    /// Reads the networks. The folder of a run may hold a damaged checkpoint beside whole ones.
    fn read(&self, comparer: &Comparer) -> Result<Networks, Failure> {
        let mut problems = Vec::new();
        for folder in &self.checkpoints {
            match read_checkpoint(folder, comparer.probe.network(), &self.config.train) {
                Ok((state, _)) => {
                    for problem in problems {
                        warn(format!("{problem}: comparing the end of step {} instead", state.step));
                    }
                    let replicas = state.replicas.into_iter().map(|replica| replica.weights).collect();
                    return Ok(Networks { step: state.step, replicas });
                }
                Err(problem) => problems.push(format!("'{}' {problem}", folder.display())),
            }
        }
        Err(Failure::other(problems.join("; ")))
    }

    /// Name of the run's folder.
    fn name(&self) -> String {
        let absolute = std::path::absolute(&self.run).ok();
        let name = absolute.as_deref().unwrap_or(&self.run).file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

/// Compares networks of one kind.
pub struct Comparer {
    probe: Probe,
    limit: usize,
}

impl Comparer {
    /// A comparer of networks of `config`, on at most `limit` images of each set.
    pub fn new(context: &Rc<Context>, config: &TrainConfig, images: &Images, limit: usize) -> Result<Self, Failure> {
        let sizes = (Probe::ENDS_SLOTS, limit);
        let dataset = std::sync::Arc::clone(&images.dataset);
        let probe = block_on(Probe::evaluating(Rc::clone(context), config, dataset, Tuning::default(), sizes, 0))?;
        Ok(Self { probe, limit })
    }

    fn images(&self) -> ImageCounts {
        let of = |set| self.probe.images(set, self.limit);
        ImageCounts { train: of(SetKind::Train), test: of(SetKind::Test) }
    }

    fn pair(
        &mut self,
        networks: [EndsNetwork; 2],
        weights: [&Weights; 2],
        parted: Option<u64>,
    ) -> Result<EndsPair, Failure> {
        if interrupt::requested() {
            return Err(interrupt::stopped("stopped while the ends were compared: the runs are as they were"));
        }
        let ends = block_on(self.probe.compare_ends(weights[0], weights[1], self.limit))?;
        Ok(EndsPair::new(networks, parted, ends))
    }

    /// Compares every other replica with the first one. `report` is called before each comparison.
    pub fn replicas(&mut self, place: &Place, report: impl Fn(&str)) -> Result<EndsRecord, Failure> {
        let networks = place.read(self)?;
        let run = RunData::read(&place.run)?;
        let network = |replica| EndsNetwork { run: None, step: networks.step, replica, label: run.label(replica) };
        let mut pairs = Vec::new();
        for (replica, weights) in networks.replicas.iter().enumerate().skip(1) {
            report(&format!("comparing the end of {} with that of {}", run.label(replica), run.label(0)));
            let distances = run.steps.step.iter().zip(&run.steps.rel_l1[replica]);
            let parted = distances.into_iter().find(|(step, distance)| **step <= networks.step && **distance >= PARTED);
            let weights = [&networks.replicas[0], weights];
            pairs.push(self.pair([network(0), network(replica)], weights, parted.map(|(step, _)| *step))?);
        }
        Ok(EndsRecord::new(self.images(), pairs))
    }

    /// Compares the replicas of two places in pairs; a single replica is compared with each of the other place's.
    pub fn places(&mut self, places: [&Place; 2], report: impl Fn(&str)) -> Result<EndsRecord, Failure> {
        let [a, b] = [places[0].read(self)?, places[1].read(self)?];
        let n = match [a.replicas.len(), b.replicas.len()] {
            [1, n] | [n, 1] => n,
            [a, b] => {
                if a != b {
                    report(&format!("the runs have {a} and {b} copies: comparing the first {}", a.min(b)));
                }
                a.min(b)
            }
        };
        let mut pairs = Vec::new();
        for pair in 0..n {
            let sides = [(places[0], &a), (places[1], &b)].map(|(place, networks)| {
                let replica = if networks.replicas.len() == 1 { 0 } else { pair };
                let label = crate::report::treatment::name(&place.config.train, replica);
                let network = EndsNetwork { run: Some(place.name()), step: networks.step, replica, label };
                (network, &networks.replicas[replica])
            });
            let (networks, weights) =
                (sides.each_ref().map(|(network, _)| network.clone()), sides.each_ref().map(|s| s.1));
            report(&format!("comparing {} with {}", networks[0], networks[1]));
            pairs.push(self.pair(networks, weights, None)?);
        }
        Ok(EndsRecord::new(self.images(), pairs))
    }
}

/// The comparisons as a table.
pub fn lines(record: &EndsRecord) -> Vec<String> {
    let head = [
        "ends",
        "barrier (train)",
        "barrier (test)",
        "disagreement",
        "correlation",
        "ensemble gain",
        "accuracy",
        "parted",
    ];
    // A network that is not finite has no numbers.
    let shown = |value: f64, text: String| if value.is_finite() { text } else { "-".to_owned() };
    let rows = record.pairs.iter().map(|pair| {
        let accuracy = pair.accuracy.map(|accuracy| shown(accuracy, format!("{accuracy:.2} %")));
        vec![
            format!("{} and {}", pair.a, pair.b),
            shown(pair.train_barrier, format!("{:.4}", pair.train_barrier)),
            shown(pair.test_barrier, format!("{:.4}", pair.test_barrier)),
            shown(pair.disagreement, format!("{:.2} %", pair.disagreement)),
            shown(pair.correlation, format!("{:.4}", pair.correlation)),
            shown(pair.ensemble_gain, format!("{:+.2}", pair.ensemble_gain)),
            accuracy.join(" "),
            pair.parted.map_or_else(|| "-".to_owned(), |step| format!("at step {step}")),
        ]
    });
    columns(&std::iter::once(head.map(str::to_owned).to_vec()).chain(rows).collect::<Vec<_>>())
}

/// Compares the ends of the finished run in `folder` as [`Comparer::replicas`] does, and writes `ends.json`.
pub fn compare_run(
    context: &Rc<Context>,
    images: &Images,
    (folder, limit): (&Path, usize),
    report: impl Fn(&str),
) -> Result<EndsRecord, Failure> {
    let place = Place::find(folder)?;
    let record = Comparer::new(context, &place.config.train, images, limit)?.replicas(&place, report)?;
    record.write(folder)?;
    Ok(record)
}

/// Images of each set on which `train` compares the ends of a run of this many steps by default: [`IMAGES`], or fewer if that takes more
/// than a fifth of the run's time, counted in samples that go through the network once; `None` if even the fewest take more, or there is
/// nothing to compare.
pub fn affordable_images(config: &TrainConfig, steps: u64, sets: [usize; 2]) -> Option<usize> {
    let others = config.ks.len() as u64 - 1;
    // A step computes a backward pass, too, which costs twice as much.
    let run = 3 * steps * u64::from(config.batch_size) * config.ks.len() as u64;
    let cost = |images: usize| {
        let [train, test] = sets.map(|set| set.min(images) as u64);
        let line = lastbit_core::train::LINE_POINTS as u64;
        others * ((line + 2) * (train + test) + line * train)
    };
    [IMAGES, 1000, 500].into_iter().find(|images| others > 0 && 5 * cost(*images) <= run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_run_is_not_compared_by_itself() {
        let config = |ks: &[u32]| TrainConfig { ks: ks.to_vec(), batch_size: 128, ..TrainConfig::default() };
        let sets = [50_000, 10_000];
        assert_eq!(affordable_images(&config(&[1, 3, 5]), 78_200, sets), Some(IMAGES));
        // Two others: 2 * (13 * 4000 + 11 * 2000) = 148,000 samples of 3 * 128 * 3 a step.
        assert_eq!(affordable_images(&config(&[1, 3, 5]), 643, sets), Some(IMAGES));
        assert_eq!(affordable_images(&config(&[1, 3, 5]), 642, sets), Some(1000));
        assert_eq!(affordable_images(&config(&[1, 3, 5]), 100, sets), None);
        assert_eq!(affordable_images(&config(&[1]), 78_200, sets), None);
    }
}
