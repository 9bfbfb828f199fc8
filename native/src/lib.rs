//! lastbit: trains copies of one network in lockstep and shows what the last floating-point bit does to them.

mod certificate;
mod cli;
mod commands;
mod control;
mod datasets;
mod device;
mod device_test;
mod ends;
mod export;
mod failure;
mod files;
mod forecast;
#[doc(hidden)]
pub mod fuzzing;
mod host_memory;
mod html;
mod interrupt;
mod lock;
mod log;
mod numbers;
mod plot;
mod progress;
mod report;
mod reproduce;
mod run;
mod run_config;
mod statistics;
mod terminal;
mod train_flags;
mod value_parsers;
mod verify;

use std::process::ExitCode;

use failure::Failure;

/// The grammar of the command line, for the tests that check documented commands.
#[doc(hidden)]
pub fn command() -> clap::Command {
    <cli::Cli as clap::CommandFactory>::command()
}

/// Runs the command line of this process and returns its exit code.
pub fn main() -> ExitCode {
    quiet_software_driver();
    report_defects_in_one_line();
    let code = match cli::parse() {
        Ok(cli) => run(cli),
        Err(code) => code,
    };
    match terminal::lost_output() {
        // The command's own code says more: why it ended.
        Some(lost) if code != ExitCode::SUCCESS => {
            terminal::report(&lost);
            code
        }
        Some(lost) => terminal::report(&lost),
        None => code,
    }
}

fn run(cli: cli::Cli) -> ExitCode {
    let started = log::start(&cli.log).and_then(|()| device::prepare(&cli.device));
    started.and_then(|()| cli.command.run()).unwrap_or_else(|failure| terminal::report(&failure))
}

/// Sets `XDG_RUNTIME_DIR` if it is not set, as in a container: without it, Mesa's software driver writes to standard error.
fn quiet_software_driver() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: this runs first, so no other thread reads the environment yet.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", std::env::temp_dir()) };
    }
}

/// Reports a panic in one line, as a defect of lastbit. If `RUST_BACKTRACE` is set, Rust prints its own report.
fn report_defects_in_one_line() {
    if std::env::var_os("RUST_BACKTRACE").is_none() {
        std::panic::set_hook(Box::new(|panic| {
            let failure = Failure::other(format!("a defect of lastbit, please report it: {panic}"));
            terminal::report(&failure);
            std::process::exit(1);
        }));
    }
}
