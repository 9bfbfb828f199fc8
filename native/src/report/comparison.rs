//! The page that compares two runs: the hardware, or whatever else differs between them, acts as a perturbation, as k does.

use std::path::{Path, PathBuf};

use super::charts::{Chart, Curve, Panel, Scale, readable_lines};
use super::html::{data, escape, table};
use super::numbers::{about, count, number, thousands};
use super::page::{document, prose, script, section};
use super::tables::is_place;
use crate::failure::Failure;
use crate::files::replace_file;
use crate::verify::Comparison;

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
    let mut body = head(comparison, &name);
    body += &section("apart", "How the runs part", &apart(comparison));
    body += &section("states", "State by state", &states(comparison));
    body += &section("made", "Where they were trained", &made(comparison));
    document(&name, "", &body, &script())
}

fn head(comparison: &Comparison, name: &str) -> String {
    let (class, word, meaning) = match &comparison.line {
        _ if comparison.is_equal() => ("green", "equal", "every bit that both runs have is the same".to_owned()),
        Some(line) => (
            "red",
            "different",
            format!("from step {} on: {} (first run, second run)", thousands(line.step), line.what),
        ),
        None if comparison.first_state().is_some() => {
            ("red", "different", "the metrics are the same, the states are not".to_owned())
        }
        None => ("red", "damaged", "what can be read is the same, but something is missing or damaged".to_owned()),
    };
    let sentence = match comparison.first_state() {
        None if comparison.is_equal() => "Both runs have the same bits.".to_owned(),
        Some((state, difference)) => format!(
            "The first state that differs is that of replica {} after step {}: {difference}.",
            state.replica,
            thousands(state.step)
        ),
        None => "No common checkpoint shows a difference between the states.".to_owned(),
    };
    let notices: String =
        notices(comparison).into_iter().map(|notice| format!("<p class=\"notice\">{}</p>\n", prose(notice))).collect();
    format!(
        "<header>\n<p class=\"eyebrow\">lastbit · {} · {} compared</p>\n<h1>{}</h1>\n\
         <p class=\"lamp {class}\"><b><i aria-hidden=\"true\"></i>{word}</b> <span>{}</span></p>\n{notices}</header>\n",
        escape(name),
        count(comparison.steps.len() as u64, "step"),
        prose(sentence),
        prose(meaning),
    )
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
    for (name, is_red) in ["first", "second"].iter().zip(comparison.is_control_red) {
        if is_red {
            notices.push(format!("The control of the {name} run is red: do not use it."));
        }
    }
    notices
}

/// Charts of the distance between the losses of the two runs and, for scale, of the distances that k causes in the first run.
fn apart(comparison: &Comparison) -> String {
    let ks = &comparison.configs[0].train.ks;
    let shown = || 0..ks.len().min(MAX_CURVES);
    let style = |replica: usize| if replica == 0 { "ref".to_owned() } else { format!("c{} d0", (replica - 1) % 6) };
    let label = |replica: usize| format!("k = {} (r{replica})", ks[replica]);
    let between = |replica: usize| -> Vec<f64> {
        let relative = |[a, b]: [f64; 2]| 2.0 * (a - b).abs() / (a.abs() + b.abs());
        let of = |[a, b]: [f64; 2]| if a == b { 0.0 } else { relative([a, b]) };
        comparison.numbers.iter().map(|numbers| of(numbers[replica].loss)).collect()
    };
    let by_k = |replica: usize| -> Vec<f64> { comparison.numbers.iter().map(|n| n[replica].rel_l1[0]).collect() };
    let curve = |replica: usize, values| Curve { label: label(replica), style: style(replica), values, raw: None };
    let losses: Vec<Curve> = shown().map(|replica| curve(replica, between(replica))).collect();
    let distances: Vec<Curve> = shown().skip(1).map(|replica| curve(replica, by_k(replica))).collect();
    let chart = |id: &str, title: &str, curves: Vec<Curve>| {
        let (Some(first), Some(last)) = (comparison.steps.first(), comparison.steps.last()) else {
            return String::new();
        };
        let curves: Vec<Curve> = curves.into_iter().filter(|c| c.values.iter().any(|v| v.is_finite())).collect();
        if curves.is_empty() {
            return String::new();
        }
        let y = Scale::decades(curves.iter().flat_map(|curve| curve.values.iter().copied()));
        let ends = curves.iter().map(|curve| {
            let end = curve.values.last().copied().unwrap_or(f64::NAN);
            format!("{}: {} at the end.", curve.label, about(end))
        });
        Chart {
            id: id.to_owned(),
            title: title.to_owned(),
            description: ends.collect::<Vec<_>>().join(" "),
            height: 260,
            y: y.unwrap_or_else(|| Scale::log(1e-10, 1.0)),
            has_rail: true,
            x: comparison.steps.iter().map(|step| *step as f64).collect(),
            x_name: "step",
            curves,
            panels: vec![Panel { caption: String::new(), x: Scale::linear(*first as f64, *last as f64), share: 1 }],
            marks: Vec::new(),
            readable: readable_lines(comparison.steps.len()),
        }
        .markup()
    };
    let charts = [
        chart("loss-apart", "Relative distance between the losses of the two runs", losses),
        chart("k-apart", "For scale: relative L1 to the first copy within the first run", distances),
    ]
    .concat();
    if charts.is_empty() {
        return "<p class=\"absent\">The runs have no step in common.</p>\n".to_owned();
    }
    format!(
        "<p>Each curve compares the losses a and b of the same copy in the two runs: 2|a − b| / (|a| + |b|) at each step. Where \
         every bit is the same, it runs on the rail marked 0. The second chart shows, for scale, what k does within the first \
         run.</p>\n{charts}"
    )
}

fn states(comparison: &Comparison) -> String {
    if comparison.states.is_empty() {
        return "<p class=\"absent\">The runs have no checkpoint in common; --keep-checkpoints keeps more of them.</p>\n"
            .to_owned();
    }
    let ks = &comparison.configs[0].train.ks;
    let rows: Vec<Vec<String>> = comparison
        .states
        .iter()
        .map(|state| {
            let copy = match state.step {
                0 => "all".to_owned(),
                _ => format!("k = {} (r{})", ks.get(state.replica).copied().unwrap_or(0), state.replica),
            };
            let (elements, first) = match &state.difference {
                None => (0, "–".to_owned()),
                Some(d) => (d.elements, format!("<code>{}[{}]</code>", escape(&d.tensor), d.index)),
            };
            vec![
                if state.step == 0 { "start".to_owned() } else { thousands(state.step) },
                escape(copy),
                data(state.rel_l1, number(state.rel_l1)),
                thousands(elements),
                first,
            ]
        })
        .collect();
    table("numbers", &["step", "copy", "relative L1 between the runs", "elements that differ", "first of them"], &rows)
}

/// The last component of a folder's path. Pages are passed on, and the rest of the path often contains a user's name.
fn name_of(folder: &Path) -> String {
    let absolute = std::path::absolute(folder).ok();
    let name = absolute.as_deref().unwrap_or(folder).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn made(comparison: &Comparison) -> String {
    let mut rows: Vec<Vec<String>> = vec![
        ["folder".to_owned()]
            .into_iter()
            .chain(comparison.folders.iter().map(|folder| escape(name_of(folder))))
            .collect(),
    ];
    if let [Some(first), Some(second)] = &comparison.manifests {
        let both = first.facts().into_iter().zip(second.facts());
        rows.extend(both.map(|((what, a), (_, b))| vec![what.to_owned(), escape(a), escape(b)]));
    } else {
        rows.push(vec!["manifest.json".to_owned(), "missing or damaged".to_owned(), "in one of the runs".to_owned()]);
    }
    let keys = comparison.different_keys.iter();
    rows.extend(keys.map(|(key, values)| {
        let [a, b] = values.each_ref().map(|value| match value.as_str() {
            "-" => "–".to_owned(),
            _ if is_place(key) => "a path on the machine that trained".to_owned(),
            value => escape(value),
        });
        vec![format!("<code>{}</code>", escape(key)), a, b]
    }));
    table("facts", &["", "first run", "second run"], &rows)
}
