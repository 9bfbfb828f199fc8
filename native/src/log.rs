//! The log on standard error: `-v`, `--log-level` and `--log-format`. Without these flags nothing is logged, and warnings and
//! errors are plain lines.

use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, ValueEnum};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::failure::Failure;

static IS_STRUCTURED: AtomicBool = AtomicBool::new(false);

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Plain text.
    #[default]
    Text,
    /// One JSON object a line, warnings and errors included.
    Json,
}

/// Flags of the log, for every command.
#[derive(Debug, Default, Args)]
pub struct LogFlags {
    /// Log to standard error; given twice, also single steps; three times, everything
    #[arg(short, long, action = clap::ArgAction::Count, global = true, help_heading = "Log")]
    verbose: u8,
    /// Level of the log: off, error, warn, info, debug, trace, or TARGET=LEVEL,... as in lastbit=debug,lastbit_core=info
    #[arg(long, value_name = "LEVELS", global = true, conflicts_with = "verbose", help_heading = "Log")]
    log_level: Option<String>,
    /// Format of log lines; with json, warnings and errors are JSON, too
    #[arg(long, value_enum, default_value_t, global = true, help_heading = "Log")]
    log_format: Format,
}

/// Starts the log. Call it only once.
pub fn start(flags: &LogFlags) -> Result<(), Failure> {
    let is_json = flags.log_format == Format::Json;
    let of_verbosity = match flags.verbose {
        0 if is_json => LevelFilter::WARN,
        0 => LevelFilter::OFF,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let own = |level| Targets::new().with_target("lastbit", level).with_target("lastbit_core", level);
    let targets = match &flags.log_level {
        None => own(of_verbosity),
        Some(text) => match level(text) {
            Some(level) => own(level),
            None => targets(text)?,
        },
    };
    let registry = tracing_subscriber::registry().with(targets);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_span_events(FmtSpan::CLOSE);
    let started = match is_json {
        true => registry.with(lines.json()).try_init(),
        false => registry.with(lines.with_ansi(false)).try_init(),
    };
    IS_STRUCTURED.store(is_json && started.is_ok(), Ordering::Relaxed);
    started.map_err(|error| Failure::other(format!("cannot start the log: {error}")))
}

/// The levels that the help names. The parser of the `tracing-subscriber` crate also accepts numbers, and takes any other word for a
/// target.
const LEVELS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];

fn level(text: &str) -> Option<LevelFilter> {
    LEVELS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text.trim())).map(|(_, level)| *level)
}

/// Parses `TARGET=LEVEL,...`.
fn targets(text: &str) -> Result<Targets, Failure> {
    let mut targets = Targets::new();
    for part in text.split(',') {
        // A level without a target holds for all targets.
        let (target, name) = part.split_once('=').map_or((None, part), |(target, level)| (Some(target.trim()), level));
        targets = match (target, level(name)) {
            (Some(""), _) | (_, None) => return Err(no_level(if target == Some("") { part } else { name })),
            (Some(target), Some(level)) => targets.with_target(target, level),
            (None, Some(level)) => targets.with_default(level),
        };
    }
    Ok(targets)
}

fn no_level(wrong: &str) -> Failure {
    let levels = LEVELS.map(|(name, _)| name).join(", ");
    Failure::usage(format!(
        "--log-level: '{wrong}' is not a level: use one of {levels}, or TARGET=LEVEL,... as in lastbit=debug,lastbit_core=info"
    ))
}

/// True if warnings and errors are written to the log.
pub fn is_structured() -> bool {
    IS_STRUCTURED.load(Ordering::Relaxed)
}
