//! `lastbit bench`, group by group, so that a stage that is stopped keeps the groups before. Each group measures the adapter's
//! rates again, so its shares do not depend on the clock of another moment.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::hardware::trial::Trial;
use crate::peers::median;
use crate::process;

/// Filters of `lastbit bench`, which together name all rows.
const GROUPS: [&str; 12] = [
    "conv3x3_forward",
    "conv3x3_dinput",
    "conv3x3_dweight",
    "conv_down_forward",
    "conv_down_dinput",
    "conv_down_dweight",
    "batch_norm",
    "max_pool",
    "update",
    "divergence",
    "fingerprint",
    "step",
];

/// Runs the stage.
pub fn run(trial: &mut Trial) -> Result<()> {
    measure(trial, &GROUPS, &[])
}

/// Measures the groups and prints and notes each when it is there.
pub fn measure(trial: &mut Trial, groups: &[&str], more: &[&str]) -> Result<()> {
    let (mut rows, mut fma, mut copy) = (Vec::new(), Vec::new(), Vec::new());
    trial.note("replicas", trial.options.replicas())?;
    for group in groups {
        let replicas = trial.options.replicas().to_string();
        let mut bench = trial.lastbit(&["bench", "--json", "--replicas", &replicas, "--filter", group]);
        bench.args(more);
        if trial.options.small {
            bench.args(["--batch-size", &trial.options.batch().to_string(), "--repeats", "1"]);
        }
        let report = process::capture(&mut bench, trial.patience())?;
        let report: Value =
            serde_json::from_str(&report).context("cannot parse the output of `lastbit bench --json`")?;
        let found = report["rows"].as_array().context("`lastbit bench --json` names no rows")?;
        fma.extend(report["fma_gflops"].as_f64());
        copy.extend(report["copy_gbps"].as_f64());
        found.iter().map(line).for_each(|line| println!("{line}"));
        rows.extend(found.iter().map(row));
        trial.note("fma_gflops", median(&fma))?;
        trial.note("copy_gbps", median(&copy))?;
        trial.note("rows", &rows)?;
    }
    Ok(())
}

/// The fields of a row that results keep. Only steps have those called `share_...`.
fn row(row: &Value) -> Value {
    let keys = [
        "name",
        "shape",
        "ms",
        "gflops",
        "gbps",
        "fma_share",
        "copy_share",
        "memory_mib",
        "share_beside_convolutions",
        "share_of_metrics",
        "share_of_host",
    ];
    keys.into_iter().filter_map(|key| Some((key, row.get(key)?.clone()))).collect()
}

fn line(row: &Value) -> String {
    let number = |key: &str| row[key].as_f64().unwrap_or(f64::NAN);
    format!(
        "{:<24} {:<26} {:>10.3} ms  {:>5.1} % of fma  {:>5.1} % of copy",
        row["name"].as_str().unwrap_or_default(),
        row["shape"].as_str().unwrap_or_default(),
        number("ms"),
        100.0 * number("fma_share"),
        100.0 * number("copy_share"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_keep_their_numbers() {
        let mut measured = json!({
            "name": "conv3x3_forward", "shape": "C16 K16 32x32", "ms": 0.125, "gflops": 29000.0, "gbps": 400.0,
            "fma_share": 0.505, "copy_share": 0.13, "memory_mib": 96.0, "times_floor": 2.0, "tile": null,
        });
        let kept = row(&measured);
        assert_eq!((&kept["ms"], &kept["fma_share"], kept.get("times_floor")), (&json!(0.125), &json!(0.505), None));
        assert_eq!(kept.get("share_of_host"), None);
        assert_eq!(
            line(&measured),
            "conv3x3_forward          C16 K16 32x32                   0.125 ms   50.5 % of fma   13.0 % of copy"
        );
        measured["share_of_host"] = json!(0.001);
        assert_eq!(row(&measured)["share_of_host"], 0.001);
    }
}
