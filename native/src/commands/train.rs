//! `lastbit train`: from flags to a run that is finished, stopped or refused.

mod arguments;
mod messages;
mod parts;

use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use lastbit_core::device::Context;

use toml::Table;

pub use arguments::Arguments;
use arguments::{new_run, occupied};
use messages::{TUNING, announcement, cost_lines, ending_json, ending_lines, red_control, warn_of_not_read};

use crate::datasets::Images;
use crate::failure::Failure;
use crate::progress::OutputMode;
use crate::run::{CONFIG_FILE, Contents, EndsRecord, OnChange, Outcome, Prepared, inspect, whole_finished_step};
use crate::run_config::{ConfigFile, RunConfig};
use crate::terminal::warn;
use crate::{ends, interrupt, report};

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
    if let Some(adapters) = &arguments.adapters {
        return parts::run(&arguments, given, adapters);
    }
    let (out, output) = (arguments.folder(), arguments.output());
    let contents = out.map_or(Ok(Contents::Nothing), inspect)?;
    let config = match (contents, out) {
        (Contents::Run(config), Some(out)) if arguments.resume => {
            let config = config.continued(&given, out)?;
            if let Some(step) = whole_finished_step(out, &config)? {
                output.print(format!("the run in '{}' is finished after {step} steps", out.display()));
                let mut code = ExitCode::SUCCESS;
                // A comparison that the user asked for and that was stopped.
                if config.host.ends.is_some_and(|images| images > 0) && !are_ends_compared(out, step) {
                    let Prepared { context, config, images, .. } = Prepared::new(config, arguments.hooks())?;
                    let ends;
                    (ends, code) = compare_ends(&context, &config, &images, (out, step), &output);
                    if ends.is_some() {
                        report::write(out, None)?;
                    }
                    ends.iter().flat_map(ends::lines).for_each(|line| output.print(line));
                }
                output.print_json(&ending_json(Outcome::Finished, step, out));
                return Ok(code);
            }
            config
        }
        (Contents::Nothing, _) | (_, None) => new_run(&given, out.filter(|_| arguments.resume))?,
        (contents, Some(out)) => return Err(occupied(&contents, out)),
    };
    if config.train.ks.len() == 1 && config.host.ends.is_some_and(|images| images > 0) {
        return Err(Failure::usage(
            "--ends: a single copy has none to be compared with: leave it out, or give several k, as in --ks 1,3",
        ));
    }
    let prepared = Prepared::new(config, arguments.hooks())?;
    warn_of_not_read(&prepared);
    let Some(out) = out else {
        prepared.check_inputs()?;
        prepared.warn_of_vanishing_rate();
        let forecast = prepared.forecast();
        let time = forecast.time()?;
        forecast.lines(&time).iter().for_each(|line| output.print(line));
        output.print_json(&forecast.json(&time));
        return Ok(ExitCode::SUCCESS);
    };
    train(prepared, out, &output, arguments.on_change())
}

fn train(mut prepared: Prepared, out: &Path, output: &OutputMode, on_change: OnChange) -> Result<ExitCode, Failure> {
    prepared.warn_of_vanishing_rate();
    let lines = if *output == OutputMode::Text { cost_lines(&prepared)? } else { Vec::new() };
    prepared.tune_for_long_run(|| output.print(TUNING));
    let _unsaved = interrupt::UnsavedWork::begin();
    let (images, context, config) = (prepared.images.clone(), Rc::clone(&prepared.context), prepared.config.clone());
    let session = prepared.open(out, on_change)?;
    output.print(announcement(&session.trainer, &images, out, session.first_step()));
    lines.iter().for_each(|line| output.print(line));
    let total_steps = session.trainer.total_steps();
    let (outcome, summary) = session.run(output.clone())?;
    let (ends, code) = match outcome {
        Outcome::Finished => compare_ends(&context, &config, &images, (out, total_steps), output),
        Outcome::Interrupted(_) => (None, ExitCode::from(interrupt::exit_code())),
    };
    // The run is saved, even if its page cannot be written.
    let page = report::write(out, None).map_err(|failure| warn(format!("no report: {failure}"))).ok();
    ending_lines(outcome, &summary, out).iter().for_each(|line| output.print(line));
    ends.iter().flat_map(ends::lines).for_each(|line| output.print(line));
    page.iter().for_each(|page| output.print(format!("report: {}", page.path.display())));
    output.print_json(&ending_json(outcome, total_steps, out));
    if summary.is_control_red() {
        warn(red_control(&summary));
    }
    Ok(code)
}

/// Whether the folder of a run holds a comparison of its ends after `step` steps.
fn are_ends_compared(out: &Path, step: u64) -> bool {
    EndsRecord::read(out).is_some_and(|record| record.pairs.iter().all(|pair| pair.a.step == step))
}

/// Compares the ends of a finished run, where that takes little of its time or the user asks for it. The run is saved, even if this fails;
/// the exit code says whether a signal stopped it.
fn compare_ends(
    context: &Rc<Context>,
    config: &RunConfig,
    images: &Images,
    (out, total_steps): (&Path, u64),
    output: &OutputMode,
) -> (Option<EndsRecord>, ExitCode) {
    let train = &config.train;
    let sets = [images.dataset.train.len(), images.dataset.test.len()];
    let limit = match config.host.ends {
        Some(limit) => Some(limit as usize).filter(|limit| *limit > 0),
        None => ends::affordable_images(train, total_steps, sets),
    };
    let Some(limit) = limit else { return (None, ExitCode::SUCCESS) };
    match ends::compare_run(context, images, (out, limit), |text| output.print(text)) {
        Ok(record) => (Some(record), ExitCode::SUCCESS),
        Err(failure) => {
            let again = format!("`lastbit compare --ends {}` compares them", out.display());
            warn(format!("the ends are not compared: {failure}; {again}"));
            let is_stopped = interrupt::requested();
            (None, if is_stopped { ExitCode::from(failure.code()) } else { ExitCode::SUCCESS })
        }
    }
}
