//! What charts and heat maps have around their plot: axes as HTML, whose text keeps its size.

use maud::{Markup, PreEscaped, html};
use serde_json::Value;

use super::scale::Scale;

/// What the script reads at the pointer.
pub enum Data<'a> {
    /// Values of curves, at the x of this axis.
    Curves(&'a Scale),
    /// Cells of a map: the steps of its columns and the names of its rows.
    Cells { steps: &'a [u64], rows: &'a [String] },
    /// The figure's [`readings`], at columns of equal width; so many fit into the plot.
    Columns(usize),
}

/// A plot with its axes.
pub struct Frame<'a> {
    /// Height of the plot in pixels.
    pub height: u32,
    /// The plot.
    pub svg: Markup,
    /// Labels of the horizontal axis, at places from 0 to 1.
    pub x: &'a [(f64, String)],
    /// Labels of the vertical axis, in pixels from the top.
    pub y: &'a [(f64, String)],
    /// Name of the horizontal axis.
    pub x_name: &'a str,
    /// Markup over the plot.
    pub marks: Markup,
    /// Markup to the right of the plot, if any.
    pub ends: Option<Markup>,
    /// What the script reads at the pointer.
    pub data: Data<'a>,
}

impl Frame<'_> {
    /// The plot with its axes as markup.
    pub fn markup(&self) -> Markup {
        let edge = |place: f64| match place {
            p if p < 0.02 => Some("first"),
            p if p > 0.98 => Some("last"),
            _ => None,
        };
        let (axis, cells, columns) = match self.data {
            Data::Curves(axis) => (Some(axis), None, None),
            Data::Cells { steps, rows } => {
                let steps = steps.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
                (None, Some((steps, rows.join(" "))), None)
            }
            Data::Columns(n) => (None, None, Some(n)),
        };
        html! {
            div.plot.labelled[self.ends.is_some()] style={ "--h:" (self.height) "px" } data-low=[axis.map(|axis| axis.low)]
                data-high=[axis.map(|axis| axis.high)] data-log=[axis.map(|axis| axis.is_log)]
                data-steps=[cells.as_ref().map(|(steps, _)| steps)] data-layers=[cells.as_ref().map(|(_, rows)| rows)]
                data-columns=[columns] {
                div.y aria-hidden="true" {
                    @for (top, text) in self.y { span style={ "top:" (format!("{top:.1}")) "px" } { (text) } }
                }
                div.area { (self.svg) (self.marks) i.cursor {} div.hit {} }
                @if let Some(ends) = &self.ends { div.ends { (ends) } }
                div.x-name aria-hidden="true" { (self.x_name) }
                div.x aria-hidden="true" {
                    @for (place, text) in self.x {
                        span class=[edge(*place)] style={ "left:" (format!("{:.2}", place * 100.0)) "%" } { (text) }
                    }
                }
            }
        }
    }
}

/// What the script reads at the pointer, as JSON in a script of its own.
pub fn readings(values: &Value) -> Markup {
    // XML and HTML read these characters differently inside a script.
    let text = values.to_string().replace('<', "\\u003c").replace('&', "\\u0026").replace('>', "\\u003e");
    html! { script type="application/json" { (PreEscaped(text)) } }
}

/// Places labels near `tops` without overlap, in a column of `height` pixels. `None` for a label that does not fit.
pub fn place_labels(tops: &[f64], height: f64) -> Vec<Option<f64>> {
    const APART: f64 = 15.0;
    let mut order: Vec<usize> = (0..tops.len()).collect();
    order.sort_by(|a, b| tops[*a].total_cmp(&tops[*b]));
    order.truncate((height / APART) as usize);
    let mut placed = vec![None; tops.len()];
    let mut lowest = f64::NEG_INFINITY;
    for &label in &order {
        lowest = tops[label].max(lowest + APART);
        placed[label] = Some(lowest);
    }
    let mut highest = height + APART;
    for &label in order.iter().rev() {
        highest = placed[label].unwrap_or(highest).min(highest - APART);
        placed[label] = Some(highest);
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::place_labels;

    #[test]
    fn labels_do_not_overlap() {
        let placed: Vec<f64> = place_labels(&[100.0, 101.0, 20.0, 99.0], 105.0).into_iter().flatten().collect();
        assert_eq!(placed, [90.0, 105.0, 20.0, 75.0]);
        let crowded = place_labels(&[50.0; 100], 150.0);
        assert_eq!(crowded.iter().flatten().count(), 10);
        assert!(crowded.iter().flatten().all(|top| (0.0..=150.0).contains(top)), "{crowded:?}");
    }
}
