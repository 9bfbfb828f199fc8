//! The runner: `FOLDER/run RESULTS [STAGE...]` on a machine with a GPU. Needs no other tool.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use time::OffsetDateTime;

use super::child::{self, End, Stop};
use super::options::Options;
use super::results::{Outcome, Report, Results, StageResult};
use super::stages::{self, Stage};
use super::trial::{Incomplete, Notes, Trial};
use super::{adapters, pack};
use crate::{process, signals};

/// The first argument of the process of a stage; its name and the options as JSON follow.
pub const STAGE_VERB: &str = "hardware-stage";
/// The exit code of a stage of which a part could not be done.
const INCOMPLETE: u8 = 3;
const LIMIT: Duration = Duration::from_secs(120);

/// Runs the stages. True if all of them are done.
pub fn run(options: &Options) -> Result<bool> {
    pack::unpack(&options.work)?;
    process::set_root(&options.work);
    signals::before_the_end(child::end_running_group).context("cannot handle signals")?;
    let lastbit = pack::program(&options.work);
    let version = process::capture(&mut process::command(&lastbit, &["--version"]), LIMIT).with_context(|| {
        format!("lastbit does not run in {} (--work FOLDER names another place)", options.work.display())
    })?;
    let all = adapters::list(&lastbit)?;
    let adapter = adapters::choose(&all, options.adapter.as_deref())?;
    let report = Report::new(version.trim(), adapter.clone(), options.small);
    let mut results = Results::open(&options.results, report)?;
    results.line(&format!("{} on '{}' ({})", version.trim(), adapter.name, adapter.driver))?;
    if options.adapter.is_none() && adapter.kind == "Cpu" {
        results.line(
            "lastbit finds no GPU here: is its Vulkan driver installed? Everything below is measured on the processor.",
        )?;
    }
    let program = std::env::current_exe().context("cannot find the path of this program")?;
    let json = serde_json::to_string(options)?;
    let mut all_done = true;
    for name in &options.stages {
        let stage = stages::named(name)?;
        let mut command = Command::new(&program);
        command.args([STAGE_VERB, name, &json]).envs(environment(options));
        let outcome = run_stage(&mut results, stage.name, command, &options.work, limits(options, stage))?;
        all_done &= outcome == Outcome::Done;
    }
    println!("\nThe results are in {}: `cargo xtask hardware report` turns them into text.", options.results.display());
    Ok(all_done)
}

/// The limit of a stage, and the time that it may take beyond.
fn limits(options: &Options, stage: &Stage) -> [Duration; 2] {
    [options.limit(stage), Duration::from_secs(stage.grace)]
}

/// Variables for all programs of a stage.
fn environment(options: &Options) -> Vec<(&'static str, std::ffi::OsString)> {
    // Tiles that `lastbit tune` finds, for the runs here alone.
    let mut variables = vec![("XDG_DATA_HOME", options.work.join("data").into_os_string())];
    variables.extend(options.adapter.as_ref().map(|adapter| ("LASTBIT_ADAPTER", adapter.into())));
    if cfg!(unix) && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // Vulkan's loader complains without it.
        variables.push(("XDG_RUNTIME_DIR", std::env::temp_dir().into_os_string()));
    }
    variables
}

/// Runs the process of a stage and keeps what it prints and finds. A stage that fails is a result, not an error.
///
/// # Errors
/// If the results cannot be written.
fn run_stage(
    results: &mut Results,
    name: &str,
    mut command: Command,
    work: &Path,
    [limit, grace]: [Duration; 2],
) -> Result<Outcome> {
    let (hour, minute, second) = OffsetDateTime::now_utc().to_hms();
    results.line(&format!("\n== {name} ({hour:02}:{minute:02}:{second:02} UTC)"))?;
    let _ = std::fs::remove_file(Notes::path(work));
    let started = Instant::now();
    let mut result = StageResult::begun(name);
    let mut seen = Notes::default();
    results.record(result.clone())?;
    let mut write_error = None;
    let end = child::run(&mut command, limit + grace, Stop::Group(Duration::from_secs(10)), |line| {
        let wrote = (|| {
            if let Some(line) = line {
                return results.line(line);
            }
            let notes = Notes::read(work);
            if notes != seen {
                result.seconds = started.elapsed().as_secs_f64();
                result.values.clone_from(&notes.values);
                results.record(result.clone())?;
                seen = notes;
            }
            Ok(())
        })();
        write_error = wrote.as_ref().err().map(|error| format!("{error:#}"));
        wrote
    });
    if let Some(error) = write_error {
        anyhow::bail!("{error}");
    }
    let notes = Notes::read(work);
    (result.seconds, result.values, result.message) = (started.elapsed().as_secs_f64(), notes.values, notes.message);
    (result.outcome, result.message) = match end {
        Ok(End::Exited(status)) if status.success() => (Outcome::Done, result.message),
        Ok(End::Exited(status)) if status.code() == Some(INCOMPLETE.into()) => (Outcome::Incomplete, result.message),
        Ok(End::Exited(status)) => (Outcome::Failed, result.message.or(Some(format!("ended with {status}")))),
        Ok(End::Stopped) => (Outcome::Stopped, Some(format!("after {} s", limit.as_secs()))),
        Err(error) => (Outcome::Failed, Some(format!("{error:#}"))),
    };
    let message = result.message.as_ref().map_or(String::new(), |message| format!(": {message}"));
    results.line(&format!("== {name} {} after {:.1} s{message}", result.outcome.words(), result.seconds))?;
    let outcome = result.outcome;
    results.record(result)?;
    Ok(outcome)
}

/// The process of a stage. Arguments: its name, and the options as JSON.
pub fn stage(arguments: &[String]) -> Result<ExitCode> {
    let [name, json] = arguments else { anyhow::bail!("{STAGE_VERB} needs a stage and options") };
    let options: Options = serde_json::from_str(json).context("cannot parse the options")?;
    process::set_root(&options.work);
    let stage = stages::named(name)?;
    let mut trial = Trial::new(options.clone(), options.limit(stage));
    let Err(error) = stage.run(&mut trial) else { return Ok(ExitCode::SUCCESS) };
    trial.explain(options.without_paths(&format!("{error:#}")))?;
    Ok(if error.is::<Incomplete>() { ExitCode::from(INCOMPLETE) } else { ExitCode::FAILURE })
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::adapters::Adapter;
    use super::super::scratch::Scratch;
    use super::*;

    #[test]
    fn each_stage_has_its_outcome_and_none_stops_the_next() {
        let scratch = Scratch::new("run");
        let (work, folder) = (scratch.path().join("work"), scratch.path().join("results"));
        std::fs::create_dir(&work).unwrap();
        let notes = Notes::path(&work);
        let note = |text: &str| format!("printf '%s' '{text}' > {}; ", notes.display());
        let report = Report::new("lastbit 0.1.0", Adapter::default(), false);
        let mut results = Results::open(&folder, report).unwrap();
        let limits = [Duration::from_secs(1), Duration::ZERO];
        let mut stage = |name: &str, script: String| {
            let mut command = Command::new("sh");
            run_stage(
                &mut results,
                name,
                {
                    command.args(["-c", &script]);
                    command
                },
                &work,
                limits,
            )
            .unwrap()
        };
        assert_eq!(stage("rules", "echo wrong; exit 1".to_owned()), Outcome::Failed);
        let slow = note(r#"{"values":{"rows":[1]},"message":null}"#) + "echo first; sleep 60";
        assert_eq!(stage("bench", slow), Outcome::Stopped);
        let lacking = note(r#"{"values":{},"message":"no command `certify`"}"#) + "exit 3";
        assert_eq!(stage("certify", lacking), Outcome::Incomplete);
        assert_eq!(stage("twice", "exit 0".to_owned()), Outcome::Done);

        let report = Report::read(&folder).unwrap().unwrap();
        let outcomes: Vec<_> = report.stages.iter().map(|stage| (stage.stage.as_str(), stage.outcome)).collect();
        assert_eq!(
            outcomes,
            [
                ("rules", Outcome::Failed),
                ("bench", Outcome::Stopped),
                ("certify", Outcome::Incomplete),
                ("twice", Outcome::Done)
            ]
        );
        // What a stopped stage had found is kept, and nothing of it is taken for the next one's.
        assert_eq!(report.stage("bench").unwrap().values["rows"], serde_json::json!([1]));
        assert!(report.stage("bench").unwrap().seconds < 30.0);
        assert_eq!(report.stage("certify").unwrap().message.as_deref(), Some("no command `certify`"));
        assert!(report.stage("twice").unwrap().values.is_empty());
        let text = std::fs::read_to_string(folder.join("results.txt")).unwrap();
        assert!(
            text.contains("wrong\n== rules failed") && text.contains("first\n== bench stopped at its limit"),
            "{text}"
        );
    }
}
