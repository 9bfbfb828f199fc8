//! `lastbit data`: downloads data sets and shows what is in them.

mod fetch;
mod info;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::failure::Failure;

/// Flags of `data`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Download a data set and check it
    Fetch(fetch::Arguments),
    /// Show where data sets are and what is in one
    Info(info::Arguments),
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.action {
        Action::Fetch(arguments) => fetch::run(arguments),
        Action::Info(arguments) => info::run(arguments),
    }
}
