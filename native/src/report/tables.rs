//! Tables: final values of the replicas, fingerprints, config and environment, and the command that trains the run again.

use lastbit_core::train::DatasetKind;
use maud::{Markup, html};
use toml::{Table, Value};

use super::data::{Epoch, RunData};
use crate::failure::Failure;
use crate::html::{self, absent, cell, code, table};
use crate::numbers::{number, thousands};
use crate::progress::loss_text;
use crate::run_config::RunConfig;

/// Largest number of replicas in the open part of a table.
const MAX_ROWS: usize = 24;

/// The final values of every replica.
pub fn finals(run: &RunData) -> Markup {
    let head = [
        "copy",
        "loss of the last batch",
        "test loss",
        "test accuracy",
        "relative L1",
        "farthest weight",
        "weights that differ",
    ];
    let shown = |value: Option<f64>, show: fn(f64) -> String| match value {
        Some(value) if value.is_finite() => html::number(value, show(value)),
        Some(_) => html! { span.bad { "not finite" } },
        None => cell("–"),
    };
    let row = |replica: usize| {
        let last = |columns: &[Vec<f64>]| columns[replica].last().copied();
        let epoch = |of: fn(&Epoch) -> &Vec<f64>| run.epochs.last().map(|epoch| of(epoch)[replica]);
        vec![
            name(run, replica),
            shown(last(&run.steps.loss), loss_text),
            shown(epoch(|epoch| &epoch.test_loss), loss_text),
            shown(epoch(|epoch| &epoch.test_accuracy), |x| format!("{x:.2} %")),
            shown(last(&run.steps.rel_l1), number),
            shown(last(&run.steps.max_ulp), |x| format!("{} ulp", thousands(x as u64))),
            shown(last(&run.steps.differing), |x| thousands(x as u64)),
        ]
    };
    by_replica(run, &head, row)
}

/// A table with a row for each replica. Of many replicas, the rows beyond the first are folded away.
fn by_replica(run: &RunData, head: &[&str], row: impl Fn(usize) -> Vec<Markup>) -> Markup {
    let (all, shown) = (run.ks().len(), run.ks().len().min(MAX_ROWS));
    html! {
        (table("numbers", head, (0..shown).map(&row)))
        @if all > shown {
            details {
                summary { "The other " (all - shown) " copies" }
                (table("numbers", head, (shown..all).map(&row)))
            }
        }
    }
}

fn name(run: &RunData, replica: usize) -> Markup {
    html! {
        span class=(run.style(replica).classes()) { (run.label(replica)) } " "
        @if run.has_long_names() { small { "r" (replica) } " " }
        @if replica == 0 { small { "reference" } } @else if run.controls().contains(&replica) { small { "control" } }
    }
}

/// Fingerprints at the last `layers` line and at the last checkpoint.
pub fn fingerprints(run: &RunData) -> Markup {
    let at_end = |replica: usize| run.summary["fingerprints"][replica].as_str().map(str::to_owned);
    let at_line = |replica: usize| run.layers.fingerprints[replica].as_ref().map(|(_, text)| text.clone());
    let step = run.layers.fingerprints.iter().flatten().map(|(step, _)| *step).max();
    let saved = run.summary["step"].as_u64();
    let column =
        |what: &str, step: Option<u64>| step.map_or(what.to_owned(), |s| format!("{what} (step {})", thousands(s)));
    let head = ["copy", &column("last layers line", step), &column("last checkpoint", saved), ""];
    let row = |replica: usize| {
        let (line, end) = (at_line(replica), at_end(replica));
        let same = |mine: &Option<String>, first: Option<String>| mine.is_some() && *mine == first;
        let verdict = match (same(&line, at_line(0)), same(&end, at_end(0))) {
            _ if replica == 0 => "",
            (true, true) => "= the first",
            (true, false) if end.is_none() => "= the first",
            (false, true) if line.is_none() => "= the first",
            (false, false) if line.is_none() && end.is_none() => "",
            _ => "≠ the first",
        };
        let shown = |text: Option<String>| text.map_or_else(|| cell("–"), code);
        vec![name(run, replica), shown(line), shown(end), cell(verdict)]
    };
    by_replica(run, &head, row)
}

/// Every key of the config that the run uses, in the order of `config.toml`, with its default.
pub fn config(run: &RunData) -> Result<Markup, Failure> {
    let (own, default) = (run.config.to_table()?, RunConfig::default().to_table()?);
    let row = |key: String| {
        let is_changed = own.get(&key) != default.get(&key);
        let show = |table: &Table| match table.get(&key) {
            Some(_) if is_place(&key) => cell("a path on the machine that trained"),
            Some(value) => cell(plain(value)),
            None => cell("–"),
        };
        let mark = html! { @if is_changed { b.changed { "changed" } } };
        vec![code(&key), show(&own), show(&default), mark]
    };
    let used = keys(&run.config)?.into_iter().filter(|key| !run.config.train.ignores(key));
    Ok(table("config", &["key", "this run", "default", ""], used.map(row)))
}

/// True for keys whose value is a path. Pages are passed on, and a path often contains a user's name.
pub fn is_place(key: &str) -> bool {
    matches!(key, "data-dir" | "init")
}

/// The keys that are set, in the order of `config.toml`.
fn keys(config: &RunConfig) -> Result<Vec<String>, Failure> {
    let text = config.to_text()?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    Ok(lines.filter_map(|line| Some(line.split_once(" = ")?.0.trim().to_owned())).collect())
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The command that trains this run without its config file, with a flag for each key that is not at its default.
pub fn flags(config: &RunConfig) -> Result<String, Failure> {
    let (own, default) = (config.to_table()?, RunConfig::default().to_table()?);
    let mut line = "lastbit train".to_owned();
    for key in keys(config)? {
        let Some(value) = own.get(&key).filter(|value| Some(*value) != default.get(&key)) else { continue };
        line += &match (key.as_str(), value) {
            ("augment" | "shuffle", _) => format!(" --no-{key}"),
            ("keep-logits" | "tensorboard", _) => format!(" --{key}"),
            ("nesterov", value) => format!(" --nesterov={value}"),
            ("data-dir", _) => " --data-dir DATA_FOLDER".to_owned(),
            ("init", _) => " --init WEIGHTS_FILE".to_owned(),
            (_, value) => format!(" --{key} {}", quoted(&plain(value))),
        };
    }
    Ok(line + " --out FOLDER")
}

/// Link or address of the same run in a browser; empty for an image folder, which only this machine has.
pub fn in_browser(run: &RunData) -> Result<Markup, Failure> {
    if run.config.train.dataset == DatasetKind::Folder {
        return Ok(html! {});
    }
    let address = page_address(&run.config)?;
    Ok(match &run.page_url {
        Some(url) => {
            let url = url.split('#').next().unwrap_or_default();
            html! { p { "Live in a browser: " a #page-link href={ (url) (address) } { "this run on the page" } } }
        }
        None => html! {
            p {
                "To run it live in a browser, append this to the address of a hosted page of lastbit (or of the one that "
                (code("cargo xtask web --serve")) " serves):"
            }
            pre { code #page-address { (address) } }
        },
    })
}

/// The fragment of the page's address that opens a run. The page has other defaults, so every key is present, an unset one
/// without a value.
fn page_address(config: &RunConfig) -> Result<String, Failure> {
    let table = serde_json::to_value(&config.train).map_err(Failure::other)?;
    let pairs = table.as_object().into_iter().flatten().map(|(key, value)| match value {
        serde_json::Value::Null => format!("{key}="),
        serde_json::Value::String(text) => format!("{key}={text}"),
        serde_json::Value::Array(values) => {
            let values = values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            format!("{key}={}", values.collect::<Vec<_>>().join(","))
        }
        other => format!("{key}={other}"),
    });
    let flip = config.host.flip_bit.iter().map(|flip| format!("flip-bit={flip}"));
    Ok(format!("#/lab?{}", pairs.chain(flip).collect::<Vec<_>>().join("&")))
}

/// Quotes text for a shell if needed.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,+=@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Version, network, adapter, driver and images, from the manifest.
pub fn environment(run: &RunData) -> Markup {
    let manifest = &run.manifest;
    if manifest.is_null() {
        return absent("manifest.json is missing or damaged, so it is unknown where this run was trained.");
    }
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(n) => n.as_u64().map_or_else(|| n.to_string(), thousands),
        _ => "–".to_owned(),
    };
    let (network, environment, dataset) = (&manifest["network"], &manifest["environment"], &manifest["dataset"]);
    let software = if environment["software"] == true { " (software: the processor does the work)" } else { "" };
    let images = [&dataset["name"], &dataset["train"], &dataset["test"]].map(text);
    let mut rows = vec![
        ("lastbit", cell(text(&environment["version"]))),
        ("network", cell(format!("{}, {} parameters", text(&network["name"]), text(&network["parameters"])))),
        ("adapter", cell(text(&environment["adapter"]) + software)),
        ("driver", cell(format!("{}, {}", text(&environment["driver"]), text(&environment["backend"])))),
        ("class", cell(arithmetic(environment))),
        ("images", cell(format!("{}: {} for training, {} for testing", images[0], images[1], images[2]))),
    ];
    if dataset["origin"].is_string() {
        rows.push(("origin of the images", cell(text(&dataset["origin"]))));
    }
    rows.push(("SHA-256 of the images", code(text(&dataset["sha256"]))));
    rows.push(("SHA-256 of the shaders", code(text(&environment["shaders_sha256"]))));
    table("facts", &["", ""], rows.into_iter().map(|(key, value)| vec![cell(key), value]))
}

/// The class of the adapter, what becomes of subnormal numbers, and the version of docs/ORDER.md.
fn arithmetic(environment: &serde_json::Value) -> String {
    let class = environment["class"].as_str();
    match (class, environment["subnormals"].as_str(), environment["order_version"].as_u64()) {
        (Some(class), Some(subnormals), Some(version)) => {
            format!("{class}, subnormal numbers {subnormals}, version {version} of docs/ORDER.md")
        }
        _ => "not recorded".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_what_differs_from_the_defaults() {
        let table: Table =
            "ks = [1, 3]\nlr = 0.05\nshuffle = false\nnesterov = false\nadapter = \"it's\"\ndata-dir = \"/home/a\"\ninit = \"/home/b\""
                .parse()
                .unwrap();
        let config = RunConfig::from_table(&table, "test").unwrap();
        let line = flags(&config).unwrap();
        let expected = "lastbit train --ks 1,3 --lr 0.05 --nesterov=false --no-shuffle --data-dir DATA_FOLDER --init WEIGHTS_FILE \
             --adapter 'it'\\''s' --out FOLDER";
        assert_eq!(line, expected);
        assert_eq!(flags(&RunConfig::default()).unwrap(), "lastbit train --out FOLDER");
    }

    #[test]
    fn the_page_gets_every_key() {
        let table: Table =
            "ks = [1, 3]\nsteps = 9\nlr-changes = [\"4:0.5\"]\nflip-bit = \"conv1.weight:0:5:1\"".parse().unwrap();
        let address = page_address(&RunConfig::from_table(&table, "test").unwrap()).unwrap();
        for pair in [
            "#/lab?",
            "ks=1,3",
            "steps=9",
            "net=resnet56",
            "activation=",
            "lr-changes=4:0.5",
            "flip-bit=conv1.weight:0:5:1",
        ] {
            assert!(address.contains(pair), "{pair}: {address}");
        }
        assert!(!address.contains([' ', '"']), "{address}");
    }
}
