//! `lastbit reproduce`: an experiment of the paper, from data to report.

use std::process::ExitCode;

use clap::Args;

use crate::failure::Failure;
use crate::reproduce::{Which, run as reproduce};

/// Which experiment, with its flags.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    which: Which,
}

/// Does it, or goes on where it was stopped.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    reproduce(&arguments.which)?;
    Ok(ExitCode::SUCCESS)
}
