//! A run before its folder is touched: its adapter is tested, its images are read, its memory is planned.

use std::path::PathBuf;
use std::rc::Rc;
use std::thread;

use lastbit_core::arithmetic::Arithmetic;
use lastbit_core::bench::tune;
use lastbit_core::device::Context;
use lastbit_core::nets::Network;
use lastbit_core::ops::Tiles;
use lastbit_core::train::checkpoint::decode_weights;
use lastbit_core::train::self_test::Check;
use lastbit_core::train::{MemoryLimits, Plan, Schedule, Tuning, Weights, memory_estimate, plan};

use super::environment::Environment;
use super::manifest::Manifest;
use super::tile_cache;
use crate::datasets::Images;
use crate::failure::Failure;
use crate::files::read_at_most;
use crate::forecast::RunForecast;
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
    /// What the adapter computes with.
    arithmetic: Arithmetic,
    /// Promises that the adapter breaks, with `--on-broken-device warn`.
    broken: Vec<String>,
    /// Tuned tiles of the convolutions; `None` for the default tiles.
    pub(super) tiles: Option<Tiles>,
    pub(super) hooks: Hooks,
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
        let arithmetic = device_test::arithmetic(&context);
        let images = loading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        // After errors of the images, and before the device is used again: if it was lost, that would fail, too.
        let (tested, arithmetic) = (tested?, arithmetic?);
        let free = free.filter(|_| context.adapter().uses_host_memory()).map(|bytes| bytes / runs);
        let planned = |total: Option<u64>| {
            let limits = MemoryLimits { binding: context.adapter().binding_bytes(), total };
            plan(&config.train, &images.dataset, &Tuning::default(), limits)
        };
        let budget = match (hooks.memory_budget, free) {
            (None, Some(free)) => {
                // Images, kernels and checkpoints take the same memory.
                let memory = memory_estimate(&context, &config.train, &planned(None)?, &images.dataset);
                Some(free.saturating_sub(memory.host + memory.kernels))
            }
            (given, _) => given,
        };
        let plan = planned(budget)?;
        if let Some(bytes) = budget {
            context.set_memory_budget(bytes);
        }
        let broken = device_test::judge(&context, &tested, config.host.on_broken_device)?;
        let mut prepared = Self { config, images, context, plan, arithmetic, broken, tiles: None, hooks };
        prepared.load_tuned_tiles();
        Ok(prepared)
    }

    /// Prepares a run on an adapter that is already tested, with images that other runs share.
    pub fn sharing(
        config: RunConfig,
        images: &Images,
        context: &Rc<Context>,
        (arithmetic, broken): (Arithmetic, &[String]),
    ) -> Result<Self, Failure> {
        let limits = MemoryLimits { binding: context.adapter().binding_bytes(), total: context.memory_budget() };
        let plan = plan(&config.train, &images.dataset, &Tuning::default(), limits)?;
        let (images, context) = (images.clone(), Rc::clone(context));
        let (broken, hooks) = (broken.to_vec(), Hooks::default());
        let mut prepared = Self { config, images, context, plan, arithmetic, broken, tiles: None, hooks };
        prepared.load_tuned_tiles();
        Ok(prepared)
    }

    /// True if the adapter breaks a promise, with `--on-broken-device warn`.
    pub fn is_broken(&self) -> bool {
        !self.broken.is_empty()
    }

    /// Program, shaders and adapter: together they fix the bits of a config.
    pub fn environment(&self) -> Environment {
        Environment::of_run(self.context.adapter(), self.arithmetic, &self.broken, &self.plan)
    }

    /// The manifest of the run if it began now. Waits for the SHA-256 of the images.
    pub fn manifest(&self) -> Result<Manifest, Failure> {
        Manifest::new(&self.config, self.environment(), &self.images, &self.plan.network)
    }

    /// Refuses initial weights, perturbations and an injected fault that cannot be used, as [`Prepared::open`] would in a new folder.
    pub fn check_inputs(&self) -> Result<(), Failure> {
        check_changes(&self.config, self.forecast().length.steps)?;
        if let Some(FlipBitText(flip)) = &self.config.host.flip_bit {
            flip.offset(&self.plan.network, self.config.train.ks.len())?;
        }
        if self.config.host.init.is_some() {
            initial_weights(&self.plan.network, &self.config)?;
        }
        Ok(())
    }

    /// Warns of a learning rate that decays until float32 cannot hold it.
    pub fn warn_of_vanishing_rate(&self) {
        let (config, length) = (&self.config.train, self.forecast().length);
        if !(config.lr_at(length.steps, length) as f32).is_normal() {
            let remedy = match config.schedule {
                Schedule::Step => "end earlier (--epochs), decay later (--decay-every) or by less (--decay-factor)",
                Schedule::Cosine | Schedule::Linear => "begin with a larger rate (--lr)",
            };
            warn(format!(
                "the learning rate decays below 1.2e-38, which float32 does not hold: the last steps train nothing; {remedy}"
            ));
        }
    }

    /// The file of the run's tiles; `None` without a user folder.
    pub(super) fn tiles_file(&self) -> Option<PathBuf> {
        tile_cache::path(&self.environment(), self.tile_sizes())
    }

    /// Number of replicas that are computed at once, and of samples in a batch.
    pub fn tile_sizes(&self) -> (u32, u32) {
        let replicas = self.plan.chunks.first().map_or(1, |chunk| chunk.replicas.len());
        (replicas as u32, self.config.train.batch_size)
    }

    /// Uses tiles that an earlier search kept, and returns whether there are any. An adapter that failed the self-test gets the
    /// default tiles.
    pub(super) fn load_tuned_tiles(&mut self) -> bool {
        let kept = if self.is_broken() { None } else { self.tiles_file().and_then(|path| tile_cache::read(&path)) };
        let is_kept = kept.is_some();
        self.tiles = kept.map(|choices| tune::tiles(&self.context, &choices));
        is_kept
    }

    /// The forecast of the run.
    pub fn forecast(&self) -> RunForecast<'_> {
        RunForecast::new(&self.config, &self.images, &self.context, &self.plan)
    }
}

/// The weights that the run begins with, before `nextafter` moves one.
pub fn initial_weights(network: &Network, config: &RunConfig) -> Result<Weights, Failure> {
    let Some(path) = &config.host.init else {
        return Ok(Weights::initial(network, config.train.seed_init.unwrap_or(config.train.seed)));
    };
    let remedy = format!("give a safetensors file of {}", network.name);
    let bytes = read_at_most(path, 16 * network.parameter_count() + MOST_BESIDE_WEIGHTS)
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

/// Refuses to change weights at steps after the run's last one.
pub fn check_changes(config: &RunConfig, total_steps: u64) -> Result<(), Failure> {
    let flip = config.host.flip_bit.iter().map(|flip| ("--flip-bit", flip.0.step));
    let pokes = config.train.perturb.iter().filter_map(|perturb| perturb.0.as_ref());
    let pokes = pokes.map(|poke| ("--perturb", poke.step));
    match flip.chain(pokes).find(|(_, step)| *step > total_steps) {
        Some((flag, step)) => {
            Err(Failure::usage(format!("{flag}: there is no step {step}, the run ends after step {total_steps}")))
        }
        None => Ok(()),
    }
}
