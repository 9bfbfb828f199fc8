//! The command line: its grammar, its errors as one line each, and the function behind each command.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::commands::{
    adapters, bench, certify, compare, completions, data, export, man, report, reproduce, smoke, train, tune, verify,
};
use crate::device::DeviceFlags;
use crate::failure::Failure;
use crate::log::LogFlags;
use crate::terminal;

const EXAMPLES: &str = "\
Examples:
  lastbit train --net resnet8 --dataset synthetic --ks 1,3,2 --batch-size 32 --steps 100 --out runs/hello
        A minute on any machine, without files. k = 2 is the control: it must stay at zero bits.
  lastbit train --net resnet56 --dataset cifar10 --ks 1,3,5,7,9,11 --out runs/paper
        The paper's main experiment (batch 128, 200 epochs). Add --dry-run to print its time and memory first.
  lastbit train --out runs/paper --resume
        Resumes after Ctrl-C, a crash or a full disk, with the same bits.
  lastbit report runs/hello --open
        Rebuilds the page of a run and opens it.
  lastbit reproduce fig2 --quick --out runs/fig2
        A figure of the paper: data, report and verdict. Without --quick it has the published size, which needs a GPU.
  lastbit data fetch fashion-mnist
        Downloads a data set and checks its checksum.

Exit codes: 0 done; 1 failed, or verify or compare found a difference; 2 invalid flag, value or folder, nothing has begun;
130 stopped by Ctrl-C, 143 by SIGTERM (as schedulers send it), 129 by SIGHUP, 138 by SIGUSR1, 140 by SIGUSR2, 152 by SIGXCPU (Linux's
numbers): the run is saved, and --resume continues it.

The environment variable LASTBIT_ADAPTER names the adapter if --adapter does not.";

/// Shows what the last floating-point bit does to the training of a deep network.
///
/// Copies of one network train in lockstep: same weights, same batches, same arithmetic. They differ in an integer k: the
/// update is divided by k and the learning rate is multiplied by k. In exact arithmetic that changes nothing; in float32 it changes the last bit.
#[derive(Debug, Parser)]
#[command(name = "lastbit", version, max_term_width = 110, after_long_help = EXAMPLES)]
pub struct Cli {
    /// The command and its flags.
    #[command(subcommand)]
    pub command: Command,
    /// Flags of the log.
    #[command(flatten)]
    pub log: LogFlags,
    /// Flags of the device.
    #[command(flatten)]
    pub device: DeviceFlags,
}

/// One variant for each file in `commands/`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train copies of one network that differ only in an integer k
    Train(Box<train::Arguments>),
    /// Reproduce an experiment of the paper, or run one beyond it: data, figures, and a report with a verdict
    #[command(
        after_help = "After a stop, the same command continues. --dry-run prints time, memory and files, and stops.\n\n\
        Example: lastbit reproduce fig2 --quick --out runs/fig2"
    )]
    Reproduce(Box<reproduce::Arguments>),
    /// Download data sets and show what is in them
    Data(data::Arguments),
    /// Rebuild the report of a run from its folder alone
    Report(report::Arguments),
    /// Write every number of a run as a table, a row for each: CSV or Parquet, for pandas, polars, DuckDB or R
    #[command(after_long_help = export::AFTER_HELP)]
    Export(export::Arguments),
    /// Train a run again and compare every line and every checkpoint with its record
    #[command(after_help = "Example: lastbit verify runs/first --steps 80..100\n\n\
        Exit codes: 0 every bit is the same, 1 something differs or failed, 2 invalid flag or folder")]
    Verify(verify::Arguments),
    /// Compare two runs of one experiment bit by bit, for example from two machines, and write a report
    #[command(after_help = "Example: lastbit compare runs/first runs/from-another-machine\n\n\
        Exit codes: 0 every bit is the same, 1 something differs or failed, 2 invalid flag or folder")]
    Compare(compare::Arguments),
    /// List the adapters of this machine: GPUs, the processor, software GPUs
    Adapters(adapters::Arguments),
    /// Measure operations and whole steps on this machine, beside its fma rate and copy bandwidth
    Bench(bench::Arguments),
    /// Check which promises about bits a device keeps, and write its certificate: a file and a page to pass on
    #[command(after_help = "Example: lastbit certify --out certificates/this-machine\n\n\
        Exit codes: 0 every promise is kept, 1 one is broken or the device failed, 2 invalid flag or folder")]
    Certify(certify::Arguments),
    /// Print a completion script for a shell
    #[command(after_help = "Example: lastbit completions bash > ~/.local/share/bash-completion/completions/lastbit")]
    Completions(completions::Arguments),
    /// Print a manual page, or write those of all commands
    #[command(after_help = "Example: lastbit man train | man -l -")]
    Man(man::Arguments),
    /// Find the quickest tile of each convolution on a GPU, for later runs; bits do not change
    #[command(after_help = "Example: lastbit tune --net resnet56 --ks 1,3,5,7,9,11")]
    Tune(Box<tune::Arguments>),
    /// Take one step of a small network and print its loss and fingerprint
    #[command(hide = true)]
    Smoke(smoke::Arguments),
}

impl Command {
    /// Runs the command.
    pub fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Self::Train(arguments) => train::run(*arguments),
            Self::Reproduce(arguments) => reproduce::run(&arguments),
            Self::Data(arguments) => data::run(&arguments),
            Self::Report(arguments) => report::run(&arguments),
            Self::Export(arguments) => export::run(&arguments),
            Self::Verify(arguments) => verify::run(arguments),
            Self::Compare(arguments) => compare::run(arguments),
            Self::Adapters(arguments) => adapters::run(&arguments),
            Self::Bench(arguments) => bench::run(&arguments),
            Self::Certify(arguments) => certify::run(&arguments),
            Self::Completions(arguments) => completions::run(&arguments, &mut Cli::command()),
            Self::Man(arguments) => man::run(&arguments, Cli::command()),
            Self::Tune(arguments) => tune::run(&arguments),
            Self::Smoke(arguments) => smoke::run(&arguments),
        }
    }
}

/// Parses the command line. An error is the exit code of a command line that needs no further work: `--help`, `--version` or a bad flag.
pub fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            terminal::note_lost(error.print());
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
        kind => {
            let line = one_line(&error.to_string());
            let is_value = matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(text)) if !text.starts_with('-'));
            // If a list or a name contains a space, its rest looks like another argument.
            let hint = match kind == ErrorKind::UnknownArgument && is_value {
                true => ": write a list without spaces, as in --ks 1,3,2, and quote a name with spaces",
                false => "",
            };
            terminal::report(&Failure::usage(line + hint))
        }
    })
}

/// Joins clap's paragraphs into one line, without the usage that follows them.
fn one_line(paragraphs: &str) -> String {
    let lines = paragraphs.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let kept = lines.filter(|line| !line.is_empty() && !line.starts_with("For more information"));
    let text = kept.collect::<Vec<_>>().join(" ");
    text.strip_prefix("error: ").unwrap_or(&text).replace(" tip: ", "; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn errors_are_one_line() {
        let error = Cli::try_parse_from(["lastbit", "train", "--ot", "x"]).unwrap_err().to_string();
        let line = one_line(&error);
        assert!(line.contains("--ot") && !line.contains('\n') && !line.contains("Usage"), "{line}");
    }
}
