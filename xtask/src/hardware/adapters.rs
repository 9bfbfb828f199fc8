//! The adapters that `lastbit adapters --json` lists.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::process;

/// The fields of an adapter that results name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Adapter {
    /// Name that the driver reports.
    pub name: String,
    /// Driver and version; for the processor, its class.
    pub driver: String,
    /// `vulkan`, `metal`, `dx12` or `processor`.
    pub backend: String,
    /// `DiscreteGpu`, `IntegratedGpu`, `VirtualGpu`, `Cpu` or `Other`.
    pub kind: String,
    /// Instruction set and threads of the processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Adapter {
    /// The name, with what tells processors apart.
    pub fn title(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{}, {detail}", self.name),
            None => self.name.clone(),
        }
    }
}

/// All adapters of this machine, best first.
pub fn list(lastbit: &std::path::Path) -> Result<Vec<Adapter>> {
    let json = process::capture(&mut process::command(lastbit, &["adapters", "--json"]), Duration::from_secs(120))?;
    serde_json::from_str(&json).context("cannot parse the output of `lastbit adapters --json`")
}

/// The adapter that `wanted` names, as `lastbit train --adapter` does: by index, by name, or by a part of its name.
///
/// # Errors
/// If there is none.
pub fn choose<'a>(adapters: &'a [Adapter], wanted: Option<&str>) -> Result<&'a Adapter> {
    let Some(wanted) = wanted else { return adapters.first().context("lastbit finds no adapter") };
    let found = match wanted.parse::<usize>() {
        Ok(index) => adapters.get(index),
        Err(_) => {
            let wanted = wanted.to_ascii_lowercase();
            let is = |matches: fn(&str, &str) -> bool| {
                adapters.iter().find(|adapter| matches(&adapter.name.to_ascii_lowercase(), &wanted))
            };
            is(|name, wanted| name == wanted).or_else(|| is(|name, wanted| name.contains(wanted)))
        }
    };
    let names = || adapters.iter().map(|adapter| format!("'{}'", adapter.name)).collect::<Vec<_>>().join(", ");
    found.with_context(|| format!("--adapter: no adapter is called '{wanted}'; this machine has {}", names()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_are_chosen_as_lastbit_does() {
        let json = r#"[{"name":"processor","driver":"fused","backend":"processor","kind":"Cpu","vendor":0},
            {"name":"processor:separate","driver":"separate"},{"name":"NVIDIA H200","driver":"580.159.04"}]"#;
        let adapters: Vec<Adapter> = serde_json::from_str(json).unwrap();
        let name = |wanted| choose(&adapters, wanted).map(|adapter| adapter.name.as_str());
        assert_eq!(name(None).unwrap(), "processor");
        assert_eq!(name(Some("processor")).unwrap(), "processor");
        assert_eq!(name(Some("separate")).unwrap(), "processor:separate");
        assert_eq!(name(Some("h200")).unwrap(), "NVIDIA H200");
        assert_eq!(name(Some("2")).unwrap(), "NVIDIA H200");
        let error = name(Some("Radeon")).unwrap_err().to_string();
        assert!(error.contains("'Radeon'") && error.contains("'NVIDIA H200'"), "{error}");
    }
}
