//! Sections of PERFORMANCE.md: the peers on a device, and its whole steps.

use super::Device;
use super::text::{cell, number, number_or_dash, percent, table};
use crate::peers::Table;

/// The section of a device; `None` if neither peers nor whole steps were measured.
pub fn section(device: &Device) -> Option<String> {
    let peers = peers(device);
    let steps = steps(device);
    if peers.is_empty() && steps.is_none() {
        return None;
    }
    let head = format!("{}, {}; {}.\n", cell(&device.adapter.driver), device.adapter.backend, device.date());
    Some([Some(head), steps].into_iter().flatten().chain(peers).collect::<Vec<_>>().join("\n"))
}

fn peers(device: &Device) -> Vec<String> {
    let tables = device.value("peers", "tables").as_array().map(Vec::as_slice).unwrap_or_default();
    let tables = tables.iter().filter_map(|table| serde_json::from_value::<Table>(table.clone()).ok());
    tables.map(|table| table.markdown()).collect()
}

/// Whole steps by `lastbit bench`: rows called `step_NET` with a shape such as `R6 N128`.
fn steps(device: &Device) -> Option<String> {
    let rows = device.value("bench", "rows").as_array()?;
    let steps = rows.iter().filter_map(|row| {
        let net = row["name"].as_str()?.strip_prefix("step_")?;
        let (replicas, samples) = row["shape"].as_str()?.strip_prefix('R')?.split_once(" N")?;
        let (ms, count) = (row["ms"].as_f64()?, replicas.parse::<f64>().ok()?);
        Some(vec![
            net.to_owned(),
            replicas.to_owned(),
            samples.to_owned(),
            number(ms),
            number(ms / count),
            percent(&row["fma_share"]),
            percent(&row["share_beside_convolutions"]),
            number_or_dash(&row["memory_mib"]),
        ])
    });
    let steps: Vec<Vec<String>> = steps.collect();
    let head = ["step of", "replicas", "batch", "ms", "ms a replica", "of the FMA rate", "beside convolutions", "MiB"];
    (!steps.is_empty()).then(|| table(&head, &steps))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::hardware::adapters::Adapter;

    #[test]
    fn a_device_with_only_a_certificate_has_no_section() {
        let device = Device { adapter: Adapter::default(), report: None, certificate: Some(json!({})) };
        assert_eq!(section(&device), None);
        assert_eq!(device.value("bench", "rows"), &Value::Null);
    }
}
