//! The networks at the end of training, compared with each other: a section of a run's page, or a page of its own.

use std::path::{Path, PathBuf};

use maud::{Markup, html};

use super::data::{LONGEST_NAME, RunData};
use super::figures::axis;
use crate::failure::Failure;
use crate::files::replace_file;
use crate::html::{self, cell, code, document, header, note, prose, section, table};
use crate::numbers::{about, count, list, number, thousands};
use crate::plot::{Axis, CHART_STYLE, Figure, Style, script};
use crate::run::{EndsNetwork, EndsPair, EndsRecord, TensorRow};

/// Largest number of curves in a chart, and of columns in the table of tensors.
const MAX_PAIRS: usize = 12;

/// The section of a run's page; `None` if its ends are not compared.
pub fn of_run(run: &RunData) -> Option<Markup> {
    let record = run.ends.as_ref()?;
    let styles = record.pairs.iter().map(|pair| run.style(pair.b.replica)).collect::<Vec<_>>();
    let names: Vec<String> = record.pairs.iter().map(|pair| pair.b.label.clone()).collect();
    let short: Vec<String> = record
        .pairs
        .iter()
        .map(|pair| if run.has_long_names() { format!("r{}", pair.b.replica) } else { pair.b.label.clone() })
        .collect();
    Some(content(record, [&names, &short], &styles, &format!("{} at its end", run.label(0))))
}

/// Writes the page of a comparison of two places to `path`.
pub fn write(record: &EndsRecord, title: &str, path: &Path) -> Result<PathBuf, Failure> {
    let (names, places) = names(record);
    // Beside a curve there is room for a few words.
    let is_varying =
        |side: fn(&EndsPair) -> &String| record.pairs.iter().any(|pair| side(pair) != side(&record.pairs[0]));
    let side: fn(&EndsPair) -> &String =
        if is_varying(|pair| &pair.a.label) { |pair| &pair.a.label } else { |pair| &pair.b.label };
    let mut short: Vec<String> = record.pairs.iter().map(|pair| side(pair).clone()).collect();
    if short.iter().any(|name| name.chars().count() > LONGEST_NAME) {
        short = (1..=names.len()).map(|pair| format!("pair {pair}")).collect();
    }
    let styles: Vec<Style> = (0..names.len()).map(Style::Series).collect();
    let found = record.pairs.first().map(|pair| sentence(pair, &format!("{} and {}", pair.a, pair.b)));
    let head = header(title, prose(found.as_deref().unwrap_or("")), html! {});
    let first = format!("another one{places}");
    let body = section("ends", "The ends compared", content(record, [&names, &short], &styles, &first));
    replace_file(path, document(title, CHART_STYLE, &head, &[body], &script()).as_bytes())?;
    Ok(path.to_owned())
}

/// The names of the pairs, and where the first and the second networks are, if that is the same for all: names are short then.
fn names(record: &EndsRecord) -> (Vec<String>, String) {
    let place = |network: &EndsNetwork| (network.run.clone(), network.step);
    let places = |pair: &EndsPair| [place(&pair.a), place(&pair.b)];
    let one = record.pairs.split_first().filter(|(first, others)| {
        first.a.run.is_some() && !others.is_empty() && others.iter().all(|pair| places(pair) == places(first))
    });
    let Some((first, _)) = one else {
        return (record.pairs.iter().map(|pair| format!("{} and {}", pair.a, pair.b)).collect(), String::new());
    };
    let at = |network: &EndsNetwork| {
        format!("{} after step {}", network.run.as_deref().unwrap_or_default(), thousands(network.step))
    };
    let number = |(i, pair): (usize, &EndsPair)| format!("{}: {} and {}", i + 1, pair.a.label, pair.b.label);
    let names = record.pairs.iter().enumerate().map(number).collect();
    (names, format!(": the first is of {}, the second of {}", at(&first.a), at(&first.b)))
}

/// The comparison in one sentence.
fn sentence(pair: &EndsPair, name: &str) -> String {
    format!(
        "{name}: {} % of the test images are classified differently, and the barrier in the test loss is {}.",
        about(pair.disagreement),
        about(pair.test_barrier)
    )
}

/// `names` are the pairs' names in the tables, and in the charts.
fn content(record: &EndsRecord, [names, short]: [&[String]; 2], styles: &[Style], first: &str) -> Markup {
    let shown = record.pairs.len().min(MAX_PAIRS);
    let chart = |name: &str, title: &str, column: fn(&EndsPair) -> &Vec<f64>| {
        let values = record.pairs.iter().take(shown).flat_map(|pair| column(pair).iter().copied());
        let values = values.filter(|value| value.is_finite());
        let x = Axis::linear("t").between(0.0, 1.0);
        let mut figure = Figure::new(name, title, x, axis(values));
        for ((pair, label), style) in record.pairs.iter().zip(short).zip(styles).take(shown) {
            figure = figure.styled_line(
                *style,
                label,
                pair.line.t.iter().copied().zip(column(pair).iter().copied()).collect(),
            );
        }
        figure.caption(ends_of_line(record, short, column)).chart(240)
    };
    html! {
        p {
            "Each network is compared with " (prose(first)) ". Between the weights of both, " (record.pairs.first().map_or(0, |p| p.line.t.len())) " networks lie on a straight line, from t = 0 to t = 1, \
             and the statistics of their batch norms are estimated anew. The barrier is the highest loss on the line less the mean of \
             both ends: near 0, both are in one basin. Disagreement, correlation and ensemble gain are of the networks themselves."
        }
        (numbers(record, names))
        div.pair {
            (chart("line-train", "Loss on training images along the line", |pair| &pair.line.train_loss))
            (chart("line-test", "Loss on test images along the line", |pair| &pair.line.test_loss))
        }
        (tensors(record, names))
        (note(format!(
            "On {} and {}. The correlation is Pearson's of the softmax outputs, the gain the accuracy of their mean less the mean \
             accuracy of both, in percentage points.",
            count(record.images.train as u64, "training image"),
            count(record.images.test as u64, "test image")
        )))
    }
}

fn ends_of_line(record: &EndsRecord, names: &[String], column: fn(&EndsPair) -> &Vec<f64>) -> String {
    let highest = |pair: &EndsPair| match column(pair).iter().all(|loss| loss.is_finite()) {
        true => format!("at most {}", about(column(pair).iter().copied().fold(f64::NEG_INFINITY, f64::max))),
        false => "not finite everywhere".to_owned(),
    };
    let each = record.pairs.iter().zip(names).take(MAX_PAIRS);
    let texts: Vec<String> = each.map(|(pair, name)| format!("{name}: {}", highest(pair))).collect();
    format!("{}.", list(&texts))
}

fn numbers(record: &EndsRecord, names: &[String]) -> Markup {
    let is_of_one_run = record.pairs.iter().all(|pair| pair.a.run.is_none());
    let mut head = vec![
        if is_of_one_run { "copy" } else { "pair" },
        "barrier, training",
        "barrier, test",
        "disagreement",
        "correlation",
        "ensemble gain",
        "accuracy, first",
        "accuracy, second",
    ];
    if is_of_one_run {
        head.push("1 % apart at step");
    }
    let rows = record.pairs.iter().zip(names).map(|(pair, name)| {
        let shown = |value: f64, text: String| {
            if value.is_finite() {
                html::number(value, text)
            } else {
                html! { span.bad { "not finite" } }
            }
        };
        let mut row = vec![
            cell(prose(name)),
            shown(pair.train_barrier, number(pair.train_barrier)),
            shown(pair.test_barrier, number(pair.test_barrier)),
            shown(pair.disagreement, format!("{:.2} %", pair.disagreement)),
            shown(pair.correlation, format!("{:.4}", pair.correlation)),
            shown(pair.ensemble_gain, format!("{:.2}", pair.ensemble_gain)),
            shown(pair.accuracy[0], format!("{:.2} %", pair.accuracy[0])),
            shown(pair.accuracy[1], format!("{:.2} %", pair.accuracy[1])),
        ];
        if is_of_one_run {
            row.push(cell(pair.parted.map_or_else(|| "–".to_owned(), thousands)));
        }
        row
    });
    table("numbers", &head, rows)
}

/// The distance of each tensor, as a share of its norm in the first network.
fn tensors(record: &EndsRecord, names: &[String]) -> Markup {
    let Some(first) = record.pairs.first() else { return html! {} };
    let pairs = &record.pairs[..record.pairs.len().min(MAX_PAIRS)];
    let head: Vec<&str> =
        std::iter::once("tensor").chain(names.iter().map(String::as_str)).take(pairs.len() + 1).collect();
    let rows = first.tensors.iter().enumerate().map(|(i, tensor)| {
        let share = pairs.iter().map(|pair| match pair.tensors.get(i) {
            Some(TensorRow { distance, norms: [norm, _], .. }) => {
                html::number(distance / norm, number(distance / norm))
            }
            None => cell("–"),
        });
        std::iter::once(code(&tensor.tensor)).chain(share).collect()
    });
    html! {
        details {
            summary { "Distance by tensor: Euclidean norm of the difference, divided by that of the first network's tensor" }
            (table("numbers", &head, rows))
        }
    }
}
