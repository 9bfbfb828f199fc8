//! Sections of DEVICES.md: which promises a device keeps, by its certificate.

use serde_json::Value;

use super::text::{cell, number, table};
use super::{Device, hardware};

const NOT_CERTIFIED: &str = "*Not certified*";
const UNFINISHED: &str = "**not finished**";
const BROKEN: &str = "**broken**";
const QUICK: &str = "`certify --quick`";
const DATE_ROW: &str = "| date, version | ";
/// Failures of a promise that are listed.
const SHOWN: usize = 3;

/// The section of a device.
pub fn section(device: &Device) -> Option<String> {
    match &device.certificate {
        Some(certificate) => Some(certified(device, certificate)),
        None => tested(device),
    }
}

/// A certificate gives way only to another one that is as complete, or shows a broken promise, and is not older.
pub fn replaces(old: &str, new: &str) -> bool {
    let rank = |section: &str| match section {
        _ if section.contains(NOT_CERTIFIED) => 0,
        _ if section.contains(UNFINISHED) => 1,
        _ if section.contains(QUICK) => 2,
        _ => 3,
    };
    let date = |section: &str| {
        let row = section.lines().find_map(|line| line.strip_prefix(DATE_ROW));
        row.and_then(|row| row.split(',').next()).unwrap_or_default().to_owned()
    };
    rank(old) == 0 || (date(new) >= date(old) && (rank(new) >= rank(old) || (rank(new) > 0 && new.contains(BROKEN))))
}

fn facts(device: &Device, date: &str, lastbit: &str, order: Option<String>) -> Vec<Vec<String>> {
    let adapter = &device.adapter;
    let mut rows = vec![
        vec!["driver".to_owned(), cell(&adapter.driver)],
        vec!["interface, kind".to_owned(), cell(&format!("{}, {}", adapter.backend, adapter.kind))],
        vec!["date, version".to_owned(), cell(&format!("{date}, {lastbit}"))],
    ];
    rows.extend(order.map(|order| vec!["order of sums".to_owned(), format!("version {order}")]));
    rows
}

fn certified(device: &Device, certificate: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let arithmetic = &certificate["arithmetic"];
    let lastbit = format!("lastbit {}", text(&certificate["lastbit"]));
    let mut rows = facts(device, &text(&certificate["date"]), &lastbit, Some(text(&certificate["order"])));
    if certificate["quick"] == true {
        rows.push(vec!["extent".to_owned(), QUICK.to_owned()]);
    }
    let class = format!("{}; subnormals {}", text(&arithmetic["class"]), text(&arithmetic["subnormals"]));
    rows.push(vec!["class".to_owned(), cell(&class)]);
    let verdict = match certificate["unfinished"].as_str() {
        Some(why) => format!("{UNFINISHED}: {}", cell(why)),
        None if certificate["kept"] == true => "all kept".to_owned(),
        None => "**not all kept**".to_owned(),
    };
    rows.push(vec!["promises".to_owned(), verdict]);
    let promises = certificate["promises"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lines: Vec<Vec<String>> = promises
        .iter()
        .map(|promise| {
            let kept = match (promise["kept"] == true, promise["exception"].as_str()) {
                (true, None) => "kept".to_owned(),
                (true, Some(exception)) => format!("kept, except: {}", cell(exception)),
                (false, _) => BROKEN.to_owned(),
            };
            let seconds = promise["seconds"].as_f64().map_or("-".to_owned(), number);
            vec![cell(&text(&promise["name"])), kept, cell(promise["checked"].as_str().unwrap_or("-")), seconds]
        })
        .collect();
    let failures: String = promises.iter().map(failures).collect();
    format!("{}\n{}{failures}", table(&["", ""], &rows), table(&["promise", "", "what was checked", "seconds"], &lines))
}

/// The first failures of a promise, as a list.
fn failures(promise: &Value) -> String {
    let all = promise["failures"].as_array().map(Vec::as_slice).unwrap_or_default();
    if all.is_empty() {
        return String::new();
    }
    let name = cell(promise["name"].as_str().unwrap_or_default());
    let lines: String = all.iter().take(SHOWN).map(|failure| format!("    {}\n", words(failure))).collect();
    let count = promise["failure_count"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(all.len());
    let more = count.saturating_sub(all.len().min(SHOWN));
    let more = if more > 0 { format!("    and {more} more\n") } else { String::new() };
    format!("\nWhere it breaks *{name}*:\n\n{lines}{more}")
}

/// A failure on one line: text as it is; of a kernel, the first element that differs and both bit patterns.
fn words(failure: &Value) -> String {
    let text = |key: &str| match &failure[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match failure {
        Value::String(text) => text.replace(['\n', '\r'], " "),
        _ if failure["kernel"].is_string() => format!(
            "{} [{}] ({}): {}[{}] is {}, expected {}",
            text("kernel"),
            text("constants"),
            text("case"),
            text("buffer"),
            text("element"),
            text("found"),
            text("expected")
        ),
        other => other.to_string(),
    }
}

/// What tests and runs have shown of a device without a certificate.
fn tested(device: &Device) -> Option<String> {
    let report = device.report.as_ref()?;
    let why = match report.stage("certify") {
        Some(stage) => stage.message.clone().unwrap_or_else(|| stage.outcome.words().to_owned()),
        None => "the stage `certify` has not run".to_owned(),
    };
    let found = ["rules", "twice"].into_iter().filter_map(|name| {
        let stage = report.stage(name)?;
        let found = hardware::found(device, stage);
        let found = if found.is_empty() { found } else { format!(": {found}") };
        Some(format!("- `{name}` {}{found}\n", stage.outcome.words()))
    });
    let found: String = found.collect();
    let found = if found.is_empty() { String::new() } else { format!("\n{found}") };
    Some(format!(
        "{}\n{NOT_CERTIFIED}: {why}.\n{found}",
        table(&["", ""], &facts(device, &device.date(), &report.lastbit, None))
    ))
}
