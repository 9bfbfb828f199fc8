//! `lastbit adapters`: lists the adapters that `--adapter` can choose from.

use std::process::ExitCode;

use clap::Args;
use lastbit_core::arithmetic::{Arithmetic, probe};
use lastbit_core::device::{
    self, AdapterChoice, AdapterLimit, AdapterSummary, Context, DeviceError, Options, human_bytes,
};
use pollster::block_on;
use serde::Serialize;
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

/// Prints all adapters, best first, with the class of each.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let options = crate::device::options(None)?;
    let adapters = block_on(device::adapters(options.clone()));
    let found: Vec<Result<Arithmetic, DeviceError>> =
        (0..adapters.len()).map(|index| block_on(arithmetic(&options, index))).collect();
    if arguments.json {
        let adapters = adapters.iter().zip(&found).map(|(adapter, found)| Listed {
            adapter,
            arithmetic: found.as_ref().ok().copied(),
            error: found.as_ref().err().map(ToString::to_string),
        });
        print_line(json!(adapters.collect::<Vec<_>>()));
        return Ok(ExitCode::SUCCESS);
    }
    let head = [
        "index",
        "name",
        "class",
        "subnormals",
        "kind",
        "backend",
        "driver",
        "instructions",
        "max binding",
        "max buffer",
        "timestamps",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(adapters.iter().zip(&found).enumerate().map(|(index, (adapter, found))| row(index, adapter, found)));
    columns(&rows).iter().for_each(print_line);
    for (adapter, found) in adapters.iter().zip(&found) {
        if let Err(error) = found {
            print_line(format!("{}: its class is unknown: {error}", adapter.name));
        }
    }
    if arguments.limits {
        adapters.iter().flat_map(limits).for_each(print_line);
    }
    Ok(ExitCode::SUCCESS)
}

/// An adapter as JSON.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    adapter: &'a AdapterSummary,
    /// Class and subnormal numbers; missing if the adapter cannot be opened.
    #[serde(flatten)]
    arithmetic: Option<Arithmetic>,
    /// Why the adapter cannot be opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Opens the adapter at `index` of the list and finds what it computes with.
async fn arithmetic(options: &Options, index: usize) -> Result<Arithmetic, DeviceError> {
    let adapter = AdapterChoice::Named(index.to_string());
    probe(&Context::open(Options { adapter, ..options.clone() }).await?).await
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

fn row(index: usize, adapter: &AdapterSummary, found: &Result<Arithmetic, DeviceError>) -> Vec<String> {
    let [class, subnormals] = match found {
        Ok(found) => [found.class.name(), found.subnormals.name()],
        Err(_) => ["unknown"; 2],
    };
    let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    vec![
        index.to_string(),
        adapter.name.clone(),
        class.to_owned(),
        subnormals.to_owned(),
        adapter.kind.clone(),
        adapter.backend.clone(),
        adapter.driver.clone(),
        adapter.detail.clone().unwrap_or_else(|| "-".to_owned()),
        human_bytes(adapter.max_binding_bytes),
        human_bytes(adapter.max_buffer_bytes),
        yes_no(adapter.timestamps),
    ]
}
