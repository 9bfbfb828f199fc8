//! The drawing of a figure: rail, grid, axes, labels above the plot, series, legend.

use std::fmt::Write as _;

use super::plot::Plot;
use super::{Figure, LEFT, LINE, Layer, PLOT, RAIL};
use crate::report::html::escape;

impl Figure {
    /// Everything inside the outer `<svg>`.
    pub(super) fn drawing(&self) -> String {
        let [_, _, top] = self.size();
        let (x, y) = (self.x.scale(self.points().map(|(x, _)| x)), self.y.scale(self.points().map(|(_, y)| y)));
        let plot = Plot { x, y, height: PLOT[1] - if self.has_rail() { RAIL } else { 0.0 } };
        let mut svg = String::new();
        let bottom = top + PLOT[1];
        if self.has_rail() {
            let _ = write!(
                svg,
                "<rect class=\"band\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{}\" height=\"20\"/><text class=\"tick end\" x=\"{}\" y=\"{:.1}\">0</text>",
                bottom - 20.0,
                PLOT[0],
                LEFT - 8.0,
                bottom - 6.0
            );
        }
        for (value, text) in plot.y.ticks(6) {
            let at = top + plot.top(value);
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT},{at:.1}h{}\"/><text class=\"tick end\" x=\"{}\" y=\"{:.1}\">{}</text>",
                PLOT[0],
                LEFT - 8.0,
                at + 4.0,
                escape(text)
            );
        }
        for (value, text) in plot.x.ticks(6) {
            let at = LEFT + plot.left(value);
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{at:.1},{top:.1}v{}\"/><text class=\"tick mid\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
                PLOT[1],
                bottom + 18.0,
                escape(text)
            );
        }
        let _ = write!(
            svg,
            "<path class=\"axis\" d=\"M{LEFT},{top:.1}v{}h{}\"/><text class=\"name mid\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\
             <text class=\"name mid\" transform=\"translate(16,{:.1}) rotate(-90)\">{}</text>",
            PLOT[1],
            PLOT[0],
            LEFT + PLOT[0] / 2.0,
            bottom + 42.0,
            escape(&self.x.label),
            top + PLOT[1] / 2.0,
            escape(&self.y.label),
        );
        for (row, at, series) in self.above(&plot.x) {
            let _ = write!(
                svg,
                "<text class=\"tick mid\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
                top - 6.0 - row as f64 * LINE,
                escape(&series.label)
            );
        }
        // A nested SVG clips what is outside the plot.
        let _ = write!(
            svg,
            "<svg x=\"{LEFT}\" y=\"{top:.1}\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\">",
            PLOT[0], PLOT[1]
        );
        let mut zeros = 0;
        for series in &self.series {
            let _ = write!(svg, "<g class=\"{}\">{}</g>", series.style, plot.layer(&series.layer, &mut zeros));
        }
        svg += "</svg>";
        for (row, series) in self.named().into_iter().enumerate() {
            let (left, middle) = (LEFT + PLOT[0] + 18.0, top + 8.0 + row as f64 * LINE);
            let sample = match series.layer {
                Layer::Scatter { .. } => format!("<path class=\"dots\" d=\"M{:.1},{middle:.1}h0\"/>", left + 12.0),
                Layer::Band(_) => {
                    format!("<path class=\"area\" d=\"M{left:.1},{:.1}h24v10h-24z\"/>", middle - 5.0)
                }
                Layer::Line { is_dotted: true, .. } => format!(
                    "<path d=\"M{left:.1},{middle:.1}h24\"/><path class=\"dots\" d=\"M{:.1},{middle:.1}h0\"/>",
                    left + 12.0
                ),
                _ => format!("<path d=\"M{left:.1},{middle:.1}h24\"/>"),
            };
            let _ = write!(
                svg,
                "<g class=\"{}\">{sample}<text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
                series.style,
                left + 31.0,
                middle + 4.0,
                escape(&series.label)
            );
        }
        svg
    }
}
