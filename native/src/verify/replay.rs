//! Trains a run again, from its start or from one of its checkpoints, and compares it line by line with its metrics and state
//! by state with its checkpoints.

use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::path::Path;

use lastbit_core::nets::Network;
use lastbit_core::train::checkpoint::decode_weights;
use lastbit_core::train::{
    Difference, Event, ReplicaState, Reported, Start, State, Trainer, Tuning, Weights, difference,
};
use pollster::block_on;

use super::metrics::{LineDifference, MetricsReader};
use crate::failure::Failure;
use crate::run::{
    Found, INIT_FILE, Manifest, Prepared, Promise, checkpoint_folders, initial_weights, problems, read_checkpoint,
};

/// A replica whose state differs from a checkpoint.
pub struct StateDifference {
    /// Step of the checkpoint; 0 for the weights that the run began with.
    pub step: u64,
    /// Position in `--ks`.
    pub replica: usize,
    /// The first element that differs, recorded and now.
    pub difference: Difference,
}

/// The result of a replay.
#[derive(Default)]
pub struct Replay {
    /// What has changed since the run was made and may change bits, one text each.
    pub changes: Vec<String>,
    /// Class and version in which equal bits are promised, if another adapter replays than the one that made the run.
    pub elsewhere: Option<String>,
    /// First step that was compared.
    pub first_step: u64,
    /// Last step that was compared.
    pub last_step: u64,
    /// Number of lines that were compared.
    pub lines: u64,
    /// Number of fingerprints among them.
    pub fingerprints: u64,
    /// Steps of the checkpoints that were compared.
    pub checkpoints: Vec<u64>,
    /// What is missing from the folder or not as it was written, one text each.
    pub problems: Vec<String>,
    /// Checkpoints that cannot be read, or that the lines do not reach, one text each.
    pub damaged: Vec<String>,
    /// The first line that differs.
    pub line: Option<LineDifference>,
    /// The first state that differs.
    pub state: Option<StateDifference>,
}

impl Replay {
    /// True if nothing differs and nothing is missing.
    pub fn is_equal(&self) -> bool {
        self.replays() && self.problems.is_empty()
    }

    /// True if everything that is recorded comes out the same again.
    pub fn replays(&self) -> bool {
        self.line.is_none() && self.state.is_none() && self.damaged.is_empty()
    }
}

/// Trains `steps` again, or all recorded steps, and compares them with the record of the run in `run`.
pub fn replay(run: &Path, prepared: Prepared, steps: Option<RangeInclusive<u64>>) -> Result<Replay, Failure> {
    let mut found = Replay { problems: problems(run, &prepared.config)?, ..Replay::default() };
    let network = prepared.plan.network.clone();
    let (first, last) = steps.map_or((1, u64::MAX), |steps| (*steps.start(), *steps.end()));
    let mut saved_states = Vec::new();
    for (step, folder) in checkpoint_folders(run).into_iter().rev() {
        match read_checkpoint(&folder, &network, &prepared.config.train) {
            Ok((state, _)) if state.step == step => saved_states.push(state),
            Ok((state, _)) => found.damaged.push(format!("'{}' holds step {}", folder.display(), state.step)),
            // Files that are not those that were saved are already among the problems.
            Err(_) if found.problems.iter().any(|problem| problem.contains(&format!("step-{step:06}:"))) => {}
            Err(problem) => found.damaged.push(format!("'{}': {problem}", folder.display())),
        }
    }
    let from = saved_states.iter().rposition(|saved| saved.step < first);
    let start = match from {
        Some(index) => Start::State(saved_states[index].clone()),
        None => Start::Weights(begin(run, &network, &prepared, &mut found)?),
    };
    saved_states.drain(..from.map_or(0, |index| index + 1));
    let (begun, reported) = match &start {
        Start::State(state) => (state.step, state.reported),
        Start::Weights(_) | Start::Fresh => (0, Reported::default()),
    };

    if let Found::Whole(old) = Manifest::read(run) {
        let now = prepared.manifest()?;
        found.changes = old.changes(&now, begun + 1..=last);
        found.elsewhere = match old.promise(&now, begun + 1..=last) {
            Promise::Equal(class) if old.adapter(begun + 1) != now.adapter(begun + 1) => Some(class),
            _ => None,
        };
    }

    let mut recorded = MetricsReader::open(run)?;
    let is_before = |recorded: &MetricsReader| {
        // A replay from the initial weights measures them again.
        let known = |step, kind: &str| step < begun || (step == begun && begun > 0 && reported.has(kind));
        recorded.peek().is_some_and(|line| known(line.step(), line.value["kind"].as_str().unwrap_or("")))
    };
    while is_before(&recorded) {
        recorded.take()?;
    }
    if recorded.peek().is_none_or(|line| line.step() > last) {
        // If something is missing, the record may have had these steps.
        if !found.problems.is_empty() {
            return Ok(found);
        }
        return Err(Failure::usage(format!("'{}' has recorded none of these steps", run.display())));
    }
    (found.first_step, found.last_step) = (begun + 1, begun);
    let mut trainer = prepared.trainer(start)?;
    let mut comparison = Comparing { recorded, saved_states, last, found };
    block_on(comparison.run(&mut trainer))?;
    Ok(comparison.found)
}

/// The weights to begin with: those of the config, which the run's own copy of them must equal.
fn begin(run: &Path, network: &Network, prepared: &Prepared, found: &mut Replay) -> Result<Weights, Failure> {
    let path = run.join(INIT_FILE);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        // Already among the problems. The weights can be drawn again without the file.
        Err(error) if error.kind() == ErrorKind::NotFound && prepared.config.host.init.is_none() => {
            return initial_weights(network, &prepared.config);
        }
        Err(error) => return Err(Failure::file("read", &path, &error)),
    };
    let kept = decode_weights(network, &path.display().to_string(), &bytes).map_err(Failure::other)?;
    // The file of --init may be gone; the run's own copy is what it began with.
    if prepared.config.host.init.is_some() {
        return Ok(kept);
    }
    let drawn = initial_weights(network, &prepared.config)?;
    let replica = |weights: &Weights| ReplicaState { weights: weights.clone(), optimizer: Vec::new() };
    found.state = difference(network, &replica(&kept), &replica(&drawn)).map(|difference| StateDifference {
        step: 0,
        replica: 0,
        difference,
    });
    Ok(drawn)
}

struct Comparing {
    recorded: MetricsReader,
    /// States of the checkpoints to compare with.
    saved_states: Vec<State>,
    last: u64,
    found: Replay,
}

impl Comparing {
    /// Replays until everything is compared. After a line that differs, it continues to the next checkpoint, which says more.
    async fn run(&mut self, trainer: &mut Trainer) -> Result<(), Failure> {
        while !self.is_done() {
            let progress = trainer.advance().await?;
            self.compare_lines(progress.events)?;
            let is_here = |saved: &State| trainer.submitted() == saved.step;
            if trainer.is_between_steps() && self.saved_states.first().is_some_and(is_here) {
                self.compare_lines(trainer.flush().await?)?;
                let saved = self.saved_states.remove(0);
                let state = trainer.state().await?;
                self.compare_states(trainer.network(), &saved, &state);
            }
            if progress.finished {
                if let Some(line) = self.recorded.peek().filter(|line| line.step() <= self.last) {
                    let what = "the run recorded more than its config says".to_owned();
                    self.found.line.get_or_insert(LineDifference { step: line.step(), what });
                }
                return Ok(());
            }
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        let next = self.saved_states.first().map(|saved| saved.step);
        match (&self.found.state, &self.found.line) {
            (Some(_), _) => true,
            // The next checkpoint names tensor and element.
            (None, Some(_)) => next.is_none(),
            (None, None) => {
                let no_line = self.recorded.peek().is_none_or(|line| line.step() > self.last);
                no_line && next.is_none_or(|step| step > self.last)
            }
        }
    }

    fn compare_lines(&mut self, events: Vec<Event>) -> Result<(), Failure> {
        for event in events {
            if self.found.line.is_some() || self.recorded.peek().is_none() {
                return Ok(());
            }
            if event.step() > self.last {
                continue;
            }
            let Some(line) = self.recorded.take()? else { return Ok(()) };
            self.found.line = LineDifference::between(&line, &event.to_json());
            self.found.last_step = event.step();
            self.found.lines += 1;
            self.found.fingerprints += u64::from(matches!(event, Event::Layers(_)));
        }
        Ok(())
    }

    fn compare_states(&mut self, network: &Network, saved: &State, state: &State) {
        let end = self.found.last_step;
        // A checkpoint after the requested steps may have its lines, which were not read.
        if self.found.line.is_none() && end < saved.step && saved.step <= self.last {
            let step = saved.step;
            self.found.damaged.push(format!("of step {step} is ahead of metrics.jsonl, which ends at step {end}"));
        }
        self.found.checkpoints.push(saved.step);
        let replicas = saved.replicas.iter().zip(&state.replicas).enumerate();
        let mut differing = replicas.filter_map(|(replica, (a, b))| {
            let difference = difference(network, a, b)?;
            Some(StateDifference { step: saved.step, replica, difference })
        });
        self.found.state = differing.next();
    }
}

impl Prepared {
    /// The trainer of a replay.
    fn trainer(self, start: Start) -> Result<Trainer, Failure> {
        let Prepared { config, images, context, .. } = self;
        let dataset = images.dataset;
        let mut trainer = block_on(Trainer::new(context, config.train.clone(), dataset, Tuning::default(), start))?;
        if let Some(flip) = &config.host.flip_bit {
            block_on(trainer.flip_bit(flip.0.clone()))?;
        }
        Ok(trainer)
    }
}
