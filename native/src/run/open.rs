//! Opens a run in its folder: returns to the last good checkpoint, writes the first files and builds the trainer.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use lastbit_core::train::{Start, State, TrainError, Trainer, Tuning};
use pollster::block_on;

use super::checkpoint_manifest::CheckpointManifest;
use super::checkpoints::{Checkpoints, Recovered, checkpoint_folders};
use super::first_files::{FirstFiles, encoded};
use super::folder::{RunFolder, Unsynced};
use super::integrity::missing_checkpoint;
use super::journal::Journal;
use super::layout::{CONFIG_FILE, MANIFEST_FILE};
use super::manifest::{Found, Manifest, OnChange};
use super::prepared::{Hooks, Prepared, check_flip, initial_weights};
use super::session::Session;
use super::summary::{FoundSummary, Summary};
use crate::failure::Failure;
use crate::progress::{OutputMode, RunShape, Screen};
use crate::run_config::RunConfig;
use crate::terminal::warn;

impl Prepared {
    /// Refuses to resume the run in `out` if [`Prepared::open`] would, because its config or its environment has changed. It assumes
    /// that the newest checkpoint is whole. If that is damaged, `open` resumes from an older one, and this function may refuse a change
    /// that comes after it.
    pub fn check_unchanged(&self, out: &Path, on_change: OnChange) -> Result<(), Failure> {
        let Found::Whole(old) = Manifest::read(out) else { return Ok(()) };
        old.check_config(&self.config, out)?;
        match checkpoint_folders(out).first() {
            Some((step, _)) => old.continued(self.manifest()?, *step, out, on_change).map(drop),
            None => Ok(()),
        }
    }

    /// Claims the folder `out`, returns to the last good checkpoint in it, and builds the trainer.
    pub fn open(self, out: &Path, on_change: OnChange) -> Result<Opened, Failure> {
        let Self { config, images, context, plan, tiles, .. } = &self;
        let network = &plan.network;
        let folder = RunFolder::claim(out)?;
        let old = Manifest::read(out);
        if let Found::Whole(old) = &old {
            old.check_config(config, out)?;
        }
        let mut journal = Journal::open(&folder)?;
        let checkpoints = Checkpoints::of(&folder, config.host.keep_checkpoints as usize);
        let mut recovered = checkpoints.recover(network, &config.train, &mut journal);
        let newest = checkpoint_folders(out).first().map(|(step, _)| *step);
        let used = recovered.state.as_ref().map_or(0, |state| state.step);
        for (step, checkpoint) in checkpoint_folders(out).iter().filter(|(step, _)| *step < used) {
            if let Err(problem) = CheckpointManifest::read(checkpoint).and_then(|manifest| manifest.check(checkpoint)) {
                warn(format!("the older checkpoint of step {step} is damaged and is not used: {problem}"));
            }
        }
        recovered.damaged.extend(missing_checkpoint(&FoundSummary::read(out), newest));
        // Starting again would remove the checkpoints, whose weights may be whole although a line of the metrics is not.
        if recovered.state.is_none() && !recovered.damaged.is_empty() && on_change != OnChange::Allow {
            let (flag, remedy) = match on_change {
                OnChange::Never => ("--out", "remove this folder to start the run again"),
                OnChange::Allow | OnChange::Refuse => ("--resume", "start the run again with --allow-changed"),
            };
            return Err(Failure::other(format!(
                "{flag}: {}; no checkpoint in '{}' can be used, and nothing was changed: repair the files, give another \
                 --out, or {remedy}",
                recovered.damaged.join("; "),
                out.display()
            )));
        }
        let instead = if recovered.state.is_some() { "resuming from an older one" } else { "starting again" };
        for line in &recovered.damaged {
            warn(format!("{line}: {instead}"));
        }
        let began = match &recovered.state {
            // The file of --init may be gone. Then a lost copy of the weights cannot be recreated.
            Some(_) => match &old {
                Found::Whole(old) => old.init_problem(out).map(|problem| {
                    initial_weights(network, config)
                        .ok()
                        .filter(|weights| !old.began_otherwise(&encoded(network, weights)))
                        .ok_or(problem)
                }),
                Found::Nothing | Found::Damaged => None,
            },
            None => {
                let weights = initial_weights(network, config)?;
                if let Found::Whole(old) = &old
                    && on_change != OnChange::Allow
                    && old.began_otherwise(&encoded(network, &weights))
                {
                    return Err(Failure::usage(format!(
                        "--init: the run in '{}' began with other weights: give the file that it began with, give another --out, \
                         or start the run again with --allow-changed",
                        out.display()
                    )));
                }
                Some(Ok(weights))
            }
        };
        let initial = match began {
            Some(Err(problem)) => {
                warn(format!("{problem}, and cannot be recreated"));
                None
            }
            Some(Ok(weights)) => Some(weights),
            None => None,
        };
        let (continued, warning) = match (&recovered.state, old) {
            (Some(state), Found::Whole(old)) => {
                let (manifest, warning) = old.continued(self.manifest()?, state.step, out, on_change)?;
                (Some(manifest), warning)
            }
            (Some(_), found) => {
                let what = if matches!(found, Found::Nothing) { "missing" } else { "damaged" };
                let file = folder.file(MANIFEST_FILE);
                let unknown = format!("'{}' is {what}, so it is not known what the run was made with", file.display());
                let (flag, remedy) = match on_change {
                    OnChange::Never => ("--out", "remove this folder to start the run again"),
                    OnChange::Allow | OnChange::Refuse => ("--resume", "accept that with --allow-changed"),
                };
                if on_change != OnChange::Allow {
                    return Err(Failure::usage(format!("{flag}: {unknown}: restore the file, or {remedy}")));
                }
                (None, Some(format!("{unknown} so far; a new one is written")))
            }
            (None, _) => (None, None),
        };
        if let Some(warning) = warning {
            warn(warning);
        }
        let start = match (&recovered.state, &initial) {
            (Some(state), _) => Start::State(state.clone()),
            (None, Some(weights)) => Start::Weights(weights.clone()),
            (None, None) => Start::Fresh,
        };
        let tuning = Tuning { tiles: tiles.clone(), ..Tuning::default() };
        let (context, dataset) = (Rc::clone(context), Arc::clone(&images.dataset));
        let mut trainer = block_on(Trainer::new(context, config.train.clone(), dataset, tuning, start))
            .map_err(|error| start_failure(error, config))?;
        if let Some(flip) = &config.host.flip_bit {
            check_flip(&flip.0, trainer.total_steps())?;
            block_on(trainer.flip_bit(flip.0.clone()))?;
            let replica = flip.0.replica;
            if let (Some(k), false) = (config.train.ks.get(replica), config.train.controls().contains(&replica)) {
                warn(format!(
                    "--flip-bit: replica {replica} (k = {k}) is not a control, so no lamp will turn red; in --ks 1,3,2, replica 2 is one"
                ));
            }
        }

        let mut summary = Summary::new(&config.train);
        let (config, hooks) = (config.clone(), self.hooks);
        // A folder with a config holds a run, even if that starts again.
        let manifest = match continued {
            None if folder.file(CONFIG_FILE).exists() => Some(self.manifest()?),
            continued => continued,
        };
        let first_files = FirstFiles { prepared: self, initial };
        let first_files = match manifest {
            // Before an earlier run's metrics are cut, the folder must say which run they belong to from now on.
            Some(manifest) => {
                first_files.replace(&folder, manifest)?;
                None
            }
            None => Some((first_files.write_config(&folder)?, first_files)),
        };
        let saved = cut(&mut journal, &checkpoints, &mut summary, &trainer, &recovered)?;
        Ok(Opened { trainer, config, folder, journal, first_files, summary, saved, hooks })
    }
}

/// A run that is ready for its next step.
pub struct Opened {
    /// The trainer.
    pub trainer: Trainer,
    config: RunConfig,
    folder: RunFolder,
    journal: Journal,
    first_files: Option<(Unsynced, FirstFiles)>,
    summary: Summary,
    saved: Option<(u64, bool)>,
    hooks: Hooks,
}

impl Opened {
    /// Number of steps done in earlier sessions.
    pub fn first_step(&self) -> u64 {
        self.saved.map_or(0, |(step, _)| step)
    }

    /// Makes the session.
    pub fn session(self, output: OutputMode) -> Session {
        let shape = RunShape {
            ks: self.config.train.ks.clone(),
            first_step: self.first_step(),
            total_steps: self.trainer.total_steps(),
        };
        let screen = Screen::new(output, shape, self.summary.control());
        let Self { trainer, config, folder, journal, first_files, summary, saved, hooks } = self;
        let lose_device = hooks.lose_device;
        Session { trainer, config, folder, journal, first_files, summary, screen, saved, lose_device }
    }
}

fn start_failure(error: TrainError, config: &RunConfig) -> Failure {
    match (error, &config.host.init) {
        (TrainError::Start(problem), Some(path)) => Failure::usage(format!("--init: '{}': {problem}", path.display())),
        (error, _) => error.into(),
    }
}

/// Cuts the metrics and timing back to the recovered checkpoint. Returns its step and whether the evaluation after it is on the disk;
/// `None` without a checkpoint.
fn cut(
    journal: &mut Journal,
    checkpoints: &Checkpoints,
    summary: &mut Summary,
    trainer: &Trainer,
    recovered: &Recovered,
) -> Result<Option<(u64, bool)>, Failure> {
    let state = recovered.state.as_ref();
    let step = state.map_or(0, |state| state.step);
    // A run that became longer loses the evaluation at its former end, so that it equals one that had this length from the
    // start.
    let is_evaluated = state.is_some_and(|state| state.evaluated) && trainer.is_evaluated_after(step);
    let renew = |metrics| match state.filter(|state| state.evaluated && !is_evaluated) {
        // The checkpoint contains that evaluation: replace it by one that does not.
        Some(state) => {
            let state = State { evaluated: false, ..state.clone() };
            checkpoints.save(trainer.network(), trainer.config(), &state, metrics)
        }
        None => Ok(()),
    };
    journal.cut((step, recovered.metrics_bytes), is_evaluated, |line| summary.add_line(line), renew)?;
    Ok(state.map(|_| (step, is_evaluated)))
}
