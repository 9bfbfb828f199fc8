//! The command line: its grammar, and its errors as one line each.

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::commands::{adapters, bench, data, report, smoke, train};
use crate::failure::Failure;

/// Shows what the last floating-point bit does to the training of a deep network.
#[derive(Debug, Parser)]
#[command(name = "lastbit", version, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// One variant for each file in `commands/`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train copies of one network that differ in an integer k alone
    Train(Box<train::Arguments>),
    /// Download data sets and show what is in them
    Data(data::Arguments),
    /// Make the report of a run anew, from its folder alone
    Report(report::Arguments),
    /// List the GPU adapters of this machine, software ones included
    Adapters(adapters::Arguments),
    /// Measure this machine: operations and whole steps beside its fma rate and copy bandwidth
    Bench(bench::Arguments),
    /// Take one step of a small network and print its loss and fingerprint
    #[command(hide = true)]
    Smoke(smoke::Arguments),
}

/// The parsed command line, or the exit code where there is nothing left to do (`--help`, a bad flag).
pub fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
        _ => Failure::usage(one_line(&error.to_string())).report(),
    })
}

/// clap's paragraphs without the usage that follows them.
fn one_line(paragraphs: &str) -> String {
    let lines = paragraphs.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let told = lines.filter(|line| !line.is_empty() && !line.starts_with("For more information"));
    let text = told.collect::<Vec<_>>().join(" ");
    text.strip_prefix("error: ").unwrap_or(&text).replace(" tip: ", "; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

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
