//! `lastbit reproduce`: an experiment of the paper, from data to report.

use std::process::ExitCode;

use clap::Args;

use crate::failure::Failure;
use crate::reproduce::{Invocation, run as reproduce};

/// The experiment, with its flags.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    invocation: Invocation,
}

/// Runs the experiment, or continues it where it was stopped.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    reproduce(&arguments.invocation)?;
    Ok(ExitCode::SUCCESS)
}
