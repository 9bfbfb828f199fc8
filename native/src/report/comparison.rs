//! The page that compares two runs: the hardware, or whatever else differs between them, acts as a perturbation, as k does.

use std::path::{Path, PathBuf};

use lastbit_core::train::TrainConfig;
use maud::{Markup, html};

use super::figures::{Curve, distances};
use super::tables::is_place;
use super::treatment::Treatment;
use crate::failure::Failure;
use crate::files::replace_file;
use crate::html::{self, Light, absent, cell, code, document, header, lamp, notice, prose, section, table};
use crate::numbers::{count, number, thousands};
use crate::plot::{CHART_STYLE, Style, script};
use crate::run::Promise;
use crate::verify::{Comparison, Numbers};

/// Name of the page in the first run's folder.
const FILE: &str = "compare.html";
/// Largest number of curves in a chart.
const MAX_CURVES: usize = 12;

/// Writes the page to `out`, or to `compare.html` in the first run's folder, and returns its path.
pub fn write(comparison: &Comparison, out: Option<&Path>) -> Result<PathBuf, Failure> {
    let path = out.map_or_else(|| comparison.folders[0].join(FILE), Path::to_owned);
    replace_file(&path, page(comparison).as_bytes())?;
    Ok(path)
}

fn page(comparison: &Comparison) -> String {
    let train = &comparison.configs[0].train;
    let name = format!("{} on {}, two runs", train.net, train.dataset);
    let sections = [
        section("apart", "How the runs part", apart(comparison)),
        section("states", "State by state", states(comparison)),
        section("made", "Where they were trained", made(comparison)),
    ];
    document(&name, CHART_STYLE, &head(comparison, &name), &sections, &script())
}

fn head(comparison: &Comparison, name: &str) -> Markup {
    let (light, word, meaning) = match &comparison.line {
        _ if comparison.is_equal() => (Light::Green, "equal", "every bit that both runs have is the same".to_owned()),
        Some(line) => (
            Light::Red,
            "different",
            format!("after step {}: {} (first run, second run)", thousands(line.step), line.what),
        ),
        None if comparison.first_state().is_some() => {
            (Light::Red, "different", "the metrics are the same, the states are not".to_owned())
        }
        None => (Light::Red, "damaged", "what can be read is the same, but something is missing or damaged".to_owned()),
    };
    let sentence = match &comparison.line {
        _ if comparison.is_equal() => "Both runs have the same bits.".to_owned(),
        Some(line) => format!("The runs differ after step {}.", thousands(line.step)),
        None => "Both runs have the same metrics.".to_owned(),
    };
    let state = match comparison.first_state() {
        _ if comparison.is_equal() => None,
        Some((state, difference)) => Some(format!(
            "The first checkpoint that differs is that of replica {} after step {} (weights, statistics and the optimiser's state): \
             {difference}.",
            state.replica,
            thousands(state.step)
        )),
        None => Some("No common checkpoint shows a difference.".to_owned()),
    };
    let below = html! {
        (lamp(light, word, prose(meaning)))
        @for text in state.into_iter().chain(notices(comparison)) { (notice(&text)) }
    };
    let steps = count(comparison.steps.len() as u64, "step");
    header(format!("{name} · {steps} compared"), prose(sentence), below)
}

fn notices(comparison: &Comparison) -> Vec<String> {
    let mut notices: Vec<String> = comparison.damages(name_of).into_iter().map(|damage| format!("{damage}.")).collect();
    if !comparison.different_keys.is_empty() {
        let keys: Vec<&str> = comparison.different_keys.iter().map(|(key, _)| key.as_str()).collect();
        notices.push(format!(
            "The configs differ in what is trained ({}): the distances below cannot be attributed to the hardware.",
            keys.join(", ")
        ));
    }
    match comparison.promise() {
        Promise::Equal(class) if !comparison.is_equal() => notices.push(format!(
            "Both runs are of one class ({class}), where equal bits are promised: this difference is a finding. lastbit certify names \
             the kernel on the device that breaks the promise."
        )),
        Promise::Nothing(why) => notices.push(format!("Equal bits are not promised: {why}.")),
        Promise::Equal(_) => {}
    }
    for (name, is_red) in ["first", "second"].iter().zip(comparison.is_control_red) {
        if is_red {
            notices.push(format!("The control of the {name} run is red: do not use it."));
        }
    }
    notices
}

/// Charts of the distance between the losses of the two runs and, for scale, of the distances that k causes in the first run.
fn apart(comparison: &Comparison) -> Markup {
    let train = &comparison.configs[0].train;
    let curve = |replica: usize, value: &dyn Fn(&Numbers) -> f64| Curve {
        style: replica.checked_sub(1).map_or(Style::Reference, Style::Series),
        label: copy(train, replica),
        points: comparison
            .steps
            .iter()
            .map(|step| *step as f64)
            .zip(comparison.numbers.iter().map(|numbers| value(&numbers[replica])))
            .collect(),
    };
    let between = |numbers: &Numbers| match numbers.loss {
        [a, b] if a == b => 0.0,
        [a, b] => 2.0 * (a - b).abs() / (a.abs() + b.abs()),
    };
    let by_k = |numbers: &Numbers| numbers.rel_l1[0];
    let shown = 0..train.ks.len().min(MAX_CURVES);
    let losses = shown.clone().map(|replica| curve(replica, &between)).collect();
    let losses = distances("loss-apart", "Relative distance between the losses of the two runs".to_owned(), losses);
    let title = "For scale: relative L1 to the first copy within the first run".to_owned();
    let within = distances("k-apart", title, shown.skip(1).map(|replica| curve(replica, &by_k)).collect());
    let charts: Vec<Markup> = [losses, within].into_iter().flatten().map(|figure| figure.chart(260)).collect();
    if charts.is_empty() {
        return absent("The runs have no step in common.");
    }
    html! {
        p {
            "Each curve compares the losses a and b of the same copy in the two runs: 2|a − b| / (|a| + |b|) at each step. Where every \
             bit is the same, it runs on the rail marked 0. The second chart shows, for scale, what " (Treatment::of(train).cause()) " did within the \
             first run."
        }
        @for chart in charts { (chart) }
    }
}

fn states(comparison: &Comparison) -> Markup {
    if comparison.states.is_empty() {
        return absent("The runs have no checkpoint in common; --keep-checkpoints keeps more of them.");
    }
    let train = &comparison.configs[0].train;
    let rows = comparison.states.iter().map(|state| {
        let copy = match state.step {
            0 => "all".to_owned(),
            _ if state.replica < train.ks.len() => copy(train, state.replica),
            _ => format!("r{}", state.replica),
        };
        let first = state.difference.as_ref().map(|d| format!("{}[{}]", d.tensor, d.index));
        vec![
            cell(if state.step == 0 { "start".to_owned() } else { thousands(state.step) }),
            cell(copy),
            html::number(state.rel_l1, number(state.rel_l1)),
            cell(thousands(state.difference.as_ref().map_or(0, |difference| difference.elements))),
            first.map_or_else(|| cell("–"), code),
        ]
    });
    table("numbers", &["step", "copy", "relative L1 between the runs", "elements that differ", "first of them"], rows)
}

/// The name of a copy, with its position: the two runs may have other lists of copies.
fn copy(train: &TrainConfig, replica: usize) -> String {
    format!("{} (r{replica})", train.label(replica))
}

/// The last component of a folder's path. Pages are passed on, and the rest of the path often contains a user's name.
fn name_of(folder: &Path) -> String {
    let absolute = std::path::absolute(folder).ok();
    let name = absolute.as_deref().unwrap_or(folder).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn made(comparison: &Comparison) -> Markup {
    let mut rows = vec![
        std::iter::once("folder".to_owned())
            .chain(comparison.folders.iter().map(|folder| name_of(folder)))
            .map(cell)
            .collect(),
    ];
    if let [Some(first), Some(second)] = &comparison.manifests {
        let both = first.facts().into_iter().zip(second.facts());
        rows.extend(both.map(|((what, a), (_, b))| vec![cell(what), cell(a), cell(b)]));
    } else {
        rows.push(["manifest.json", "missing or damaged", "in one of the runs"].map(cell).into());
    }
    rows.extend(comparison.different_keys.iter().map(|(key, values)| {
        let [a, b] = values.each_ref().map(|value| match value.as_str() {
            "-" => cell("–"),
            _ if is_place(key) => cell("a path on the machine that trained"),
            value => cell(value),
        });
        vec![code(key), a, b]
    }));
    table("facts", &["", "first run", "second run"], rows)
}
