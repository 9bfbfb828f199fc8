//! From a config to a session: everything that a new or resumed run needs before its first step.

use std::io::Read as _;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use lastbit_core::device::Context;
use lastbit_core::nets::Network;
use lastbit_core::ops::Tiles;
use lastbit_core::train::checkpoint::decode_weights;
use lastbit_core::train::self_test::Check;
use lastbit_core::train::{
    FlipBit, MemoryLimits, Plan, RunLength, Start, State, TrainError, Trainer, Tuning, Weights, memory_estimate, plan,
};
use pollster::block_on;

use super::checkpoint_manifest::CheckpointManifest;
use super::checkpoints::{Checkpoints, Recovered, checkpoint_folders};
use super::first_files::{FirstFiles, encoded};
use super::folder::{CONFIG_FILE, RunFolder, Unsynced};
use super::journal::Journal;
use super::manifest::{Environment, Found, MANIFEST_FILE, Manifest, OnChange};
use super::record::missing_checkpoint;
use super::session::Session;
use super::summary::{FoundSummary, Summary};
use crate::datasets::Images;
use crate::failure::Failure;
use crate::forecast::Forecast;
use crate::progress::{Manner, RunShape, Screen};
use crate::run_config::{FlipBitText, RunConfig};
use crate::terminal::warn;
use crate::{datasets, device, device_test, host_memory};

/// Everything that a run needs before its folder is touched.
pub struct Prepared {
    /// The config of the run.
    pub config: RunConfig,
    /// The data set.
    pub images: Images,
    /// The device of the adapter.
    pub context: Rc<Context>,
    /// The network, its recordings and its buffers.
    pub plan: Plan,
    /// Promises that the adapter breaks, with `--on-broken-device warn`.
    broken: Vec<String>,
    /// Tuned tiles of the convolutions; `None` for the default tiles.
    pub(crate) tiles: Option<Tiles>,
    hooks: Hooks,
}

/// Limits and faults for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hooks {
    /// Bytes of the adapter's memory that may be used in total.
    pub memory_budget: Option<u64>,
    /// The check of the self-test that must fail.
    pub break_device: Option<Check>,
    /// The step after which the device is destroyed.
    pub lose_device: Option<u64>,
}

impl Prepared {
    /// Prepares a run with its own adapter and images. On the processor and on software GPUs, buffers take no more memory than the host
    /// has left. This thread opens and tests the adapter while another one reads the images.
    pub fn new(config: RunConfig, hooks: Hooks) -> Result<Self, Failure> {
        Self::beside(config, hooks, 1)
    }

    /// Like [`Prepared::new`], for one of `runs` runs that train at the same time and share the host's memory.
    pub fn beside(config: RunConfig, hooks: Hooks, runs: u64) -> Result<Self, Failure> {
        config.train.validate()?;
        let (train, data_dir) = (config.train.clone(), config.host.data_dir.clone());
        // Report missing images before the adapter opens.
        datasets::find(train.dataset, data_dir.as_deref())?;
        let free = host_memory::budget();
        // Not a scoped thread, so that an adapter that cannot be opened is reported without waiting for the images.
        let loading = thread::spawn(move || {
            let loaded = datasets::load(&train, data_dir.as_deref())?;
            Ok::<_, Failure>(Images::new(loaded))
        });
        let context = Rc::new(device::open(config.host.adapter.as_deref())?);
        let tested = device_test::run(&context, hooks.break_device);
        let images = loading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        // After errors of the images, and before the device is used again: if it was lost, that would fail, too.
        let tested = tested?;
        let free = free.filter(|_| context.adapter().uses_host_memory()).map(|bytes| bytes / runs);
        let planned = |total: Option<u64>| {
            let limits = MemoryLimits { binding: context.adapter().binding_bytes(), total };
            plan(&config.train, &images.dataset, &Tuning::default(), limits)
        };
        let budget = match (hooks.memory_budget, free) {
            (None, Some(free)) => {
                // Images, kernels and checkpoints take the same memory.
                let memory = memory_estimate(&context, &planned(None)?, &images.dataset);
                Some(free.saturating_sub(memory.host + memory.kernels))
            }
            (given, _) => given,
        };
        let plan = planned(budget)?;
        if let Some(bytes) = budget {
            context.set_memory_budget(bytes);
        }
        let broken = device_test::judge(&context, &tested, config.host.on_broken_device)?;
        let mut prepared = Self { config, images, context, plan, broken, tiles: None, hooks };
        prepared.take_kept_tiles();
        Ok(prepared)
    }

    /// Prepares a run on an adapter that is already tested, with images that other runs share.
    pub fn sharing(
        config: RunConfig,
        images: &Images,
        context: &Rc<Context>,
        broken: &[String],
    ) -> Result<Self, Failure> {
        let limits = MemoryLimits { binding: context.adapter().binding_bytes(), total: context.memory_budget() };
        let plan = plan(&config.train, &images.dataset, &Tuning::default(), limits)?;
        let (images, context) = (images.clone(), Rc::clone(context));
        let (broken, hooks) = (broken.to_vec(), Hooks::default());
        let mut prepared = Self { config, images, context, plan, broken, tiles: None, hooks };
        prepared.take_kept_tiles();
        Ok(prepared)
    }

    /// True if the adapter breaks a promise, with `--on-broken-device warn`.
    pub fn is_broken(&self) -> bool {
        !self.broken.is_empty()
    }

    /// Program, shaders and adapter: together they fix the bits of a config.
    pub fn environment(&self) -> Environment {
        Environment::new(self.context.adapter(), &self.broken, &self.plan)
    }

    /// The manifest of the run if it began now. Waits for the SHA-256 of the images.
    pub fn manifest(&self) -> Result<Manifest, Failure> {
        Manifest::new(&self.config, self.context.adapter(), &self.broken, &self.images, &self.plan)
    }

    /// Refuses initial weights and an injected fault that cannot be used, as [`Prepared::open`] would in a new folder.
    pub fn check_inputs(&self) -> Result<(), Failure> {
        if let Some(FlipBitText(flip)) = &self.config.host.flip_bit {
            check_flip(flip, self.forecast().length.steps)?;
            flip.offset(&self.plan.network, self.config.train.ks.len())?;
        }
        if self.config.host.init.is_some() {
            initial_weights(&self.plan.network, &self.config)?;
        }
        Ok(())
    }

    /// Warns of a learning rate that decays until float32 cannot hold it.
    pub fn warn_of_vanishing_rate(&self) {
        let RunLength { steps, per_epoch, .. } = self.forecast().length;
        let lr = self.config.train.lr_at(steps, steps.saturating_sub(1) / per_epoch.max(1));
        if !(lr as f32).is_normal() {
            warn(
                "the learning rate decays below 1.2e-38, which float32 does not hold: the last steps train nothing; end earlier \
                 (--epochs), decay later (--decay-every) or by less (--decay-factor)",
            );
        }
    }

    /// The forecast of the run.
    pub fn forecast(&self) -> Forecast<'_> {
        Forecast::new(&self.config, &self.images, &self.context, &self.plan)
    }

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
        if recovered.state.is_none() && !recovered.damaged.is_empty() && on_change != OnChange::GoOn {
            let (flag, remedy) = match on_change {
                OnChange::Never => ("--out", "remove this folder to start the run again"),
                OnChange::GoOn | OnChange::Refuse => ("--resume", "start the run again with --allow-changed"),
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
                    && on_change != OnChange::GoOn
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
                    OnChange::GoOn | OnChange::Refuse => ("--resume", "accept that with --allow-changed"),
                };
                if on_change != OnChange::GoOn {
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

    /// Makes the session, which prints in this manner.
    pub fn session(self, manner: Manner) -> Session {
        let shape = RunShape {
            ks: self.config.train.ks.clone(),
            first_step: self.first_step(),
            total_steps: self.trainer.total_steps(),
        };
        let screen = Screen::new(manner, shape, self.summary.lamp());
        let Self { trainer, config, folder, journal, first_files, summary, saved, hooks } = self;
        let lose_device = hooks.lose_device;
        Session { trainer, config, folder, journal, first_files, summary, screen, saved, lose_device }
    }
}

/// The weights that the run begins with, before `nextafter` moves one.
pub fn initial_weights(network: &Network, config: &RunConfig) -> Result<Weights, Failure> {
    let Some(path) = &config.host.init else {
        return Ok(Weights::initial(network, config.train.seed_init.unwrap_or(config.train.seed)));
    };
    let remedy = format!("give a safetensors file of {}", network.name);
    let bytes = read_bounded(path, 16 * network.parameter_count() + MOST_BESIDE_WEIGHTS)
        .map_err(|error| Failure::given("read --init", path, &error))?;
    let Some(bytes) = bytes else {
        return Err(Failure::usage(format!("--init: '{}' is far too long: {remedy}", path.display())));
    };
    let weights = decode_weights(network, &path.display().to_string(), &bytes)
        .map_err(|error| Failure::usage(format!("--init: {error}; {remedy}")))?;
    let tensors = weights.parameters.iter().zip(&network.parameters);
    if let Some((_, parameter)) = tensors.into_iter().find(|(values, _)| values.iter().any(|v| !v.is_finite())) {
        let (path, name) = (path.display(), &parameter.name);
        return Err(Failure::usage(format!(
            "--init: '{path}': tensor '{name}' has values that are not finite; {remedy}"
        )));
    }
    Ok(weights)
}

/// Bytes that a state dict may hold beside the network's own tensors.
const MOST_BESIDE_WEIGHTS: u64 = 64 << 20;

/// Reads a file of at most `most` bytes; `None` if it is longer.
fn read_bounded(path: &Path, most: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

fn start_failure(error: TrainError, config: &RunConfig) -> Failure {
    match (error, &config.host.init) {
        (TrainError::Start(problem), Some(path)) => Failure::usage(format!("--init: '{}': {problem}", path.display())),
        (error, _) => error.into(),
    }
}

fn check_flip(flip: &FlipBit, total_steps: u64) -> Result<(), Failure> {
    if flip.step > total_steps {
        let step = flip.step;
        return Err(Failure::usage(format!(
            "--flip-bit: there is no step {step}, the run ends after step {total_steps}"
        )));
    }
    Ok(())
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
    journal.cut((step, recovered.known), is_evaluated, |line| summary.see_line(line), renew)?;
    Ok(state.map(|_| (step, is_evaluated)))
}
