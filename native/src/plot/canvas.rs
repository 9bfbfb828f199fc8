//! The plot area: values become coordinates, series become SVG paths.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use maud::{Markup, html};

use super::scale::Scale;
use super::thin::{Thinned, thin};

/// Distance in pixels of the rail's line from the bottom of the plot. The rail is twice as high.
pub const RAIL_LINE: f64 = 11.0;
/// Height in pixels of the rail and the gap above it.
pub const RAIL_HEIGHT: f64 = 34.0;

/// A plot area, in the units of an SVG.
pub struct Canvas {
    /// Horizontal axis.
    pub x: Scale,
    /// Vertical axis.
    pub y: Scale,
    /// Length of the horizontal axis.
    pub width: f64,
    /// Length of the vertical axis, without the rail.
    pub height: f64,
    /// Coordinates are rounded to whole units (1) or to tenths (10).
    pub per_unit: i64,
}

impl Canvas {
    /// Distance of a value of x from the left edge.
    pub fn left(&self, value: f64) -> f64 {
        self.x.place(value) * self.width
    }

    /// Distance of a value of y from the upper edge. Bounded, so that points far outside have short numbers.
    pub fn top(&self, value: f64) -> f64 {
        ((1.0 - self.y.place(value)) * self.height).clamp(-3.0 * self.height, 4.0 * self.height)
    }

    /// Thins points to what a screen can show. Zeros on a logarithmic axis are kept apart if there is a rail for them.
    pub fn thin(&self, points: &[(f64, f64)], has_rail: bool) -> Thinned {
        thin(points.iter().copied(), &self.x, has_rail)
    }

    fn round(&self, length: f64) -> i64 {
        (length * self.per_unit as f64).round() as i64
    }

    /// A rounded length as text.
    fn text(&self, rounded: i64) -> String {
        if self.per_unit == 1 { rounded.to_string() } else { (rounded as f64 / self.per_unit as f64).to_string() }
    }

    fn point(&self, (x, y): (f64, f64)) -> [i64; 2] {
        [self.round(self.left(x)), self.round(self.top(y))]
    }

    fn pair(&self, [x, y]: [i64; 2]) -> String {
        format!("{},{}", self.text(x), self.text(y))
    }

    /// A path through connected points, in relative coordinates, which are shorter.
    fn path<'a>(&self, lines: impl IntoIterator<Item = &'a Vec<(f64, f64)>>) -> String {
        let mut path = String::new();
        for line in lines {
            let mut before: Option<[i64; 2]> = None;
            for point in line.iter().map(|point| self.point(*point)) {
                let _ = match before {
                    None => write!(path, "M{}", self.pair(point)),
                    Some([x, y]) => write!(path, "l{}", self.pair([point[0] - x, point[1] - y])),
                };
                before = Some(point);
            }
        }
        path
    }

    /// A dot at each point.
    fn dots<'a>(&self, points: impl IntoIterator<Item = &'a (f64, f64)>) -> String {
        points.into_iter().map(|point| format!("M{}h0", self.pair(self.point(*point)))).collect()
    }

    /// A thinned line: its path, dots at its points if `has_dots` (else only at points that no line reaches), and its zeros on
    /// the rail, `rail_top` below the upper edge.
    pub fn line(&self, thinned: &Thinned, has_dots: bool, rail_top: f64) -> Markup {
        let path = self.path(&thinned.lines);
        let dots = self.dots(thinned.lines.iter().filter(|line| has_dots || line.len() == 1).flatten());
        let span = |&(from, to): &(f64, f64)| {
            let [from, to] = [from, to].map(|x| self.round(self.left(x)));
            format!("M{}h{}", self.pair([from, self.round(rail_top)]), self.text(to - from))
        };
        let rail: String = thinned.zeros.iter().map(span).collect();
        html! {
            @if !path.is_empty() { path d=(path) {} }
            @if !dots.is_empty() { path class="dots" d=(dots) {} }
            @if !rail.is_empty() { path class="rail" d=(rail) {} }
        }
    }

    /// A faint line.
    pub fn raw(&self, thinned: &Thinned) -> Markup {
        html! { path class="raw" d=(self.path(&thinned.lines)) {} }
    }

    /// Dots without lines. Those of the same half unit are drawn once, so that a diagram of a million points stays small.
    pub fn scatter(&self, points: &[(f64, f64)], is_small: bool) -> Markup {
        let is_inside = |scale: &Scale, value: f64| (0.0..=1.0).contains(&scale.place(value));
        let inside = points.iter().filter(|(x, y)| is_inside(&self.x, *x) && is_inside(&self.y, *y));
        let halves = inside.map(|&(x, y)| ((self.left(x) * 2.0).round() as i32, (self.top(y) * 2.0).round() as i32));
        let places: BTreeSet<(i32, i32)> = halves.collect();
        let dot = |(x, y): (i32, i32)| format!("M{},{}h0", f64::from(x) / 2.0, f64::from(y) / 2.0);
        let path: String = places.into_iter().map(dot).collect();
        html! { path class=(if is_small { "dots small" } else { "dots" }) d=(path) {} }
    }

    /// The area between two values at each x.
    pub fn band(&self, bounds: &[(f64, f64, f64)]) -> Markup {
        let there = bounds.iter().map(|&(x, _, high)| (x, high));
        let back = bounds.iter().rev().map(|&(x, low, _)| (x, low));
        let outline: Vec<(f64, f64)> = there.chain(back).collect();
        html! { @if !outline.is_empty() { path class="area" d={ (self.path([&outline])) "z" } {} } }
    }

    /// A vertical line across a plot of this height.
    pub fn vertical(&self, x: f64, height: f64) -> String {
        format!("M{},0v{height}", self.text(self.round(self.left(x))))
    }

    /// A horizontal line across the plot.
    pub fn horizontal(&self, y: f64) -> String {
        format!("M0,{}h{}", self.text(self.round(self.top(y))), self.width)
    }
}
