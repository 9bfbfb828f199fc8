//! Heat maps of step by layer: where in a network, and when, a quantity grows.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use maud::{Markup, html};

use super::frame::{Data, Frame};
use super::palette::LEVELS;
use super::scale::Scale;
use super::style::Style;
use crate::numbers::{number, thousands};

/// With more layers than this, only stages are named.
const NAMED_ROWS: usize = 13;

/// With at least this many columns, an axis has labels between its ends.
const MANY_COLUMNS: usize = 50;

/// A map of one quantity: a column for each step, a row for each layer.
pub struct HeatMap<'a> {
    /// HTML id, unique in the page.
    pub id: String,
    /// Title above the map: whose values it shows.
    pub label: String,
    /// Colour of the title.
    pub style: Style,
    /// What is shown, for readers who cannot see the map.
    pub quantity: &'a str,
    /// Names of the layers from the input to the output.
    pub layers: &'a [String],
    /// Step of each column, rising.
    pub steps: Vec<u64>,
    /// `[column][layer]`: values; a column may be empty.
    pub values: Vec<&'a [f32]>,
}

impl HeatMap<'_> {
    /// The map as markup. Its colours are those of [`super::heat_style`].
    pub fn markup(&self, scale: &Scale) -> Markup {
        let (n_columns, n_rows) = (self.steps.len(), self.layers.len());
        let (title, description) = (format!("{}-t", self.id), format!("{}-d", self.id));
        let [first, last] = [self.steps.first(), self.steps.last()].map(|step| step.copied().unwrap_or(0));
        let svg = html! {
            svg viewBox={ "0 0 " (n_columns) " " (n_rows) } preserveAspectRatio="none" shape-rendering="crispEdges" role="img"
                aria-labelledby={ (title) " " (description) } {
                title id=(title) { (self.label) ": " (self.quantity) " by step and layer" }
                desc id=(description) {
                    (n_rows) " layers from top (input) to bottom (output), steps " (first) " to " (last)
                    " from left to right. At the last step the distances of the layers "
                    (ends_of(self.values.last().copied().unwrap_or_default())) "."
                }
                @for (level, path) in self.paths(scale) { (cells(level, &path, scale)) }
            }
        };
        let row_height = (260.0 / n_rows as f64).clamp(4.0, 16.0);
        let height = (row_height * n_rows as f64).round().max(24.0);
        let labels = row_labels(self.layers).into_iter();
        let y: Vec<(f64, String)> = labels.map(|(row, text)| ((row + 0.5) * height / n_rows as f64, text)).collect();
        let frame = Frame {
            height: height as u32,
            svg,
            x: &step_labels(&self.steps, n_columns),
            y: &y,
            x_name: "step",
            marks: html! {},
            ends: None,
            data: Data::Cells { steps: &self.steps, rows: self.layers },
        };
        html! {
            figure.chart.map id=(self.id) {
                figcaption {
                    b class=(self.style.classes()) { i { (self.style.mark()) } " " (self.label) }
                    output aria-live="off" {}
                }
                (frame.markup())
            }
        }
    }

    /// SVG paths of the cells of each level. A cell without a value keeps the background colour.
    fn paths(&self, scale: &Scale) -> BTreeMap<Option<usize>, String> {
        let mut paths: BTreeMap<Option<usize>, String> = BTreeMap::new();
        for row in 0..self.layers.len() {
            let at = |column: &[f32]| column.get(row).map(|value| level(*value, scale));
            let mut from = 0;
            for cells in self.values.chunk_by(|a, b| at(a) == at(b)) {
                let width = cells.len();
                if let Some(level) = at(cells[0]) {
                    let _ = write!(paths.entry(level).or_default(), "M{from},{row}h{width}v1h-{width}z");
                }
                from += width;
            }
        }
        paths
    }

    /// The colours and what they stand for.
    pub fn legend(scale: &Scale) -> Markup {
        html! {
            div.legend aria-hidden="true" {
                div.zero { i.h0 {} span { "0" } }
                div.ramp {
                    div.cells { @for level in 1..=LEVELS { i class={ "h" (level) } {} } }
                    @for (value, text) in scale.ticks(5) {
                        span style={ "left:" (format!("{:.1}", scale.place(value) * 100.0)) "%" } { (text) }
                    }
                }
            }
        }
    }
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

/// The cells of a level.
fn cells(level: Option<usize>, path: &str, scale: &Scale) -> Markup {
    let (class, value) = match level {
        None => ("nan".to_owned(), "not finite".to_owned()),
        Some(0) => ("h0".to_owned(), "0".to_owned()),
        Some(level) => {
            let value = scale.low * (scale.high / scale.low).powf((level as f64 - 1.0) / (LEVELS - 1) as f64);
            (format!("h{level}"), format!("about {}", number(value)))
        }
    };
    html! { path class=(class) data-v=(value) d=(path) {} }
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

/// Labels of round steps, each under the middle of its column, not too close to each other. If many columns contain no round step,
/// because a long run was thinned, some of them are labelled with the steps that they have. The plot has room for `n_columns`.
pub fn step_labels(steps: &[u64], n_columns: usize) -> Vec<(f64, String)> {
    let n = n_columns as f64;
    let is_round = |step: u64| {
        let power = 10u64.pow(step.max(1).ilog10());
        step.is_multiple_of(power) && matches!(step / power, 1 | 2 | 5)
    };
    let mut labels: Vec<(f64, String)> = Vec::new();
    for (index, &step) in steps.iter().enumerate() {
        let place = (index as f64 + 0.5) / n;
        let is_far = labels.last().is_none_or(|(last, _)| place - last > 0.1);
        if is_far && (index == 0 || is_round(step)) {
            labels.push((place, thousands(step)));
        }
    }
    if labels.len() == 1 && steps.len() >= MANY_COLUMNS {
        let evenly = (1..5).map(|fifth| fifth * steps.len() / 5);
        labels.extend(evenly.map(|index| ((index as f64 + 0.5) / n, thousands(steps[index]))));
    }
    if let Some(&last) = steps.last().filter(|_| steps.len() > 1) {
        let place = (steps.len() as f64 - 0.5) / n;
        labels.retain(|(at, _)| place - at > 0.12);
        labels.push((place, thousands(last)));
    }
    labels
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
    fn steps_have_labels_between_the_ends_also_in_a_thinned_run() {
        let labels = |steps: Vec<u64>, n_columns: usize| -> Vec<String> {
            step_labels(&steps, n_columns).into_iter().map(|(_, text)| text).collect()
        };
        assert_eq!(labels((1..=20).collect(), 20), ["1", "5", "10", "20"]);
        assert_eq!(labels((1..=10).collect(), 24), ["1", "5", "10"]);
        assert_eq!(labels((0..250).map(|i| 4 * i + 1).collect(), 250), ["1", "201", "401", "601", "801", "997"]);
        let last = step_labels(&[1, 2, 3], 24).pop();
        assert_eq!(last, Some((2.5 / 24.0, "3".to_owned())));
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
