//! `lastbit train`: from flags to a run that is finished, stopped or refused.

mod parts;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use lastbit_core::train::self_test::Check;
use lastbit_core::train::{RecordingKind, Trainer};
use serde_json::json;
use toml::Table;

use crate::datasets::Images;
use crate::device_test::a_check;
use crate::failure::Failure;
use crate::forecast::time_text;
use crate::progress::Manner;
use crate::run::{
    CONFIG_FILE, Contents, Hooks, OnChange, Outcome, PARTS_FILE, Prepared, REPRODUCTION_FILE, Summary, inspect,
    is_in_parts, whole_finished_step,
};
use crate::run_config::{CONFIG_FLAG, ConfigFile, RunConfig};
use crate::terminal::{say, warn};
use crate::train_flags::RunFlags;
use crate::values::{listed, whole};
use crate::{interrupt, report};

/// Flags of `train`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    run: RunFlags,
    /// Train on several adapters at the same time, each named as in --adapter. Each trains the first k and its share of the
    /// others, as an ordinary run in OUT/part-0, OUT/part-1, ...; an adapter may be given twice
    #[arg(long, value_name = "ADAPTER,ADAPTER,...", value_delimiter = ',', value_parser = listed::<String>, conflicts_with_all = ["adapter", "json"])]
    adapters: Option<Vec<String>>,
    /// TOML file with a run's config; flags override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Run folder to create
    #[arg(long, value_name = "FOLDER", required_unless_present = "dry_run")]
    out: Option<PathBuf>,
    /// Resume the run in --out from its last good checkpoint; if there is no run, begin the one that the flags describe
    #[arg(long)]
    resume: bool,
    /// With --resume: continue even if shaders, driver or adapter have changed since the run was made, and start again
    /// if no checkpoint can be used
    #[arg(long, requires = "resume")]
    allow_changed: bool,
    /// Print the plan with an estimate of memory and time, and stop
    #[arg(long)]
    dry_run: bool,
    /// Print only warnings and errors
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    /// Print only JSON on standard output: the lines of metrics.jsonl, then how the run ended
    #[arg(long)]
    json: bool,
    /// Bytes of the adapter's memory that may be used in total
    #[arg(long, value_name = "BYTES", hide = true, allow_negative_numbers = true, value_parser = whole::<u64>)]
    memory_budget: Option<u64>,
    /// Make a check of the self-test fail
    #[arg(long, value_name = "CHECK", hide = true, value_parser = a_check)]
    break_device: Option<Check>,
    /// Destroy the device after a step
    #[arg(long, value_name = "STEP", hide = true, allow_negative_numbers = true, value_parser = whole::<u64>)]
    lose_device: Option<u64>,
}

/// The lines for a person before a run begins: its memory, and its time if it is long.
fn told(prepared: &Prepared) -> Result<Vec<String>, Failure> {
    let samples = prepared.config.train.batch_size;
    let operations = prepared.plan.flops(|chunk| RecordingKind::Train(chunk, samples));
    let forecast = prepared.forecast();
    let mut lines = vec![format!("memory: {}", forecast.memory_text())];
    if forecast.is_long(operations) {
        lines.push(format!("time for the whole run: {}", time_text(&forecast.time()?)));
    }
    Ok(lines)
}

/// The last line of `--json`.
fn ending(how: &str, step: u64, out: &Path) -> serde_json::Value {
    json!({ "kind": how, "step": step, "out": out })
}

/// Printed before a long run's first tuning.
const TUNING: &str =
    "finding the quickest tile of each convolution, once for this adapter and network (`lastbit tune`)";

/// Trains the run that the flags describe.
pub fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    interrupt::install()?;
    let file = arguments.config.as_deref().map(ConfigFile::read).transpose()?;
    let flags = arguments.run.given()?;
    let mut given = file.as_ref().map(|file| file.table.clone()).unwrap_or_default();
    given.extend(flags.clone());
    // The config of the run in the folder, whose values no flag gave.
    let own = arguments.out.as_ref().filter(|_| arguments.resume).map(|out| out.join(CONFIG_FILE));
    run_given(arguments, given.clone()).map_err(|failure| {
        let failure =
            failure.located(|key| file.as_ref().filter(|_| !flags.contains_key(key)).and_then(|file| file.place(key)));
        failure.located(|key| {
            ConfigFile::read_in_folder(own.as_deref().filter(|_| !given.contains_key(key))?).ok()?.place(key)
        })
    })
}

/// Trains the run that the config and the flags describe together.
fn run_given(arguments: Arguments, given: Table) -> Result<ExitCode, Failure> {
    let hooks = Hooks {
        memory_budget: arguments.memory_budget,
        break_device: arguments.break_device,
        lose_device: arguments.lose_device,
    };
    if let Some(adapters) = &arguments.adapters {
        return parts::run(&arguments, given, adapters, hooks);
    }
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
            if let Some(step) = whole_finished_step(out, &config)? {
                match manner {
                    Manner::Json => say(ending("finished", step, out)),
                    Manner::Text | Manner::Beside(_) => {
                        say(format!("the run in '{}' is finished after {step} steps", out.display()));
                    }
                    Manner::Quiet => {}
                }
                return Ok(ExitCode::SUCCESS);
            }
            config
        }
        (Contents::Nothing, _) | (_, None) => new_run(&given, out.filter(|_| arguments.resume))?,
        (contents, Some(out)) => return Err(occupied(&contents, out)),
    };
    let prepared = Prepared::new(config, hooks)?;
    warn_of_not_read(&prepared);
    let Some(out) = out else {
        prepared.check_inputs()?;
        prepared.warn_of_vanishing_rate();
        let forecast = prepared.forecast();
        let time = forecast.time()?;
        match manner {
            Manner::Json => say(forecast.json(&time)),
            Manner::Text | Manner::Beside(_) => forecast.lines(&time).iter().for_each(say),
            Manner::Quiet => {}
        }
        return Ok(ExitCode::SUCCESS);
    };
    train(prepared, out, manner, if arguments.allow_changed { OnChange::GoOn } else { OnChange::Refuse })
}

/// The config of a run to begin. `resumed` is the folder of `--resume`, if that holds no run. Missing keys have their defaults; but with
/// `--resume` and no key that says what to train, that would be days of a run that nobody meant.
fn new_run(given: &Table, resumed: Option<&Path>) -> Result<RunConfig, Failure> {
    match resumed {
        Some(folder) if given.keys().all(|key| RunConfig::is_free(key)) => Err(Failure::usage(format!(
            "--resume: '{}' holds no run: give the folder of a run, or the flags of a new one (for the default run, leave out \
             --resume)",
            folder.display()
        ))),
        _ => RunConfig::from_table(given, CONFIG_FLAG),
    }
}

fn occupied(contents: &Contents, folder: &Path) -> Failure {
    let out = folder.display();
    Failure::usage(match contents {
        _ if is_in_parts(folder) => {
            format!(
                "--out: '{out}' already holds a run in parts: add --adapters and --resume to continue it, or give another folder"
            )
        }
        Contents::Run(_) => {
            format!("--out: '{out}' already holds a run: add --resume to continue it, or give another folder")
        }
        _ if folder.join(REPRODUCTION_FILE).exists() => {
            format!("--out: '{out}' holds a reproduction: give another folder")
        }
        Contents::Remains(name) => format!(
            "--out: '{out}' holds '{name}', as a run does, but no {CONFIG_FILE} or {PARTS_FILE} that says which run it is: restore \
             that file, or give another folder"
        ),
        Contents::Nothing => format!("--out: '{out}' holds no run: give another folder"),
    })
}

fn train(mut prepared: Prepared, out: &Path, manner: Manner, on_change: OnChange) -> Result<ExitCode, Failure> {
    prepared.warn_of_vanishing_rate();
    let lines = if manner == Manner::Text { Some(told(&prepared)?) } else { None };
    prepared.tune_for_long_run(|| {
        if manner == Manner::Text {
            say(TUNING);
        }
    });
    let _to_save = interrupt::ToSave::begin();
    let images = prepared.images.clone();
    let opened = prepared.open(out, on_change)?;
    if let Some(lines) = lines {
        say(announcement(&opened.trainer, &images, out, opened.first_step()));
        lines.iter().for_each(say);
    }
    let total_steps = opened.trainer.total_steps();
    let (outcome, summary) = opened.session(manner.clone()).run()?;
    // The run is saved, even if its page cannot be written.
    let page = report::write(out, None).map_err(|failure| warn(format!("no report: {failure}"))).ok();
    match manner {
        Manner::Text | Manner::Beside(_) => {
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
        Outcome::Interrupted(_) => ExitCode::from(interrupt::exit_code()),
    })
}

/// Warns of files in the image folder that are not read.
fn warn_of_not_read(prepared: &Prepared) {
    if let Some(text) = prepared.images.not_read.text() {
        warn(format!(
            "not read in the image folder: {text}; `lastbit data info folder` counts the images that are read"
        ));
    }
}

fn announcement(trainer: &Trainer, images: &Images, out: &Path, first_step: u64) -> String {
    let (adapter, config) = (trainer.context().adapter(), trainer.config());
    let with = match (&adapter.detail, adapter.software) {
        (Some(detail), _) => format!(" ({detail})"),
        (None, true) => ", a software GPU".to_owned(),
        (None, false) => String::new(),
    };
    let from = if first_step > 0 { format!(" from step {first_step}") } else { String::new() };
    format!(
        "training {} on {}{} with k = {:?}{from}, {} steps, on '{}'{with} -> {}",
        trainer.network().name,
        config.dataset,
        images.reservation(),
        config.ks,
        trainer.total_steps(),
        adapter.name,
        out.display()
    )
}

/// Prints how the run ended.
fn conclude(outcome: Outcome, summary: &Summary, out: &Path) {
    let out = out.display();
    if let Outcome::Interrupted(step) = outcome {
        return say(format!("stopped after step {step}; continue with: lastbit train --out '{out}' --resume"));
    }
    summary.table().iter().for_each(say);
    say(format!(
        "files in {out}: config.toml, manifest.json, metrics.jsonl, timing.jsonl, init.safetensors, summary.json, checkpoint/"
    ));
    if summary.is_control_red() || summary.lamp().controls().is_empty() {
        return;
    }
    say(if summary.is_control_not_finite() {
        "control: cannot tell, because its numbers or those of the first replica are not finite: equal bits prove nothing"
    } else {
        "control green: 0 bits differ"
    });
}

fn red_control(summary: &Summary) -> String {
    let since = summary.lamp().first_red_step().map(|step| format!(" since step {step}")).unwrap_or_default();
    format!(
        "THE CONTROL IS RED{since}: replicas that must equal the first one bit for bit do not. Divergence in this run \
         does not come from k alone: do not use it (with --flip-bit, this is expected)"
    )
}
