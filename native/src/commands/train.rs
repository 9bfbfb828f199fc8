//! `lastbit train`: from flags to a run that is finished, stopped or refused.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use clap::Args;
use lastbit_core::data::Dataset;
use lastbit_core::gpu::{AdapterChoice, Context};
use lastbit_core::nets::Network;
use lastbit_core::train::checkpoint::{decode_weights, encode_weights};
use lastbit_core::train::{
    FlipBit, MemoryLimits, Plan, Start, State, TrainError, Trainer, Tuning, Weights, memory_estimate, plan,
};
use pollster::block_on;
use serde_json::json;

use crate::failure::{Failure, INTERRUPTED};
use crate::forecast::{Forecast, time_text};
use crate::progress::{Manner, RunShape, Screen};
use crate::run::{
    Checkpoints, Contents, INIT_FILE, Journal, Manifest, Outcome, RunFolder, Session, Summary, finished_step, inspect,
};
use crate::run_config::{CONFIG_FLAG, RunConfig, read_table};
use crate::terminal::{say, warn};
use crate::train_flags::RunFlags;
use crate::{datasets, host_memory, interrupt, report};

/// Flags of `train`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    run: RunFlags,
    /// TOML file with a run's config; flags that are given go before it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Run folder to make
    #[arg(long, value_name = "FOLDER", required_unless_present = "dry_run")]
    out: Option<PathBuf>,
    /// Go on with the run in --out from its last good checkpoint; begin it if there is none
    #[arg(long)]
    resume: bool,
    /// Print the plan with an estimate of memory and time, and stop
    #[arg(long)]
    dry_run: bool,
    /// Print nothing but warnings and errors
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    /// Print JSON on standard output and nothing else: the lines of metrics.jsonl, then how it ended
    #[arg(long)]
    json: bool,
    /// Bytes of GPU memory that may be used in all
    #[arg(long, value_name = "BYTES", hide = true)]
    memory_budget: Option<u64>,
}

/// Everything that a run needs before its folder is touched.
struct Prepared {
    config: RunConfig,
    dataset: Rc<Dataset>,
    context: Rc<Context>,
    plan: Plan,
}

impl Prepared {
    /// What a person hears before a run begins: memory, and time where it is long.
    fn told(&mut self) -> Result<Vec<String>, Failure> {
        let steps = 0..self.plan.chunks.len();
        let operations = steps.map(|chunk| self.plan.train(chunk, self.config.train.batch_size).flops()).sum();
        let forecast = self.forecast();
        let mut told = vec![format!("memory: {}", forecast.memory_text())];
        if forecast.is_long(operations) {
            told.push(format!("time for the whole run: {}", time_text(&forecast.time()?)));
        }
        Ok(told)
    }

    fn forecast(&mut self) -> Forecast<'_> {
        Forecast::new(&self.config, &self.dataset, &self.context, &mut self.plan)
    }
}

/// The last line of `--json`.
fn ending(how: &str, step: u64, out: &Path) -> serde_json::Value {
    json!({ "kind": how, "step": step, "out": out })
}

/// Trains.
pub fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let mut given = arguments.config.as_deref().map(read_table).transpose()?.unwrap_or_default();
    given.extend(arguments.run.given()?);
    let out = arguments.out.as_deref().filter(|_| !arguments.dry_run);
    let manner = match (arguments.json, arguments.quiet) {
        (true, _) => Manner::Json,
        (_, true) => Manner::Quiet,
        _ => Manner::Text,
    };
    let contents = out.map_or(Ok(Contents::Nothing), inspect)?;
    let config = match (contents, out) {
        (Contents::Run(config), Some(out)) if arguments.resume => {
            let config = config.continued(&given, out)?;
            if let Some(step) = finished_step(out, &config.train) {
                match manner {
                    Manner::Json => say(ending("finished", step, out)),
                    Manner::Text => say(format!("the run in '{}' is finished after {step} steps", out.display())),
                    Manner::Quiet => {}
                }
                return Ok(ExitCode::SUCCESS);
            }
            config
        }
        (Contents::Nothing, _) | (_, None) => RunConfig::from_table(&given, CONFIG_FLAG)?,
        (contents, Some(out)) => return Err(occupied(&contents, out)),
    };
    let mut prepared = prepare(config, arguments.memory_budget)?;
    let Some(out) = out else {
        let forecast = prepared.forecast();
        let time = forecast.time()?;
        match manner {
            Manner::Json => say(forecast.json(&time)),
            Manner::Text => forecast.lines(&time).iter().for_each(say),
            Manner::Quiet => {}
        }
        return Ok(ExitCode::SUCCESS);
    };
    train(prepared, out, manner)
}

fn occupied(contents: &Contents, out: &Path) -> Failure {
    let out = out.display();
    Failure::usage(match contents {
        Contents::Run(_) => {
            format!("--out: '{out}' holds a run already: add --resume to go on, or give another folder")
        }
        _ => format!("--out: '{out}' is not empty and holds no run: give another folder"),
    })
}

fn prepare(config: RunConfig, memory_budget: Option<u64>) -> Result<Prepared, Failure> {
    config.train.validate()?;
    let choice = config.host.adapter.clone().map_or(AdapterChoice::Best, AdapterChoice::Named);
    let mut context = block_on(Context::new(&choice))?;
    let free = host_memory::budget().filter(|_| context.adapter().software);
    let dataset = datasets::load(&config.train, config.host.data_dir.as_deref())?;
    let planned = |total: Option<u64>| {
        let limits = MemoryLimits { binding: context.max_binding_bytes(), total };
        plan(&config.train, &dataset, &Tuning::default(), limits)
    };
    let budget = match (memory_budget, free) {
        (None, Some(free)) => {
            // Images, kernels and checkpoints come out of the same memory.
            let memory = memory_estimate(&context, &mut planned(None)?, &dataset);
            Some(free.saturating_sub(memory.host + memory.kernels))
        }
        (given, _) => given,
    };
    let plan = planned(budget)?;
    if let Some(bytes) = budget {
        context = context.with_memory_budget(bytes);
    }
    Ok(Prepared { config, dataset: Rc::new(dataset), context: Rc::new(context), plan })
}

fn train(mut prepared: Prepared, out: &Path, manner: Manner) -> Result<ExitCode, Failure> {
    let told = if manner == Manner::Text { Some(prepared.told()?) } else { None };
    let Prepared { config, dataset, context, mut plan } = prepared;
    let manifest = Manifest::new(context.adapter(), &dataset, &mut plan);
    let network = plan.network;
    let folder = RunFolder::claim(out)?;
    let mut journal = Journal::open(&folder)?;
    let recovered = Checkpoints::of(&folder).recover(&network, &config.train, journal.last_step()?);
    let instead = if recovered.state.is_some() { "going on from an older one" } else { "beginning anew" };
    for line in &recovered.damaged {
        warn(format!("{line}: {instead}"));
    }
    let (manifest, warning) = match (&recovered.state, Manifest::read(&folder)) {
        (Some(state), Some(old)) => old.continued(manifest, state.step, out)?,
        _ => (manifest, None),
    };
    if let Some(warning) = warning {
        warn(warning);
    }
    let initial = match &recovered.state {
        Some(_) => None,
        None => Some(initial_weights(&network, &config)?),
    };
    let start = match (&recovered.state, &initial) {
        (Some(state), _) => Start::State(state.clone()),
        (None, Some(weights)) => Start::Weights(weights.clone()),
        (None, None) => Start::Fresh,
    };
    let mut trainer = block_on(Trainer::new(context, config.train.clone(), dataset, Tuning::default(), start))
        .map_err(|error| start_failure(error, &config))?;
    if let Some(flip) = &config.host.flip_bit {
        check_flip(&flip.0, trainer.total_steps())?;
        block_on(trainer.flip_bit(flip.0.clone()))?;
        let replica = flip.0.replica;
        if let (Some(k), false) = (config.train.ks.get(replica), config.train.controls().contains(&replica)) {
            warn(format!(
                "--flip-bit: replica {replica} (k = {k}) is no control, so no lamp will turn red; --ks 1,3,2 has one at 2"
            ));
        }
    }

    interrupt::install()?;
    folder.write("config.toml", config.to_text()?.as_bytes())?;
    manifest.write(&folder)?;
    if let Some(weights) = &initial {
        folder.write(INIT_FILE, &encode_weights(&network, weights, &json!({ "net": network.name })))?;
    }
    let mut summary = Summary::new(&config.train);
    let saved = cut(&mut journal, &mut summary, &trainer, recovered.state.as_ref())?;
    let first_step = saved.map_or(0, |(step, _)| step);
    if let Some(told) = told {
        announce(&trainer, out, first_step);
        told.iter().for_each(say);
    }
    let total_steps = trainer.total_steps();
    let shape = RunShape { ks: config.train.ks.clone(), first_step, total_steps };
    let screen = Screen::new(manner, shape, summary.lamp());
    let session = Session { trainer, config, folder, journal, summary, screen, saved };
    let (outcome, summary) = session.run()?;
    // The run is saved, whatever becomes of its page.
    let page = report::write(out, None).map_err(|failure| warn(format!("no report: {failure}"))).ok();
    match manner {
        Manner::Text => {
            conclude(outcome, &summary, out);
            page.iter().for_each(|page| say(format!("report: {}", page.path.display())));
        }
        Manner::Json => {
            let (how, step) = match outcome {
                Outcome::Finished => ("finished", total_steps),
                Outcome::Interrupted(step) => ("interrupted", step),
            };
            say(ending(how, step, out));
        }
        Manner::Quiet => {}
    }
    if summary.is_control_red() {
        warn(red_control(&summary));
    }
    Ok(match outcome {
        Outcome::Finished => ExitCode::SUCCESS,
        Outcome::Interrupted(_) => ExitCode::from(INTERRUPTED),
    })
}

fn initial_weights(network: &Network, config: &RunConfig) -> Result<Weights, Failure> {
    let Some(path) = &config.host.init else {
        return Ok(Weights::initial(network, config.train.seed_init.unwrap_or(config.train.seed)));
    };
    let remedy = format!("give a safetensors file of {}", network.name);
    let bytes = read_bounded(path, 16 * network.parameter_count() + MOST_BESIDE_WEIGHTS)
        .map_err(|error| Failure::file("read --init", path, &error))?;
    let Some(bytes) = bytes else {
        return Err(Failure::other(format!("--init: '{}' is far too long: {remedy}", path.display())));
    };
    let weights = decode_weights(network, &path.display().to_string(), &bytes)
        .map_err(|error| Failure::other(format!("--init: {error}; {remedy}")))?;
    let tensors = weights.parameters.iter().zip(&network.parameters);
    if let Some((_, parameter)) = tensors.into_iter().find(|(values, _)| values.iter().any(|v| !v.is_finite())) {
        let (path, name) = (path.display(), &parameter.name);
        return Err(Failure::other(format!(
            "--init: '{path}': tensor '{name}' has values that are not finite; {remedy}"
        )));
    }
    Ok(weights)
}

/// What a state dict may hold beside the network's own tensors.
const MOST_BESIDE_WEIGHTS: u64 = 64 << 20;

/// The bytes of a file of at most `most`; `None` if it goes on.
fn read_bounded(path: &Path, most: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

fn start_failure(error: TrainError, config: &RunConfig) -> Failure {
    match (error, &config.host.init) {
        (TrainError::Start(problem), Some(path)) => Failure::other(format!("--init: '{}': {problem}", path.display())),
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

/// Cuts the files back to what `state` knows; returns the step and evaluation that are on the disk.
fn cut(
    journal: &mut Journal,
    summary: &mut Summary,
    trainer: &Trainer,
    state: Option<&State>,
) -> Result<Option<(u64, bool)>, Failure> {
    let step = state.map_or(0, |state| state.step);
    // A run that was made longer loses the evaluation at its former end, so that it equals one that was as long from the
    // start.
    let is_evaluated = state.is_some_and(|state| state.evaluated) && trainer.is_evaluated_after(step);
    journal.cut(step, is_evaluated, |line| summary.see_line(line))?;
    Ok(state.map(|_| (step, is_evaluated)))
}

fn announce(trainer: &Trainer, out: &Path, first_step: u64) {
    let (adapter, config) = (trainer.context().adapter(), trainer.config());
    let software = if adapter.software { ", a software adapter" } else { "" };
    let from = if first_step > 0 { format!(" from step {first_step}") } else { String::new() };
    say(format!(
        "training {} on {} with k = {:?}{from}, {} steps, on '{}'{software} -> {}",
        trainer.network().name,
        config.dataset,
        config.ks,
        trainer.total_steps(),
        adapter.name,
        out.display()
    ));
}

/// Says how it ended.
fn conclude(outcome: Outcome, summary: &Summary, out: &Path) {
    let out = out.display();
    if let Outcome::Interrupted(step) = outcome {
        return say(format!("stopped after step {step}; go on with: lastbit train --out '{out}' --resume"));
    }
    summary.table().iter().for_each(say);
    say(format!(
        "files in {out}: config.toml, manifest.json, metrics.jsonl, timing.jsonl, init.safetensors, summary.json, checkpoint/"
    ));
    if !summary.is_control_red() && !summary.lamp().controls().is_empty() {
        say("control green: 0 bits differ");
    }
}

fn red_control(summary: &Summary) -> String {
    let since = summary.lamp().first_red_step().map(|step| format!(" since step {step}")).unwrap_or_default();
    format!(
        "THE CONTROL IS RED{since}: replicas that must equal the first one bit for bit do not. Divergence in this run \
         does not come from k alone: do not use it (with --flip-bit this is what should happen)"
    )
}
