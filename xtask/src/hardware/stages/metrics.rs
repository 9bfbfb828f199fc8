//! What a run's folder says about its steps.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// The lines of a JSON Lines file of a run. A line that a stopped run has cut is left out.
pub fn lines(run: &Path, file: &str) -> Result<Vec<Value>> {
    let path = run.join(file);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// Fingerprints by step and k, of replicas whose k no other replica has.
pub fn fingerprints(metrics: &[Value]) -> BTreeMap<(u64, u64), String> {
    let layers = metrics.iter().filter(|line| line["kind"] == "layers");
    let found = layers.filter_map(|line| {
        let of = (line["step"].as_u64()?, line["k"].as_u64()?);
        Some((of, line["fingerprint"].as_str()?.to_owned()))
    });
    found.collect()
}

/// The last step: its loss, distances and differing elements, by replica.
pub fn last_step(metrics: &[Value]) -> Value {
    let keys = ["step", "loss", "rel_l1", "differing"];
    let last = metrics.iter().rev().find(|line| line["kind"] == "step");
    last.map_or(Value::Null, |line| keys.into_iter().map(|key| (key, line[key].clone())).collect())
}

/// The epochs: test accuracies in percent, by replica.
pub fn epochs(metrics: &[Value]) -> Vec<Value> {
    let epochs = metrics.iter().filter(|line| line["kind"] == "epoch");
    let keys = ["epoch", "step", "train_loss", "test_accuracy"];
    epochs.map(|line| keys.into_iter().map(|key| (key, line[key].clone())).collect()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn steps_and_fingerprints_are_found() {
        let text = r#"{"kind":"step","step":1,"loss":[2.5,2.5],"rel_l1":[0,1e-9],"differing":[0,7],"lr":0.1}
            {"kind":"layers","step":1,"replica":0,"k":1,"fingerprint":"aa"}
            {"kind":"layers","step":1,"replica":1,"k":3,"fingerprint":"bb"}
            {"kind":"epoch","epoch":1,"step":1,"train_loss":[2.5,2.5],"test_accuracy":[10.0,12.5],"lr":0.1}"#;
        let metrics: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(fingerprints(&metrics)[&(1, 3)], "bb");
        assert_eq!(last_step(&metrics), json!({"step":1,"loss":[2.5,2.5],"rel_l1":[0,1e-9],"differing":[0,7]}));
        assert_eq!(epochs(&metrics)[0]["test_accuracy"], json!([10.0, 12.5]));
        assert_eq!(last_step(&[]), Value::Null);
    }
}
