//! Heat maps of step by layer, one for each replica: where in the network and when the copies part.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::palette::LEVELS;
use super::scale::Scale;
use super::{Frame, mark_of, style_of};
use crate::report::data::RunData;
use crate::report::html::escape;
use crate::report::layers::Column;
use crate::report::numbers::{number, thousands};

/// Largest number of maps.
const MAX_MAPS: usize = 8;
/// With more layers than this, only stages are named.
const NAMED_ROWS: usize = 13;

/// Maps for the replicas that differ, with their legend; `None` if there is nothing to draw.
pub fn heatmap(run: &RunData) -> Option<String> {
    let columns = run.layers.chosen();
    let names = &run.layers.names;
    let differs = |replica: &usize| {
        columns.iter().any(|column| column.rel_l1[*replica].iter().any(|value| *value > 0.0 || value.is_nan()))
    };
    let replicas: Vec<usize> = (1..run.ks().len()).filter(differs).collect();
    let values = || columns.iter().flat_map(|column| column.rel_l1.iter().flatten()).map(|value| f64::from(*value));
    let scale = Scale::decades(values())?;
    let scale = Scale::log(scale.low, scale.high.min(2.0).max(scale.low * 10.0));
    let shown = &replicas[..replicas.len().min(MAX_MAPS)];
    let maps: String = shown.iter().map(|&replica| map(run, &columns, names, replica, &scale)).collect();
    let left_out = match replicas.len() - shown.len() {
        0 => String::new(),
        n => format!(
            "<p class=\"note\">The first {MAX_MAPS} copies that differ are shown; {n} more are in metrics.jsonl.</p>"
        ),
    };
    let single = if shown.len() == 1 { " single" } else { "" };
    Some(format!("{}<div class=\"maps{single}\">\n{maps}</div>\n{left_out}", legend(&scale)))
}

/// Colour level of a value: 0 for exactly zero, else 1 to [`LEVELS`]; `None` if it is not finite.
fn level(value: f32, scale: &Scale) -> Option<usize> {
    match f64::from(value) {
        0.0 => Some(0),
        value if value.is_finite() => {
            Some(1 + (scale.place(value).clamp(0.0, 1.0) * (LEVELS - 1) as f64).round() as usize)
        }
        _ => None,
    }
}

fn map(run: &RunData, columns: &[&Column], names: &[String], replica: usize, scale: &Scale) -> String {
    let n_rows = names.len();
    let mut paths: BTreeMap<Option<usize>, String> = BTreeMap::new();
    for row in 0..n_rows {
        let at = |column: usize| columns[column].rel_l1[replica].get(row).map(|value| level(*value, scale));
        let mut column = 0;
        while column < columns.len() {
            let from = column;
            let level = at(from);
            while column < columns.len() && at(column) == level {
                column += 1;
            }
            // A cell without a recorded value keeps the background colour.
            if let Some(level) = level {
                let width = column - from;
                let _ = write!(paths.entry(level).or_default(), "M{from},{row}h{width}v1h-{width}z");
            }
        }
    }
    let paths = paths.iter().map(|(level, path)| match level {
        None => format!("<path class=\"nan\" data-v=\"not finite\" d=\"{path}\"/>"),
        Some(0) => format!("<path class=\"h0\" data-v=\"0\" d=\"{path}\"/>"),
        Some(level) => {
            let place = (*level as f64 - 1.0) / (LEVELS - 1) as f64;
            let value = scale.low * (scale.high / scale.low).powf(place);
            format!("<path class=\"h{level}\" data-v=\"about {}\" d=\"{path}\"/>", number(value))
        }
    });
    let (n_columns, label) = (columns.len(), run.label(replica));
    let id = format!("map-{replica}");
    let first = columns.first().map_or(0, |column| column.step);
    let last = columns.last().map_or(0, |column| column.step);
    let svg = format!(
        "<svg viewBox=\"0 0 {n_columns} {n_rows}\" preserveAspectRatio=\"none\" shape-rendering=\"crispEdges\" role=\"img\" \
         aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">{0}: relative L1 by step and layer</title>\
         <desc id=\"{id}-d\">{1} layers from top (input) to bottom (output), steps {first} to {last} from left to right. \
         At the last step the distances of the layers {2}.</desc>{3}</svg>",
        escape(&label),
        n_rows,
        ends_of(columns.last().map_or(&[], |column| &column.rel_l1[replica])),
        paths.collect::<String>(),
    );
    let row_height = (260.0 / n_rows as f64).clamp(4.0, 16.0);
    let height = (row_height * n_rows as f64).round().max(24.0);
    let y: Vec<(f64, String)> =
        row_labels(names).into_iter().map(|(row, text)| ((row + 0.5) * height / n_rows as f64, text)).collect();
    let steps: Vec<String> = columns.iter().map(|column| column.step.to_string()).collect();
    let data = format!("data-steps=\"{}\" data-layers=\"{}\"", steps.join(" "), escape(names.join(" ")));
    let frame = Frame {
        height: height as u32,
        svg: &svg,
        x: &step_labels(columns),
        y: &y,
        x_name: "step",
        marks: "",
        ends: None,
        data: &data,
    };
    let style = style_of(run, replica);
    format!(
        "<figure class=\"chart map\" id=\"{id}\"><figcaption><b class=\"{style}\"><i>{}</i> {}</b>\
         <output aria-live=\"off\"></output></figcaption>{}</figure>\n",
        mark_of(&style),
        escape(&label),
        frame.markup()
    )
}

fn ends_of(values: &[f32]) -> String {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let Some(low) = finite().reduce(f32::min) else { return "are not finite".to_owned() };
    let high = finite().fold(low, f32::max);
    format!("lie between {} and {}", number(f64::from(low)), number(f64::from(high)))
}

/// Row labels: the names of the layers or, if there are many, of their stages, at the middle of each.
fn row_labels(names: &[String]) -> Vec<(f64, String)> {
    let short = |name: &str| name.trim_end_matches(".weight").replace("downsample.0", "shortcut");
    if names.len() <= NAMED_ROWS {
        return names.iter().enumerate().map(|(row, name)| (row as f64, short(name))).collect();
    }
    let stage = |name: &String| name.split('.').next().unwrap_or_default().to_owned();
    let mut labels = Vec::new();
    let mut from = 0;
    for rows in names.chunk_by(|a, b| stage(a) == stage(b)) {
        labels.push((from as f64 + (rows.len() - 1) as f64 / 2.0, stage(&rows[0])));
        from += rows.len();
    }
    // With a single stage, as VGG's "features", label some of its layers.
    if labels.len() == 1 {
        let every = names.len().div_ceil(NAMED_ROWS);
        return (0..names.len()).step_by(every).map(|row| (row as f64, short(&names[row]))).collect();
    }
    labels
}

/// Labels of round steps, each under the middle of its column, not too close to each other.
fn step_labels(columns: &[&Column]) -> Vec<(f64, String)> {
    let n = columns.len() as f64;
    let is_round = |step: u64| {
        let power = 10u64.pow(step.max(1).ilog10());
        step.is_multiple_of(power) && matches!(step / power, 1 | 2 | 5)
    };
    let mut labels: Vec<(f64, String)> = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        let place = (index as f64 + 0.5) / n;
        let is_far = labels.last().is_none_or(|(last, _)| place - last > 0.1);
        if is_far && (index == 0 || is_round(column.step)) {
            labels.push((place, thousands(column.step)));
        }
    }
    if let Some(last) = columns.last().filter(|_| columns.len() > 1) {
        let place = 1.0 - 0.5 / n;
        labels.retain(|(at, _)| place - at > 0.12);
        labels.push((place, thousands(last.step)));
    }
    labels
}

fn legend(scale: &Scale) -> String {
    let cells: String = (1..=LEVELS).map(|level| format!("<i class=\"h{level}\"></i>")).collect();
    let ticks = scale.ticks(5).into_iter().map(|(value, text)| {
        format!("<span style=\"left:{:.1}%\">{}</span>", scale.place(value) * 100.0, escape(text))
    });
    format!(
        "<div class=\"legend\" aria-hidden=\"true\"><div class=\"zero\"><i class=\"h0\"></i><span>0</span></div>\
         <div class=\"ramp\"><div class=\"cells\">{cells}</div>{}</div></div>\n",
        ticks.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_follow_the_logarithm() {
        let scale = Scale::log(1e-9, 1.0);
        assert_eq!([0.0, 1e-9, 1.0, 5.0].map(|value| level(value, &scale)), [0, 1, LEVELS, LEVELS].map(Some));
        assert_eq!(level(f32::NAN, &scale), None);
    }

    #[test]
    fn rows_are_named_by_layer_or_stage() {
        let few = ["conv1.weight", "layer2.0.downsample.0.weight"].map(str::to_owned);
        assert_eq!(row_labels(&few), [(0.0, "conv1".to_owned()), (1.0, "layer2.0.shortcut".to_owned())]);
        let many: Vec<String> = (0..20).map(|i| format!("layer{}.{i}.conv1.weight", i / 10)).collect();
        assert_eq!(row_labels(&many), [(4.5, "layer0".to_owned()), (14.5, "layer1".to_owned())]);
        let vgg: Vec<String> = (0..20).map(|i| format!("features.{i}.weight")).collect();
        assert_eq!(row_labels(&vgg).len(), 10);
    }
}
