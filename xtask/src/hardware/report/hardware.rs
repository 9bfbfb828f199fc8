//! Sections of HARDWARE.md: the stages of a device, its operations beside its limits, the gain by tuning.

use serde_json::Value;

use super::Device;
use super::text::{cell, number, number_or_dash, percent, rate, table};
use crate::hardware::results::{Outcome, StageResult};
use crate::hardware::stages;

/// The promises that the stage `twice` notes, in words.
const PROMISES: [(&str, &str); 6] = [
    ("controls", "controls"),
    ("run_to_run", "run to run"),
    ("compare", "`lastbit compare`"),
    ("replica_independent", "one k alone"),
    ("chunks", "chunks"),
    ("verify", "replay"),
];

/// The section of a device; `None` if it has only a certificate.
pub fn section(device: &Device) -> Option<String> {
    let report = device.report.as_ref()?;
    let small = if report.small {
        " A trial with `--small`: ResNet-8 at batch 16 where others have ResNet-56 at batch 128."
    } else {
        ""
    };
    let rates = [("FMA rate", rate(fma(device), "FLOP/s")), ("copy", rate(copy(device), "B/s"))];
    let rates: String = rates.into_iter().filter_map(|(name, rate)| Some(format!("; {name} {}", rate?))).collect();
    let head = format!(
        "{}, {}; {} on {}; {}{rates}.{small}\n\n",
        cell(&device.adapter.driver),
        device.adapter.backend,
        cell(&report.lastbit),
        report.system,
        device.date()
    );
    let stages: Vec<Vec<String>> = stages::names()
        .filter_map(|name| report.stage(name))
        .map(|stage| {
            let seconds = format!("{:.0} s", stage.seconds);
            vec![stage.stage.clone(), seconds, stage.outcome.words().to_owned(), found(device, stage)]
        })
        .collect();
    let parts = [Some(table(&["stage", "took", "", "found"], &stages)), operations(device), tiles(device)];
    Some(head + &parts.into_iter().flatten().collect::<Vec<_>>().join("\n"))
}

fn certificate_value<'a>(device: &'a Device, name: &str) -> &'a Value {
    device.certificate.as_ref().map_or(&Value::Null, |certificate| &certificate[name])
}

fn or<'a>(first: &'a Value, second: &'a Value) -> &'a Value {
    if first.is_null() { second } else { first }
}

fn fma(device: &Device) -> &Value {
    or(device.value("bench", "fma_gflops"), certificate_value(device, "fma_gflops"))
}

fn copy(device: &Device) -> &Value {
    or(device.value("bench", "copy_gbps"), certificate_value(device, "copy_gbps"))
}

/// What a stage found, in a cell.
pub fn found(device: &Device, stage: &StageResult) -> String {
    let value = |name: &str| device.value(&stage.stage, name);
    let count = |name: &str| value(name).as_array().map_or(0, Vec::len);
    let found = match stage.stage.as_str() {
        "adapters" => value("nvidia_smi")[1].as_str().map(cell),
        "rules" if stage.outcome == Outcome::Done => {
            let tests = value("tests").as_array().map(Vec::as_slice).unwrap_or_default();
            let passed: u64 = tests.iter().filter_map(|tested| tested["passed"].as_u64()).sum();
            Some(format!("{passed} tests passed"))
        }
        "certify" => value("kept").as_bool().map(|kept| {
            format!("{} ([DEVICES.md](DEVICES.md))", if kept { "all promises kept" } else { "not all promises kept" })
        }),
        "twice" if stage.outcome == Outcome::Done => {
            let kept = PROMISES.iter().filter(|(name, _)| *value(name) == true).map(|(_, words)| *words);
            Some(format!("{}: every bit is the same", kept.collect::<Vec<_>>().join(", ")))
        }
        "bench" => Some(format!("{} rows, {} replicas", count("rows"), value("replicas"))),
        "peers" => {
            let tables = value("tables").as_array().map(Vec::as_slice).unwrap_or_default();
            let nets: Vec<&str> = tables.iter().filter_map(|table| table["net"].as_str()).collect();
            (!nets.is_empty()).then(|| format!("{} in [PERFORMANCE.md](PERFORMANCE.md)", nets.join(", ")))
        }
        "tune" => {
            let sums = value("sums");
            let both = sums["default_ms"].as_f64().zip(sums["ms"].as_f64());
            both.map(|(before, after)| {
                format!("{} passes, each once: {} to {} ms", count("choices"), number(before), number(after))
            })
        }
        "train" => Some(training(device)),
        _ => None,
    };
    let message = stage.message.as_ref().map(|message| cell(message));
    [found, message].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn training(device: &Device) -> String {
    let value = |name: &str| device.value("train", name);
    let last = value("last_step");
    let net = value("net").as_str().unwrap_or("a network");
    let images = value("images").as_str().unwrap_or("images");
    let mut text = format!("{net} on {images}, {} steps", last["step"].as_u64().unwrap_or(0));
    if let Some(ms) = value("ms_per_step").as_f64() {
        text += &format!(", {} ms a step", number(ms));
    }
    if let Some((least, most)) =
        range(last["rel_l1"].as_array().map_or(&[][..], |all| all.get(1..).unwrap_or_default()))
    {
        text += &format!("; relative L1 to k = 1: {least:.2e} to {most:.2e}");
    }
    let accuracy = value("epochs").as_array().and_then(|epochs| epochs.last()).map(|epoch| &epoch["test_accuracy"]);
    if let Some((least, most)) = accuracy.and_then(Value::as_array).and_then(|all| range(all)) {
        text += &format!("; test accuracy {least:.1} to {most:.1} %");
    }
    if let Some(seconds) = value("seconds_to_save").as_f64() {
        text += &format!("; {seconds:.2} s from SIGTERM to the end");
    }
    text
}

fn range(values: &[Value]) -> Option<(f64, f64)> {
    let values = || values.iter().filter_map(Value::as_f64);
    values().reduce(f64::min).zip(values().reduce(f64::max))
}

/// The table of operations: those of the benchmark, else those of the certificate.
fn operations(device: &Device) -> Option<String> {
    let rows = or(device.value("bench", "rows"), certificate_value(device, "speed")).as_array()?;
    if rows.is_empty() {
        return None;
    }
    let tuned = device.value("tune", "rows").as_array().map(Vec::as_slice).unwrap_or_default();
    let of_tuned =
        |row: &Value| tuned.iter().find(|other| other["name"] == row["name"] && other["shape"] == row["shape"]);
    let text = |row: &Value, key: &str| cell(row[key].as_str().unwrap_or("-")).replace("\\_", "_");
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let tuned = of_tuned(row).map_or("-".to_owned(), |row| number_or_dash(&row["ms"]));
            let shares = [percent(&row["fma_share"]), percent(&row["copy_share"])];
            [vec![text(row, "name"), text(row, "shape"), number_or_dash(&row["ms"]), tuned], shares.to_vec()].concat()
        })
        .collect();
    Some(table(&["operation", "shape", "ms", "ms, tuned", "of the FMA rate", "of the copy rate"], &lines))
}

/// The table of tiles that tuning has changed.
fn tiles(device: &Device) -> Option<String> {
    let choices = device.value("tune", "choices").as_array()?;
    let faster = choices.iter().filter_map(|choice| {
        let (before, after) = (choice["default_ms"].as_f64()?, choice["ms"].as_f64()?);
        let text = |key: &str| choice[key].as_str().unwrap_or("-").to_owned();
        let row = vec![
            text("layer"),
            text("pass"),
            number(before),
            number(after),
            format!("{:.2}", after / before),
            text("tile"),
        ];
        (after < before).then_some(row)
    });
    let rows: Vec<Vec<String>> = faster.collect();
    (!rows.is_empty()).then(|| table(&["layer", "pass", "default ms", "ms", "ratio", "tile"], &rows))
}
