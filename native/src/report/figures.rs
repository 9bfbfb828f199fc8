//! The charts of a run's page.

use lastbit_core::nets::NetKind;
use maud::{Markup, html};

use super::data::{CurvatureLine, Epoch, GrowthLine, RunData};
use super::edges::edges;
use crate::html::{absent, note};
use crate::numbers::{about, count, list, number, range, thousands};
use crate::plot::{Axis, Figure, HeatMap, Panel, Scale, Style, moving_mean};
use crate::statistics::ends;

/// Number of first steps, where growth is exponential, that a longer run also shows in their own panel.
const OPENING: u64 = 60;
/// Largest number of curves in a chart.
pub const MAX_CURVES: usize = 24;
/// Largest number of heat maps.
const MAX_MAPS: usize = 8;

/// A curve of a chart.
pub struct Curve {
    /// Colour and dashes.
    pub style: Style,
    /// Label at its end.
    pub label: String,
    /// Points in the order of x.
    pub points: Vec<(f64, f64)>,
}

impl Curve {
    fn has_values(&self) -> bool {
        self.points.iter().any(|(_, value)| value.is_finite())
    }

    /// Its last value in words.
    fn end(&self) -> String {
        let finite = self.points.iter().rfind(|(_, value)| value.is_finite()).map_or(f64::NAN, |(_, value)| *value);
        let is_last = self.points.last().is_some_and(|(_, value)| value.is_finite());
        format!("{}: {} at {}.", self.label, about(finite), if is_last { "the end" } else { "its last finite value" })
    }
}

/// A chart of distances from 0 to 2 over steps, on a logarithmic axis with a rail for zeros. `None` if there is nothing to draw.
pub fn distances(name: &str, title: String, curves: Vec<Curve>) -> Option<Figure> {
    let values = curves.iter().flat_map(|curve| curve.points.iter().map(|(_, value)| *value));
    let decades = Scale::decades(values).unwrap_or_else(|| Scale::log(1e-10, 1.0));
    let y = Axis::log("").between(decades.low, if decades.high > 0.99 { 2.0 } else { decades.high }).with_rail();
    over_steps(name, title, y, curves)
}

/// A chart of curves over steps, which are on a linear axis. `None` if there is nothing to draw.
fn over_steps(name: &str, title: String, y: Axis, curves: Vec<Curve>) -> Option<Figure> {
    let longest = curves.iter().max_by_key(|curve| curve.points.len())?;
    let x = Axis::linear("step").between(longest.points.first()?.0, longest.points.last()?.0);
    let figure = Figure::new(name, title, x, y).caption(curves.iter().map(Curve::end).collect::<Vec<_>>().join(" "));
    with_curves(figure, curves)
}

/// Adds the curves that have finite values to a figure; `None` if there is none.
fn with_curves(figure: Figure, curves: impl IntoIterator<Item = Curve>) -> Option<Figure> {
    let mut drawn = curves.into_iter().filter(Curve::has_values).peekable();
    drawn.peek()?;
    Some(drawn.fold(figure, |figure, curve| figure.styled_line(curve.style, curve.label, curve.points)))
}

/// Relative L1 of every replica to the first one.
pub fn divergence(run: &RunData) -> Option<Markup> {
    let replicas = compared(run);
    let title = format!("Relative L1 distance to {}", run.label(0));
    let figure = distances("divergence", title, curves(run, &replicas, &run.steps.rel_l1))?;
    let figure = figure.caption(story(run, &replicas, &run.steps.rel_l1)).panels(panels(run));
    Some(html! {
        (with_decays(run, figure).chart(330))
        @if let n @ 1.. = run.ks().len() - 1 - replicas.len() {
            (note(format!("Charts show {MAX_CURVES} curves; {n} more are in metrics.jsonl.")))
        }
    })
}

/// Number of weights that differ, and the largest distance of a weight in ulps.
pub fn elements(run: &RunData) -> Option<Markup> {
    let replicas = compared(run);
    let chart = |name: &str, title: String, columns: &[Vec<f64>]| {
        let values = replicas.iter().flat_map(|replica| columns[*replica].iter().copied());
        let y = Axis::scaled("", Scale::decades(values).unwrap_or_else(|| Scale::log(1.0, 10.0))).with_rail();
        let figure = over_steps(name, title, y, curves(run, &replicas, columns))?;
        let panel = Panel { caption: String::new(), x: step_scale(run, true), share: 1 };
        Some(figure.caption(story(run, &replicas, columns)).panels(vec![panel]).chart(220))
    };
    let weights = if matches!(run.config.train.net, NetKind::Mlp { .. }) { "Matrix" } else { "Convolution" };
    let title = match run.label(0) {
        k if k.starts_with("k = ") && !k.contains(',') => format!("{weights} weights whose bits differ from {k}'s"),
        _ => format!("{weights} weights whose bits differ from the first copy's"),
    };
    let differing = chart("differing", title, &run.steps.differing)?;
    let farthest = chart("max-ulp", "Largest distance of a weight, in ulps".to_owned(), &run.steps.max_ulp)?;
    Some(html! { div.pair { (differing) (farthest) } })
}

/// Largest eigenvalue of the Hessian and Batch Sharpness, with the values at which gradient descent loses stability; `None` if nothing is
/// measured.
pub fn curvature(run: &RunData) -> Option<Markup> {
    let lines = &run.curvature;
    let points = |value: fn(&CurvatureLine) -> f64| lines.iter().map(|line| (line.step as f64, value(line))).collect();
    let edges = edges(&run.config.train);
    let measured = lines.iter().flat_map(|line| [line.lambda_max, line.batch_sharpness]);
    let of_edges = lines.iter().flat_map(|line| edges.iter().map(|edge| edge.at(line.lr)));
    let values: Vec<f64> = measured.filter(|v| v.is_finite()).chain(of_edges).collect();
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let lowest = values.iter().copied().fold(0.0, f64::min);
    let last = lines.iter().rfind(|line| line.lambda_max.is_finite())?;
    let x = Axis::linear("step").between(0.0, lines.last()?.step.max(1) as f64);
    let y = axis([lowest, highest]);
    let mut figure = Figure::new("curvature", "Curvature of the loss at the first copy", x, y)
        .styled_line(Style::Series(0), "largest eigenvalue", points(|line| line.lambda_max))
        .styled_line(Style::Series(1), "Batch Sharpness", points(|line| line.batch_sharpness));
    for edge in &edges {
        figure = figure.theory(edge.name(), lines.iter().map(|line| (line.step as f64, edge.at(line.lr))).collect());
    }
    let caption = format!(
        "After step {}: largest eigenvalue {}, Batch Sharpness {} ± {}; a product with the Hessian is off by about {}.",
        thousands(last.step),
        about(last.lambda_max),
        about(last.batch_sharpness),
        about(last.batch_sharpness_error),
        about(last.product_error)
    );
    Some(figure.caption(caption).chart(260))
}

/// Lyapunov exponent along the run: the mean of the logarithms of growth up to each return; `None` if nothing is measured.
pub fn lyapunov(run: &RunData) -> Option<Markup> {
    let of = |replica: usize| {
        let mut total = 0.0;
        let add = move |line: &GrowthLine| {
            total += line.growth[replica];
            (line.step as f64, total / line.step as f64)
        };
        run.growth.iter().map(add).collect::<Vec<_>>()
    };
    let curve = |replica: usize| Curve { style: run.style(replica), label: run.short(replica), points: of(replica) };
    let curves: Vec<Curve> = (1..run.ks().len()).take(MAX_CURVES).map(curve).collect();
    let all = curves.iter().flat_map(|curve| curve.points.iter().map(|(_, value)| *value)).filter(|v| v.is_finite());
    let (low, high) = ends(all.chain([0.0]));
    let figure =
        over_steps("lyapunov", "Lyapunov exponent a step, up to each step".to_owned(), axis([low, high]), curves)?;
    Some(figure.horizontal("0", 0.0).chart(220))
}

/// Loss of every batch, with a moving mean where the run is long enough for one.
pub fn loss(run: &RunData) -> Option<Markup> {
    let replicas: Vec<usize> = (0..run.ks().len()).take(MAX_CURVES).collect();
    let n = run.steps.step.len();
    let window = if n < 60 { 1 } else { (n / 30).min(391) | 1 };
    // A batch that blew up would flatten everything else, so the axis then ends just above the 99th percentile.
    let losses = replicas.iter().flat_map(|replica| &run.steps.loss[*replica]);
    let mut all: Vec<f64> = losses.copied().filter(|loss| loss.is_finite()).collect();
    all.sort_by(f64::total_cmp);
    let (lowest, highest) = (*all.first()?, *all.last()?);
    let most = all[(all.len() - 1) * 99 / 100];
    let is_cut = highest > 2.0 * most;
    let mean =
        if window > 1 { format!(": mean of {window} batches, drawn over the single batches") } else { String::new() };
    let cut = if is_cut { " (higher values are cut off)" } else { "" };
    let y = axis([lowest, if is_cut { most * 1.2 } else { highest }]);
    let x = Axis::scaled("step", step_scale(run, false));
    let mut figure = Figure::new("loss", format!("Training loss{mean}{cut}"), x, y);
    for curve in curves(run, &replicas, &run.steps.loss).into_iter().filter(Curve::has_values) {
        let values: Vec<f64> = curve.points.iter().map(|(_, loss)| *loss).collect();
        let means =
            curve.points.iter().zip(moving_mean(&values, window)).map(|((step, _), mean)| (*step, mean)).collect();
        if window > 1 {
            figure = figure.raw(curve.style, curve.points);
        }
        figure = figure.styled_line(curve.style, curve.label, means);
    }
    let figure = figure.caption(story(run, &replicas, &run.steps.loss));
    Some(with_decays(run, figure).chart(260))
}

/// Loss and accuracy of the evaluations; `None` with fewer than two of them.
pub fn epochs(run: &RunData) -> Option<Markup> {
    type Values = fn(&Epoch) -> &Vec<f64>;
    if run.epochs.len() < 2 {
        return None;
    }
    let per_epoch = run.steps_per_epoch().filter(|steps| *steps > 0);
    let at = |epoch: &Epoch| epoch.step as f64 / per_epoch.unwrap_or(1) as f64;
    let unit = if per_epoch.is_some() { "epoch" } else { "step" };
    let replicas = 0..run.ks().len().min(MAX_CURVES);
    let chart = |set: &str, what: &str, of: Values, y: &Axis| {
        let x = Axis::linear(unit).between(at(run.epochs.first()?), at(run.epochs.last()?));
        let at_end = range(replicas.clone().filter_map(|r| Some(of(run.epochs.last()?)[r])), number);
        let name = format!("{}-{}", set.to_lowercase(), what.split(' ').next().unwrap_or(what));
        let figure = Figure::new(name, format!("{set} {what} by {unit}"), x, y.clone()).caption(format!(
            "At the last of {} evaluations: {}.",
            run.epochs.len(),
            at_end.unwrap_or("-".to_owned())
        ));
        let curve = |replica: usize| Curve {
            style: run.style(replica),
            label: run.short(replica),
            points: run.epochs.iter().map(|epoch| (at(epoch), of(epoch)[replica])).collect(),
        };
        Some(with_curves(figure, replicas.clone().map(curve))?.chart(200))
    };
    let pair = |what: &str, [train, test]: [Values; 2]| {
        let y = axis(run.epochs.iter().flat_map(|epoch| [train(epoch), test(epoch)]).flatten().copied());
        let absent = |set: &str| absent(format!("No {} {what} is finite.", set.to_lowercase()));
        html! {
            @for (set, of) in [("Training", train), ("Test", test)] {
                (chart(set, what, of, &y).unwrap_or_else(|| absent(set)))
            }
        }
    };
    Some(html! {
        div.pair {
            (pair("accuracy in %", [|epoch| &epoch.train_accuracy, |epoch| &epoch.test_accuracy]))
            (pair("loss", [|epoch| &epoch.train_loss, |epoch| &epoch.test_loss]))
        }
    })
}

/// Maps of relative L1 by step and layer for the replicas that differ, with their legend; `None` if there is nothing to draw.
pub fn heat_maps(run: &RunData) -> Option<Markup> {
    let columns = run.layers.chosen();
    let values = columns.iter().flat_map(|column| column.rel_l1.iter().flatten()).map(|value| f64::from(*value));
    let scale = Scale::decades(values)?;
    let scale = Scale::log(scale.low, scale.high.min(2.0).max(scale.low * 10.0));
    let differs = |replica: &usize| {
        columns.iter().any(|column| column.rel_l1[*replica].iter().any(|value| *value > 0.0 || value.is_nan()))
    };
    let replicas: Vec<usize> = (1..run.ks().len()).filter(differs).collect();
    let shown = &replicas[..replicas.len().min(MAX_MAPS)];
    let map = |replica: usize| HeatMap {
        id: format!("map-{replica}"),
        label: run.label(replica),
        style: run.style(replica),
        quantity: "relative L1",
        layers: &run.layers.names,
        steps: columns.iter().map(|column| column.step).collect(),
        values: columns.iter().map(|column| column.rel_l1[replica].as_slice()).collect(),
    };
    Some(html! {
        (HeatMap::legend(&scale))
        div.maps.single[shown.len() == 1] { @for replica in shown { (map(*replica).markup(&scale)) } }
        @if let n @ 1.. = replicas.len() - shown.len() {
            (note(format!("The first {MAX_MAPS} copies that differ are shown; {n} more are in metrics.jsonl.")))
        }
    })
}

/// Replicas that are drawn against the first one; none if no step is recorded.
fn compared(run: &RunData) -> Vec<usize> {
    (1..run.ks().len()).take(if run.steps.step.is_empty() { 0 } else { MAX_CURVES }).collect()
}

/// A linear axis, or a logarithmic one if values exceed 10⁴.
pub fn axis(values: impl IntoIterator<Item = f64>) -> Axis {
    let linear = Scale::around(values);
    Axis::scaled("", if linear.high > 1e4 { Scale::log(1e-2, linear.high) } else { linear })
}

fn curves(run: &RunData, replicas: &[usize], columns: &[Vec<f64>]) -> Vec<Curve> {
    let steps = run.steps.step.iter().map(|step| *step as f64);
    let curve = |&replica: &usize| Curve {
        style: run.style(replica),
        label: run.short(replica),
        points: steps.clone().zip(columns[replica].iter().copied()).collect(),
    };
    replicas.iter().map(curve).collect()
}

/// Marks the steps at which the learning rate jumps: not those of a warm-up or a schedule under which it changes at every step.
fn with_decays(run: &RunData, figure: Figure) -> Figure {
    let (steps, rates, config) = (&run.steps.step, &run.steps.lr, &run.config.train);
    let is_smooth = |step: u64| step <= config.warmup || config.schedule.depends_on_length();
    let jumps = |step: u64| !is_smooth(step) || config.lr_changes.iter().any(|change| change.step == step);
    // A rate that was multiplied repeatedly has a long tail of digits.
    let short = |rate: f64| format!("{rate:.2e}").parse().unwrap_or(rate);
    let changes = (1..rates.len()).filter(|&line| rates[line] != rates[line - 1] && jumps(steps[line]));
    changes.fold(figure, |figure, line| figure.vertical(format!("lr {}", short(rates[line])), steps[line] as f64))
}

/// The steps of the whole run, logarithmic in a longer run if `is_log`.
fn step_scale(run: &RunData, is_log: bool) -> Scale {
    let (first, last) = (run.steps.step.first().copied().unwrap_or(1) as f64, run.last_step() as f64);
    if is_log && last > 20.0 { Scale::log(first.max(1.0), last) } else { Scale::linear(first, last) }
}

/// The whole run; a longer run also gets a panel of the [`OPENING`] steps in which its copies part, which would be lost in the whole: the
/// first ones, unless all part later.
fn panels(run: &RunData) -> Vec<Panel> {
    let x = step_scale(run, false);
    let (first, last) = (run.steps.step.first().copied().unwrap_or(1), run.last_step());
    if last < first.saturating_add(2 * OPENING) {
        return vec![Panel { caption: String::new(), x, share: 1 }];
    }
    let departure = compared(run).into_iter().filter_map(|replica| run.departure(replica)).min();
    let parted = departure.map_or(first, |line| run.steps.step[line]);
    let begin = if parted < first + OPENING / 2 { first } else { (parted - 5).min(last + 1 - OPENING) };
    let caption = match begin == first {
        true => format!("The first {}", count(OPENING, "step")),
        false => format!("{} from step {} on", count(OPENING, "step"), thousands(begin)),
    };
    vec![
        Panel { caption, x: Scale::linear(begin as f64, (begin + OPENING - 1) as f64), share: 4 },
        Panel { caption: format!("All {}", count(last - first + 1, "step")), x, share: 5 },
    ]
}

/// Curves in words: the value of each replica at the first line, at step 20 and at the last line.
fn story(run: &RunData, replicas: &[usize], columns: &[Vec<f64>]) -> String {
    let steps = &run.steps.step;
    let mut lines: Vec<usize> = [Some(0), run.line_at(20), steps.len().checked_sub(1)].into_iter().flatten().collect();
    lines.dedup();
    let replica = |&replica: &usize| {
        let value = |&line: &usize| format!("{} at step {}", about(columns[replica][line]), thousands(steps[line]));
        format!("{}: {}.", run.label(replica), list(&lines.iter().map(value).collect::<Vec<_>>()))
    };
    replicas.iter().map(replica).collect::<Vec<_>>().join(" ")
}
