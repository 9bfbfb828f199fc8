//! SVG paths of the series of a plot.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Layer, PLOT};
use crate::report::charts::{Scale, Thinned, thin};

/// A plot: its axes and its height.
pub struct Plot {
    /// Horizontal axis.
    pub x: Scale,
    /// Vertical axis.
    pub y: Scale,
    /// Height of the vertical axis, without the rail.
    pub height: f64,
}

impl Plot {
    /// Distance of a value of x from the left edge.
    pub fn left(&self, value: f64) -> f64 {
        self.x.place(value) * PLOT[0]
    }

    /// Distance of a value of y from the upper edge. Bounded, so that points far outside have short numbers.
    pub fn top(&self, value: f64) -> f64 {
        ((1.0 - self.y.place(value)) * self.height).clamp(-100.0, 2.0 * PLOT[1])
    }

    fn at(&self, (x, y): (f64, f64)) -> String {
        format!("{:.1},{:.1}", self.left(x), self.top(y))
    }

    /// Paths of a layer; `zeros` counts the lines on the rail.
    pub(super) fn layer(&self, layer: &Layer, zeros: &mut usize) -> String {
        match layer {
            Layer::Line { points, is_dotted } => self.line(points, *is_dotted, zeros),
            Layer::Scatter { points, is_small } => {
                let class = if *is_small { "dots small" } else { "dots" };
                format!("<path class=\"{class}\" d=\"{}\"/>", self.scatter(points))
            }
            Layer::Band(bounds) => {
                let there = bounds.iter().map(|&(x, _, high)| self.at((x, high)));
                let back = bounds.iter().rev().map(|&(x, low, _)| self.at((x, low)));
                let corners: Vec<String> = there.chain(back).collect();
                if corners.is_empty() {
                    String::new()
                } else {
                    format!("<path class=\"area\" d=\"M{}z\"/>", corners.join("L"))
                }
            }
            Layer::Vertical(x) => format!("<path d=\"M{:.1},0v{}\"/>", self.left(*x), PLOT[1]),
            Layer::Horizontal(y) => format!("<path d=\"M0,{:.1}h{}\"/>", self.top(*y), PLOT[0]),
        }
    }

    fn line(&self, points: &[(f64, f64)], is_dotted: bool, zeros: &mut usize) -> String {
        let Thinned { lines, zeros: spans } = thin(points.iter().copied(), &self.x, self.y.is_log);
        let joined = |line: &Vec<(f64, f64)>| {
            let corners: Vec<String> = line.iter().map(|point| self.at(*point)).collect();
            format!("M{}", corners.join("L"))
        };
        let path: String = lines.iter().map(joined).collect();
        let mut svg = if path.is_empty() { path } else { format!("<path d=\"{path}\"/>") };
        // A single point has no line and is drawn as a dot.
        let alone = |line: &&Vec<(f64, f64)>| is_dotted || line.len() == 1;
        let dots: String =
            lines.iter().filter(alone).flatten().map(|point| format!("M{}h0", self.at(*point))).collect();
        if !dots.is_empty() {
            let _ = write!(svg, "<path class=\"dots\" d=\"{dots}\"/>");
        }
        if !spans.is_empty() {
            let top = PLOT[1] - 15.0 + (*zeros % 4) as f64 * 3.5;
            *zeros += 1;
            let span = |(from, to): &(f64, f64)| {
                format!("M{:.1},{top:.1}h{:.1}", self.left(*from), self.left(*to) - self.left(*from))
            };
            let _ = write!(svg, "<path class=\"rail\" d=\"{}\"/>", spans.iter().map(span).collect::<String>());
        }
        svg
    }

    /// Draws each half pixel that contains points once, so that a diagram of a million points stays small.
    fn scatter(&self, points: &[(f64, f64)]) -> String {
        let inside = points
            .iter()
            .filter(|(x, y)| (0.0..=1.0).contains(&self.x.place(*x)) && (0.0..=1.0).contains(&self.y.place(*y)));
        let halves = inside.map(|&(x, y)| ((self.left(x) * 2.0).round() as i32, (self.top(y) * 2.0).round() as i32));
        let places: BTreeSet<(i32, i32)> = halves.collect();
        places.into_iter().map(|(x, y)| format!("M{},{}h0", f64::from(x) / 2.0, f64::from(y) / 2.0)).collect()
    }
}
