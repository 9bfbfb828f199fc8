//! Opens a run in its folder: returns to the last good checkpoint, writes the first files and builds the trainer.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use lastbit_core::train::{Reported, Start, State, TrainError, Trainer, Tuning, Weights};
use pollster::block_on;

use super::checkpoint_manifest::CheckpointManifest;
use super::checkpoints::{Checkpoints, Recovered, checkpoint_folders};
use super::first_files::{FirstFiles, encoded};
use super::folder::RunFolder;
use super::integrity::missing_checkpoint;
use super::journal::Journal;
use super::layout::{CONFIG_FILE, MANIFEST_FILE};
use super::manifest::{Found, Manifest, OnChange};
use super::prepared::{Prepared, check_changes, initial_weights};
use super::session::Session;
use super::summary::{FoundSummary, Summary};
use crate::failure::Failure;
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
    pub fn open(self, out: &Path, on_change: OnChange) -> Result<Session, Failure> {
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
        report_damaged(&recovered, out, on_change)?;
        let initial = self.weights_to_write(recovered.state.is_some(), &old, out, on_change)?;
        let continued = match &recovered.state {
            Some(state) => self.continued_manifest(old, state.step, out, on_change)?,
            None => None,
        };
        let start = match (&recovered.state, &initial) {
            (Some(state), _) => Start::State(state.clone()),
            (None, Some(weights)) => Start::Weights(weights.clone()),
            (None, None) => Start::Fresh,
        };
        let tuning = Tuning { tiles: tiles.clone(), ..Tuning::default() };
        let (context, dataset) = (Rc::clone(context), Arc::clone(&images.dataset));
        let mut trainer = block_on(Trainer::new(context, config.train.clone(), dataset, tuning, start))
            .map_err(|error| start_failure(error, config))?;
        check_changes(config, trainer.total_steps())?;
        if let Some(flip) = &config.host.flip_bit {
            block_on(trainer.flip_bit(flip.0.clone()))?;
            let replica = flip.0.replica;
            if let (Some(k), false) = (config.train.ks.get(replica), config.train.controls().contains(&replica)) {
                warn(format!(
                    "--flip-bit: replica {replica} (k = {k}) is not a control, so no lamp will turn red; in --ks 1,3,2, replica 2 is one"
                ));
            }
        }

        let mut summary = Summary::new(&config.train);
        let (config, lose_device) = (config.clone(), self.hooks.lose_device);
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
        Ok(Session { trainer, config, folder, journal, first_files, summary, saved, lose_device })
    }

    /// The weights that the run began with, if `init.safetensors` in `out` does not hold them. `old` is the manifest there.
    fn weights_to_write(
        &self,
        is_resumed: bool,
        old: &Found,
        out: &Path,
        on_change: OnChange,
    ) -> Result<Option<Weights>, Failure> {
        let network = &self.plan.network;
        let is_other =
            |weights: &Weights| matches!(old, Found::Whole(old) if old.began_otherwise(&encoded(network, weights)));
        if !is_resumed {
            let weights = initial_weights(network, &self.config)?;
            if on_change != OnChange::Allow && is_other(&weights) {
                return Err(Failure::usage(format!(
                    "--init: the run in '{}' began with other weights: give the file that it began with, give another --out, or \
                     start the run again with --allow-changed",
                    out.display()
                )));
            }
            return Ok(Some(weights));
        }
        let Found::Whole(manifest) = old else { return Ok(None) };
        let Some(problem) = manifest.init_problem(out) else { return Ok(None) };
        // The file of --init may be gone. Then a lost copy of the weights cannot be recreated.
        let weights = initial_weights(network, &self.config).ok().filter(|weights| !is_other(weights));
        if weights.is_none() {
            warn(format!("{problem}, and cannot be recreated"));
        }
        Ok(weights)
    }

    /// The manifest of a run that resumes after `step` steps, from `old`, the one in `out`. Warns of a change that may change bits.
    /// `None` if `old` is missing or damaged and the user accepts that.
    fn continued_manifest(
        &self,
        old: Found,
        step: u64,
        out: &Path,
        on_change: OnChange,
    ) -> Result<Option<Manifest>, Failure> {
        let what = match old {
            Found::Whole(old) => {
                let (manifest, warning) = old.continued(self.manifest()?, step, out, on_change)?;
                warning.into_iter().for_each(warn);
                return Ok(Some(manifest));
            }
            Found::Nothing => "missing",
            Found::Damaged => "damaged",
        };
        let file = out.join(MANIFEST_FILE);
        let unknown = format!("'{}' is {what}, so it is not known what the run was made with", file.display());
        if on_change == OnChange::Allow {
            warn(format!("{unknown} so far; a new one is written"));
            return Ok(None);
        }
        let (flag, remedy) = on_change.flag_and_remedy(START_AGAIN, "accept that with --allow-changed");
        Err(Failure::usage(format!("{flag}: {unknown}: restore the file, or {remedy}")))
    }
}

/// Remedy if a run may not resume with `--allow-changed`.
const START_AGAIN: &str = "remove this folder to start the run again";

/// Warns of checkpoints that cannot be used. It is an error if none can, unless the user accepts to start again.
fn report_damaged(recovered: &Recovered, out: &Path, on_change: OnChange) -> Result<(), Failure> {
    // Starting again would remove the checkpoints, whose weights may be whole although a line of the metrics is not.
    if recovered.state.is_none() && !recovered.damaged.is_empty() && on_change != OnChange::Allow {
        let (flag, remedy) = on_change.flag_and_remedy(START_AGAIN, "start the run again with --allow-changed");
        return Err(Failure::other(format!(
            "{flag}: {}; no checkpoint in '{}' can be used, and nothing was changed: repair the files, give another --out, or {remedy}",
            recovered.damaged.join("; "),
            out.display()
        )));
    }
    let instead = if recovered.state.is_some() { "resuming from an older one" } else { "starting again" };
    recovered.damaged.iter().for_each(|line| warn(format!("{line}: {instead}")));
    Ok(())
}

fn start_failure(error: TrainError, config: &RunConfig) -> Failure {
    match (error, &config.host.init) {
        (TrainError::Start(problem), Some(path)) => Failure::usage(format!("--init: '{}': {problem}", path.display())),
        (error, _) => error.into(),
    }
}

/// Cuts the metrics and timing back to the recovered checkpoint. Returns its step and what of that which follows it is on the disk;
/// `None` without a checkpoint.
fn cut(
    journal: &mut Journal,
    checkpoints: &Checkpoints,
    summary: &mut Summary,
    trainer: &Trainer,
    recovered: &Recovered,
) -> Result<Option<(u64, Reported)>, Failure> {
    let state = recovered.state.as_ref();
    let step = state.map_or(0, |state| state.step);
    // A run that became longer loses the evaluation at its former end, and what was measured after it, so that it equals one that had this
    // length from the start.
    let reported = trainer.reported();
    let renew = |metrics| match state.filter(|state| state.reported != reported) {
        // The checkpoint says that they are reported: replace it by one that does not.
        Some(state) => {
            let state = State { reported, ..state.clone() };
            checkpoints.save(trainer.network(), trainer.config(), &state, metrics)
        }
        None => Ok(()),
    };
    journal.cut((step, recovered.metrics_bytes), reported, |line| summary.add_line(line), renew)?;
    Ok(state.map(|_| (step, reported)))
}
