//! `lastbit smoke`: one step of ResNet-8, for comparison with the same step in a browser.

use std::process::ExitCode;

use clap::Args;
use lastbit_core::device::{Options, ShaderPath};
use lastbit_core::smoke;
use serde_json::json;

use crate::device;
use crate::failure::Failure;
use crate::terminal::print_line;

/// Flags of `smoke`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Adapter by index or part of its name
    #[arg(long, value_name = "ADAPTER")]
    adapter: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Takes the step and prints its loss and fingerprint.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    // A browser compiles WGSL, so this step does, too.
    let options = Options { shader_path: ShaderPath::Wgsl, ..device::options(arguments.adapter.as_deref())? };
    let report = pollster::block_on(smoke::run(options))?;
    if arguments.json {
        print_line(json!(report));
    } else {
        print_line(format!(
            "{}: loss {} ({}), fingerprint {}",
            report.adapter, report.loss, report.loss_bits, report.fingerprint
        ));
    }
    Ok(ExitCode::SUCCESS)
}
