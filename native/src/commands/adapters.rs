//! `lastbit adapters`: lists the adapters that `--adapter` can choose from.

use std::process::ExitCode;

use clap::Args;
use lastbit_core::device::{self, AdapterLimit, AdapterSummary, human_bytes};
use serde_json::json;

use crate::failure::Failure;
use crate::terminal::{columns, print_line};

/// Flags of `adapters`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print each adapter's limits beside what lastbit needs
    #[arg(long)]
    limits: bool,
    /// Print JSON, including the limits
    #[arg(long)]
    json: bool,
}

/// Prints all adapters, best first.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let options = crate::device::options(None)?;
    let adapters = pollster::block_on(device::adapters(options));
    if arguments.json {
        print_line(json!(adapters));
        return Ok(ExitCode::SUCCESS);
    }
    let head =
        ["index", "name", "kind", "backend", "driver", "instructions", "max binding", "max buffer", "timestamps"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(adapters.iter().enumerate().map(|(index, adapter)| row(index, adapter)));
    columns(&rows).iter().for_each(print_line);
    if arguments.limits {
        adapters.iter().flat_map(limits).for_each(print_line);
    }
    Ok(ExitCode::SUCCESS)
}

/// The limits of an adapter, as a table under its name.
fn limits(adapter: &AdapterSummary) -> Vec<String> {
    if adapter.limits.is_empty() {
        return vec![String::new(), format!("{}: no limits but its memory", adapter.name)];
    }
    let mut rows = vec![["limit", "needed", "available"].map(str::to_owned).to_vec()];
    let row = |l: &AdapterLimit| vec![l.name.to_owned(), l.needed.to_string(), l.available.to_string()];
    rows.extend(adapter.limits.iter().map(row));
    [vec![String::new(), adapter.name.clone()], columns(&rows)].concat()
}

fn row(index: usize, adapter: &AdapterSummary) -> Vec<String> {
    let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    vec![
        index.to_string(),
        adapter.name.clone(),
        adapter.kind.clone(),
        adapter.backend.clone(),
        adapter.driver.clone(),
        adapter.detail.clone().unwrap_or_else(|| "-".to_owned()),
        human_bytes(adapter.max_binding_bytes),
        human_bytes(adapter.max_buffer_bytes),
        yes_no(adapter.timestamps),
    ]
}
