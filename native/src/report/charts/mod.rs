//! Charts. Only lines and areas are SVG, stretched to the available width; all text around them is HTML, which keeps its size
//! on any screen. Heights are in CSS pixels, SVG units are tenths of them.

mod heatmap;
mod lines;
pub mod palette;
mod scale;
mod thin;

pub use heatmap::heatmap;
pub use lines::{Chart, Curve, Panel};
pub use scale::Scale;
pub use thin::{Thinned, moving_mean, readable_lines, thin};

use super::data::RunData;
use super::html::escape;

/// Number of colours for replicas that are neither the first nor a control. Further replicas reuse them with other dashes.
const COLOURS: usize = 6;

/// CSS classes of a replica, the same in every chart.
pub fn style_of(run: &RunData, replica: usize) -> String {
    if replica == 0 {
        return "ref".to_owned();
    }
    match run.others().iter().position(|other| *other == replica) {
        Some(index) => {
            let colour = run.first_colour + index;
            format!("c{} d{}", colour % COLOURS, colour / COLOURS % 3)
        }
        None => "ctl".to_owned(),
    }
}

/// The mark before a label, so that replicas can be distinguished without colour.
fn mark_of(style: &str) -> char {
    match style.split_once(' ').map_or(style, |(colour, _)| colour) {
        "ref" => '●',
        "ctl" => '○',
        "c0" => '■',
        "c1" => '▲',
        "c2" => '◆',
        "c3" => '▼',
        "c4" => '★',
        _ => '✚',
    }
}

/// A plot with its axes. Labels of `x` have places from 0 to 1, those of `y` are in pixels from the top.
struct Frame<'a> {
    height: u32,
    svg: &'a str,
    x: &'a [(f64, String)],
    y: &'a [(f64, String)],
    /// Name of the horizontal axis.
    x_name: &'a str,
    /// Markup over the plot.
    marks: &'a str,
    /// Markup to the right of the plot, if any.
    ends: Option<&'a str>,
    /// Data attributes for the script.
    data: &'a str,
}

impl Frame<'_> {
    fn markup(&self) -> String {
        let x = self.x.iter().map(|(place, text)| {
            let edge = match place {
                p if *p < 0.02 => " class=\"first\"",
                p if *p > 0.98 => " class=\"last\"",
                _ => "",
            };
            format!("<span{edge} style=\"left:{:.2}%\">{}</span>", place * 100.0, escape(text))
        });
        let y = self.y.iter().map(|(top, text)| format!("<span style=\"top:{top:.1}px\">{}</span>", escape(text)));
        let ends = self.ends.map_or_else(String::new, |ends| format!("<div class=\"ends\">{ends}</div>"));
        format!(
            "<div class=\"plot{}\" style=\"--h:{}px\" {}><div class=\"y\" aria-hidden=\"true\">{}</div>\
             <div class=\"area\">{}{}<i class=\"cursor\"></i><div class=\"hit\"></div></div>{ends}\
             <div class=\"x-name\" aria-hidden=\"true\">{}</div>\
             <div class=\"x\" aria-hidden=\"true\">{}</div></div>\n",
            if self.ends.is_some() { " labelled" } else { "" },
            self.height,
            self.data,
            y.collect::<String>(),
            self.svg,
            self.marks,
            self.x_name,
            x.collect::<String>(),
        )
    }
}

/// Places labels near `tops` without overlap, in a column of `height` pixels. `None` for a label that does not fit.
fn spread(tops: &[f64], height: f64) -> Vec<Option<f64>> {
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
    use super::spread;

    #[test]
    fn labels_do_not_overlap() {
        let placed: Vec<f64> = spread(&[100.0, 101.0, 20.0, 99.0], 105.0).into_iter().flatten().collect();
        assert_eq!(placed, [90.0, 105.0, 20.0, 75.0]);
        let crowded = spread(&[50.0; 100], 150.0);
        assert_eq!(crowded.iter().flatten().count(), 10);
        assert!(crowded.iter().flatten().all(|top| (0.0..=150.0).contains(top)), "{crowded:?}");
    }
}
