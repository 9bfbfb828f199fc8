//! The charts of a run's page.

use super::charts::{Chart, Curve, Panel, Scale, moving_mean, readable_lines, style_of};
use super::data::{Epoch, RunData};
use super::numbers::{about, count, list, number, range, thousands};

/// Number of first steps, where growth is exponential, that a longer run also shows in their own panel.
const OPENING: u64 = 60;
/// Largest number of curves in a chart.
const MAX_CURVES: usize = 24;

/// Relative L1 of every replica to the first one, on a logarithmic axis with a rail for zeros.
pub fn divergence(run: &RunData) -> Option<String> {
    let replicas = compared(run);
    let series = |replica: usize| run.steps.rel_l1[replica].as_slice();
    let values = replicas.iter().flat_map(|replica| series(*replica)).copied();
    let y = Scale::decades(values)
        .map(|scale| Scale::log(scale.low, if scale.high > 0.99 { 2.0 } else { scale.high }))
        .or_else(|| (!replicas.is_empty()).then(|| Scale::log(1e-10, 1.0)))?;
    let first = run.label(0);
    let chart = Chart {
        id: "divergence".to_owned(),
        title: format!("Relative L1 distance to {first}"),
        description: story(run, &replicas, series),
        height: 330,
        y,
        has_rail: true,
        panels: panels(run),
        marks: decays(run),
        ..over_steps(run, curves(run, &replicas, series))?
    };
    let left_out = match run.ks().len() - 1 - replicas.len() {
        0 => String::new(),
        n => format!("<p class=\"note\">Charts show {MAX_CURVES} curves; {n} more are in metrics.jsonl.</p>\n"),
    };
    Some(chart.markup() + &left_out)
}

/// Number of weights that differ, and the largest distance of a weight in ulps.
pub fn elements(run: &RunData) -> Option<String> {
    let replicas = compared(run);
    let first = run.label(0);
    let chart = |id: &str, title: String, columns: &[Vec<f64>]| {
        let series = |replica: usize| columns[replica].as_slice();
        let values = replicas.iter().flat_map(|replica| series(*replica)).copied();
        let y = Scale::decades(values).unwrap_or_else(|| Scale::log(1.0, 10.0));
        let chart = Chart {
            id: id.to_owned(),
            title,
            description: story(run, &replicas, series),
            height: 220,
            y,
            has_rail: true,
            ..over_steps(run, curves(run, &replicas, series))?
        };
        Some(chart.markup())
    };
    if replicas.is_empty() {
        return None;
    }
    let differing =
        chart("differing", format!("Convolution weights whose bits differ from {first}'s"), &run.steps.differing)?;
    let farthest = chart("max-ulp", "Largest distance of a weight, in ulps".to_owned(), &run.steps.max_ulp)?;
    Some(format!("<div class=\"pair\">{differing}{farthest}</div>\n"))
}

/// Loss of every batch, with a moving mean where the run is long enough for one.
pub fn loss(run: &RunData) -> Option<String> {
    let replicas: Vec<usize> = (0..run.ks().len()).take(MAX_CURVES).collect();
    let n = run.steps.step.len();
    let window = if n < 60 { 1 } else { (n / 30).min(391) | 1 };
    let smooth = |replica: &usize| {
        let raw = &run.steps.loss[*replica];
        Curve {
            label: run.label(*replica),
            style: style_of(run, *replica),
            values: moving_mean(raw, window),
            raw: (window > 1).then(|| raw.clone()),
        }
    };
    let curves: Vec<Curve> = replicas.iter().map(smooth).filter(|curve| has_values(&curve.values)).collect();
    // A batch that blew up would flatten everything else, so the axis then ends just above the 99th percentile.
    let mut all: Vec<f64> =
        replicas.iter().flat_map(|r| &run.steps.loss[*r]).copied().filter(|loss| loss.is_finite()).collect();
    all.sort_by(f64::total_cmp);
    let most = *all.get(all.len().saturating_sub(1) * 99 / 100)?;
    let is_cut = all.last().is_some_and(|highest| *highest > 2.0 * most);
    let high = if is_cut { most * 1.2 } else { *all.last()? };
    let y = axis([*all.first()?, high]);
    let mean =
        if window > 1 { format!(": mean of {window} batches, drawn over the single batches") } else { String::new() };
    let cut = if is_cut { " (higher values are cut off)" } else { "" };
    let chart = Chart {
        id: "loss".to_owned(),
        title: format!("Training loss{mean}{cut}"),
        description: story(run, &replicas, |replica| &run.steps.loss[replica]),
        height: 260,
        y,
        panels: vec![whole(run, false)],
        marks: decays(run),
        ..over_steps(run, curves)?
    };
    Some(chart.markup())
}

/// Loss and accuracy of the evaluations; `None` with fewer than two of them.
pub fn epochs(run: &RunData) -> Option<String> {
    if run.epochs.len() < 2 {
        return None;
    }
    let per_epoch = run.steps_per_epoch().filter(|steps| *steps > 0);
    let x: Vec<f64> = run.epochs.iter().map(|e| e.step as f64 / per_epoch.unwrap_or(1) as f64).collect();
    let (from, to) = (*x.first()?, *x.last()?);
    let unit = if per_epoch.is_some() { "epoch" } else { "step" };
    let replicas: Vec<usize> = (0..run.ks().len()).take(MAX_CURVES).collect();
    let pair = |what: &str, of: [fn(&Epoch) -> &Vec<f64>; 2]| {
        let y = axis(run.epochs.iter().flat_map(|epoch| of.map(|of| of(epoch).clone())).flatten());
        let chart = |(set, of): (&str, fn(&Epoch) -> &Vec<f64>)| {
            let values = |replica: usize| run.epochs.iter().map(|epoch| of(epoch)[replica]).collect::<Vec<_>>();
            let at_end = range(replicas.iter().filter_map(|r| values(*r).last().copied()), number);
            let curve = |replica: &usize| Curve {
                label: run.label(*replica),
                style: style_of(run, *replica),
                values: values(*replica),
                raw: None,
            };
            Chart {
                id: format!("{}-{}", set.to_lowercase(), what.split(' ').next().unwrap_or(what)),
                title: format!("{set} {what} by {unit}"),
                description: format!("At the last of {} evaluations: {}.", x.len(), at_end.unwrap_or("-".to_owned())),
                height: 200,
                y,
                has_rail: false,
                x: x.clone(),
                x_name: unit,
                curves: replicas.iter().map(curve).filter(|curve| has_values(&curve.values)).collect(),
                panels: vec![Panel { caption: String::new(), x: Scale::linear(from, to), share: 1 }],
                marks: Vec::new(),
                readable: (0..x.len()).collect(),
            }
            .markup()
        };
        ["Training", "Test"].into_iter().zip(of).map(chart).collect::<String>()
    };
    let accuracy = pair("accuracy in %", [|e| &e.train_accuracy, |e| &e.test_accuracy]);
    let loss = pair("loss", [|e| &e.train_loss, |e| &e.test_loss]);
    Some(format!("<div class=\"pair\">{accuracy}{loss}</div>\n"))
}

/// Replicas that are drawn against the first one; none if no step is recorded.
fn compared(run: &RunData) -> Vec<usize> {
    (1..run.ks().len()).take(if run.steps.step.is_empty() { 0 } else { MAX_CURVES }).collect()
}

/// A linear axis, or a logarithmic one if values exceed 10⁴.
fn axis(values: impl IntoIterator<Item = f64>) -> Scale {
    let linear = Scale::around(values);
    if linear.high > 1e4 { Scale::log(1e-2, linear.high) } else { linear }
}

fn has_values(values: &[f64]) -> bool {
    values.iter().any(|value| value.is_finite())
}

fn curves<'a>(run: &RunData, replicas: &[usize], series: impl Fn(usize) -> &'a [f64]) -> Vec<Curve> {
    let curve = |replica: &usize| Curve {
        label: run.label(*replica),
        style: style_of(run, *replica),
        values: series(*replica).to_vec(),
        raw: None,
    };
    replicas.iter().map(curve).filter(|curve| has_values(&curve.values)).collect()
}

/// The common parts of charts over steps, with one panel whose horizontal axis is logarithmic in longer runs. `None` if there
/// is nothing to draw.
fn over_steps(run: &RunData, curves: Vec<Curve>) -> Option<Chart> {
    if curves.is_empty() || run.steps.step.is_empty() {
        return None;
    }
    Some(Chart {
        id: String::new(),
        title: String::new(),
        description: String::new(),
        height: 0,
        y: Scale::linear(0.0, 1.0),
        has_rail: false,
        x: run.steps.step.iter().map(|step| *step as f64).collect(),
        x_name: "step",
        curves,
        panels: vec![whole(run, true)],
        marks: Vec::new(),
        readable: readable_lines(run.steps.step.len()),
    })
}

/// Steps at which the learning rate changes.
fn decays(run: &RunData) -> Vec<(f64, String)> {
    let (steps, rates) = (&run.steps.step, &run.steps.lr);
    // A rate that was multiplied repeatedly has a long tail of digits.
    let short = |rate: f64| format!("{rate:.2e}").parse().unwrap_or(rate);
    let changes = (1..rates.len()).filter(|&line| rates[line] != rates[line - 1]);
    changes.map(|line| (steps[line] as f64, format!("lr {}", short(rates[line])))).collect()
}

fn whole(run: &RunData, is_log: bool) -> Panel {
    let (first, last) = (run.steps.step.first().copied().unwrap_or(1) as f64, run.last_step() as f64);
    let x = if is_log && last > 20.0 { Scale::log(first.max(1.0), last) } else { Scale::linear(first, last) };
    Panel { caption: String::new(), x, share: 1 }
}

/// The whole run; a longer run also gets a panel of its first [`OPENING`] steps, which would be lost in the whole.
fn panels(run: &RunData) -> Vec<Panel> {
    let whole = whole(run, false);
    let (first, last) = (run.steps.step.first().copied().unwrap_or(1), run.last_step());
    if last < first + 2 * OPENING {
        return vec![whole];
    }
    let opening = Scale::linear(first as f64, (first + OPENING - 1) as f64);
    vec![
        Panel { caption: format!("The first {}", count(OPENING, "step")), x: opening, share: 4 },
        Panel { caption: format!("All {}", count(last - first + 1, "step")), share: 5, ..whole },
    ]
}

/// Curves in words: the value of each replica at the first line, at step 20 and at the last line.
fn story<'a>(run: &RunData, replicas: &[usize], series: impl Fn(usize) -> &'a [f64]) -> String {
    let steps = &run.steps.step;
    let mut lines: Vec<usize> = [Some(0), run.line_at(20), steps.len().checked_sub(1)].into_iter().flatten().collect();
    lines.dedup();
    let at = |line: &usize| format!("{} at step {}", "{}", thousands(steps[*line]));
    let replica = |replica: &usize| {
        let values: Vec<String> =
            lines.iter().map(|line| at(line).replace("{}", &about(series(*replica)[*line]))).collect();
        format!("{}: {}.", run.label(*replica), list(&values))
    };
    replicas.iter().map(replica).collect::<Vec<_>>().join(" ")
}
