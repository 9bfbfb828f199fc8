//! One file for each subcommand: its flags and what it does.

pub mod adapters;
pub mod bench;
pub mod compare;
pub mod completions;
pub mod data;
pub mod report;
pub mod reproduce;
pub mod smoke;
pub mod train;
pub mod tune;
pub mod verify;

use std::process::ExitCode;

use crate::cli::Command;
use crate::failure::Failure;

/// Runs the command.
pub fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Train(arguments) => train::run(*arguments),
        Command::Adapters(arguments) => adapters::run(&arguments),
        Command::Data(arguments) => data::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Reproduce(arguments) => reproduce::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Tune(arguments) => tune::run(&arguments),
        Command::Compare(arguments) => compare::run(arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Smoke(arguments) => smoke::run(&arguments),
    }
}
