//! A figure as one SVG with its axes, its legend and its marks, for a page and for a file. In the page it takes the page's colours;
//! an `.svg` file includes its colours, light and dark.

use maud::{Markup, PreEscaped, html};

use super::canvas::{Canvas, RAIL_HEIGHT, RAIL_LINE};
use super::figure::{Figure, Series, Shape};
use super::scale::Scale;
use crate::html::{THEME, without_control_characters};

/// Style sheet of all drawings; a page includes it once.
pub const DRAWING_STYLE: &str = concat!(include_str!("series.css"), include_str!("drawing.css"));

/// Width and height of the plot, in units that are pixels at full width. The other lengths have the same unit.
const PLOT: [f64; 2] = [600.0, 330.0];
/// Width to the left of the plot, for ticks and the name of the axis.
const LEFT: f64 = 84.0;
/// Height below the plot, for ticks and the name of the axis.
const BOTTOM: f64 = 52.0;
/// Height of the title in a file.
const TITLE: f64 = 34.0;
/// Height of a line of text.
const LINE: f64 = 19.0;
/// Average width of a character of the legend.
const CHARACTER: f64 = 6.9;

/// A label above the plot.
struct Label<'a> {
    row: usize,
    centre: f64,
    text: &'a str,
}

impl Figure {
    /// The content of the `.svg` file.
    pub fn file(&self) -> String {
        let [width, height, _] = self.size();
        let height = height + TITLE;
        let svg = html! {
            svg xmlns="http://www.w3.org/2000/svg" class="figure" viewBox={ "0 -" (TITLE) " " (width) " " (height) } width=(width)
                height=(height) {
                style { (PreEscaped(THEME)) (PreEscaped(DRAWING_STYLE)) }
                rect class="paper" y={ "-" (TITLE) } width="100%" height="100%" {}
                text class="title" x="8" y="-12" { (self.title) }
                (self.content())
            }
        };
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n", without_control_characters(svg.into_string()))
    }

    /// The figure as markup for a page.
    pub fn drawing(&self) -> Markup {
        let [width, height, _] = self.size();
        let (title, description) = (format!("{}-t", self.name), format!("{}-d", self.name));
        html! {
            figure.drawn id=(self.name) {
                figcaption { b { (self.title) } }
                div.scroll tabindex="0" role="group" aria-label="figure" {
                    svg class="figure" viewBox={ "0 0 " (width) " " (height) } style={ "max-width:" (width) "px" } role="img"
                        aria-labelledby={ (title) " " (description) } {
                        title id=(title) { (self.title) }
                        desc id=(description) { (self.description()) }
                        (self.content())
                    }
                }
                p.note { (self.caption) }
            }
        }
    }

    /// Everything inside the outer `<svg>`.
    fn content(&self) -> Markup {
        let [_, _, top] = self.size();
        let rail = if self.has_rail() { RAIL_HEIGHT } else { 0.0 };
        let plot =
            Canvas { x: self.x_scale(), y: self.y_scale(), width: PLOT[0], height: PLOT[1] - rail, per_unit: 10 };
        let bottom = top + PLOT[1];
        html! {
            @if self.has_rail() {
                rect class="band" x=(LEFT) y=(bottom - 2.0 * RAIL_LINE) width=(PLOT[0]) height=(2.0 * RAIL_LINE) {}
                text class="tick end" x=(LEFT - 8.0) y=(bottom - RAIL_LINE + 4.0) { "0" }
            }
            @for (at, text) in plot.y.ticks(6).into_iter().map(|(value, text)| (tenths(top + plot.top(value)), text)) {
                path class="grid" d={ "M" (LEFT) "," (at) "h" (PLOT[0]) } {}
                text class="tick end" x=(LEFT - 8.0) y=(tenths(at + 4.0)) { (text) }
            }
            @for (at, text) in plot.x.ticks(6).into_iter().map(|(value, text)| (tenths(LEFT + plot.left(value)), text)) {
                path class="grid" d={ "M" (at) "," (top) "v" (PLOT[1]) } {}
                text class="tick mid" x=(at) y=(bottom + 18.0) { (text) }
            }
            path class="axis" d={ "M" (LEFT) "," (top) "v" (PLOT[1]) "h" (PLOT[0]) } {}
            text class="name mid" x=(LEFT + PLOT[0] / 2.0) y=(bottom + 42.0) { (self.x.label) }
            text class="name mid" transform={ "translate(16," (top + PLOT[1] / 2.0) ") rotate(-90)" } { (self.y.label) }
            @for Label { row, centre, text } in self.labels_above(&plot.x) {
                text class="tick mid" x=(tenths(centre)) y=(top - 6.0 - row as f64 * LINE) { (text) }
            }
            // A nested SVG clips what is outside the plot.
            svg x=(LEFT) y=(top) width=(PLOT[0]) height=(PLOT[1]) viewBox={ "0 0 " (PLOT[0]) " " (PLOT[1]) } {
                (self.shapes(&plot))
            }
            @for (row, series) in self.named().into_iter().enumerate() {
                (legend(series, LEFT + PLOT[0] + 18.0, top + 8.0 + row as f64 * LINE))
            }
        }
    }

    fn shapes(&self, plot: &Canvas) -> Markup {
        let (has_rail, mut zeros) = (self.has_rail(), 0);
        let mut shape = |shape: &Shape| match shape {
            Shape::Line { points, has_dots } => {
                let thinned = plot.thin(points, has_rail);
                // Lines on the rail lie side by side.
                let rail_top = PLOT[1] - RAIL_LINE + f64::from(zeros % 4 - 1) * 3.5;
                zeros += i32::from(!thinned.zeros.is_empty());
                plot.line(&thinned, *has_dots, rail_top)
            }
            Shape::Raw(points) => plot.raw(&plot.thin(points, has_rail)),
            Shape::Scatter { points, is_small } => plot.scatter(points, *is_small),
            Shape::Band(bounds) => plot.band(bounds),
            Shape::Vertical(x) => html! { path d=(plot.vertical(*x, PLOT[1])) {} },
            Shape::Horizontal(y) => html! { path d=(plot.horizontal(*y)) {} },
        };
        html! { @for series in &self.series { g class=(series.style.classes()) { (shape(&series.shape)) } } }
    }

    /// Labels of the marked values of x, in as few rows as they fit into.
    fn labels_above(&self, x: &Scale) -> Vec<Label<'_>> {
        let marks = self.marks().map(|(value, text)| (LEFT + x.place(value) * PLOT[0], text));
        let mut marks: Vec<(f64, &str)> = marks.filter(|(at, _)| (LEFT..=LEFT + PLOT[0]).contains(at)).collect();
        marks.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut ends: Vec<f64> = Vec::new();
        let placed = marks.into_iter().map(|(centre, text)| {
            let half = text.chars().count() as f64 * CHARACTER / 2.0;
            let row = ends.iter().position(|end| *end + 8.0 < centre - half).unwrap_or(ends.len());
            ends.resize(ends.len().max(row + 1), 0.0);
            ends[row] = centre + half;
            Label { row, centre, text }
        });
        placed.collect()
    }

    /// Series that the legend names.
    fn named(&self) -> Vec<&Series> {
        let is_named = |series: &&Series| !series.label.is_empty() && !matches!(series.shape, Shape::Vertical(_));
        self.series.iter().filter(is_named).collect()
    }

    /// Width and height of the drawing, and distance of the plot from its top.
    fn size(&self) -> [f64; 3] {
        let rows = self.labels_above(&self.x_scale()).iter().map(|label| label.row + 1).max().unwrap_or(0);
        let top = 10.0 + rows as f64 * LINE;
        let named = self.named();
        let widest = named.iter().map(|series| series.label.chars().count()).max().unwrap_or(0);
        let legend = if named.is_empty() { 24.0 } else { 58.0 + widest as f64 * CHARACTER };
        let height = (top + PLOT[1] + BOTTOM).max(top + named.len() as f64 * LINE + 8.0);
        [(LEFT + PLOT[0] + legend).round(), height.round(), top]
    }
}

/// A line of the legend that begins at `left`; `middle` is its vertical centre.
fn legend(series: &Series, left: f64, middle: f64) -> Markup {
    let (line, dot) = (format!("M{left},{middle}h24"), format!("M{},{middle}h0", left + 12.0));
    let has_line = !matches!(series.shape, Shape::Scatter { .. } | Shape::Band(_));
    let has_dot = matches!(series.shape, Shape::Scatter { .. } | Shape::Line { has_dots: true, .. });
    html! {
        g class=(series.style.classes()) {
            @if matches!(series.shape, Shape::Band(_)) { path class="area" d={ "M" (left) "," (middle - 5.0) "h24v10h-24z" } {} }
            @if has_line { path d=(line) {} }
            @if has_dot { path class="dots" d=(dot) {} }
            text x=(left + 31.0) y=(middle + 4.0) { (series.label) }
        }
    }
}

/// Rounded to a tenth, for short numbers.
fn tenths(length: f64) -> f64 {
    (length * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Axis;

    fn figure() -> Figure {
        Figure::new("f", "A <title>", Axis::linear("step"), Axis::log("distance"))
            .line("k = 3", vec![(0.0, 1e-9), (10.0, 1.0)])
            .control("k = 2", vec![(0.0, 0.0), (10.0, 0.0)])
            .band("", vec![(0.0, 1e-3, 1e-2), (10.0, 1e-2, 1e-1)])
            .scatter("orbit", vec![(5.0, 0.1), (5.000_01, 0.1), (20.0, f64::NAN)])
            .vertical("bound", 5.0)
            .vertical("another bound", 5.5)
            .horizontal("2 at most", 2.0)
    }

    #[test]
    fn files_stand_alone_and_are_well_formed() {
        let file = figure().file();
        let document = roxmltree::Document::parse(&file).unwrap();
        assert!(file.contains("--c0") && file.contains("prefers-color-scheme"), "it includes its colours");
        let texts: Vec<&str> = document
            .descendants()
            .filter(|n| n.has_tag_name("text") || n.tag_name().name() == "text")
            .filter_map(|n| n.text())
            .collect();
        for text in
            ["A <title>", "step", "distance", "k = 3", "k = 2", "orbit", "bound", "another bound", "2 at most", "0"]
        {
            assert!(texts.contains(&text), "'{text}' is not drawn: {texts:?}");
        }
        roxmltree::Document::parse(&figure().drawing().into_string()).unwrap();
    }

    #[test]
    fn values_have_their_places() {
        let markup = figure().drawing().into_string();
        // From the lower left to the upper right of a plot of 20 steps and ten decades above its rail.
        assert!(markup.contains("M0,296l"), "{markup}");
        assert!(markup.contains("class=\"rail\" d=\"M0,315.5h"), "{markup}");
        assert_eq!(markup.matches("class=\"dots small\" d=\"M").count(), 1);
        let scattered = markup.split("dots small\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(scattered.matches('M').count(), 1, "two points of one place are drawn once: {scattered}");
    }

    #[test]
    fn labels_above_the_plot_do_not_overlap() {
        let figure = figure();
        let rows: Vec<usize> = figure.labels_above(&figure.x_scale()).iter().map(|label| label.row).collect();
        assert_eq!(rows, [0, 1]);
    }
}
