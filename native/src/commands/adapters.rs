//! `lastbit adapters`: what `--adapter` can choose from.

use std::process::ExitCode;

use clap::Args;
use lastbit_core::gpu::{self, AdapterSummary, GpuError, human_bytes};
use serde_json::json;

use crate::failure::Failure;
use crate::terminal::{columns, say};

/// Flags of `adapters`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints all adapters, best first.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let adapters = pollster::block_on(gpu::adapters());
    if arguments.json {
        say(json!(adapters));
        return Ok(ExitCode::SUCCESS);
    }
    if adapters.is_empty() {
        return Err(GpuError::NoAdapter { looked_in: "Vulkan, Metal, DX12".to_owned() }.into());
    }
    let head = ["index", "name", "kind", "backend", "driver", "software", "binding", "buffer", "timestamps"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(adapters.iter().enumerate().map(|(index, adapter)| row(index, adapter)));
    columns(&rows).iter().for_each(say);
    Ok(ExitCode::SUCCESS)
}

fn row(index: usize, adapter: &AdapterSummary) -> Vec<String> {
    let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    vec![
        index.to_string(),
        adapter.name.clone(),
        adapter.kind.clone(),
        adapter.backend.clone(),
        adapter.driver.clone(),
        yes_no(adapter.software),
        human_bytes(adapter.max_binding_bytes),
        human_bytes(adapter.max_buffer_bytes),
        yes_no(adapter.timestamps),
    ]
}
