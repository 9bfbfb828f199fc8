//! Figures of a reproduction: each is one drawing with its axes, its legend and the theory's lines, used twice. In the
//! page it takes the page's colours; an `.svg` file includes its colours, light and dark.
//!
//! ```text
//! Figure::new("fig4-left", "Loss against the iteration", Axis::linear("iteration"), Axis::log("loss"))
//!     .line("dt 0.01", points)                       // connected points, x rising; NaN interrupts
//!     .scatter("orbit", points)                      // many small points, as in a bifurcation diagram
//!     .band("quartiles", bounds)                     // (x, low, high), in the colour of the next line
//!     .vertical("first doubling: 0.0323", 0.0323)    // a theory's line, with its label above the plot
//!     .horizontal("fixed point: 0.2915", 0.2915)     // the same for y, named in the legend
//!     .caption("What to see in it.")
//! ```

mod drawing;
mod plot;

use crate::report::THEME;
use crate::report::charts::Scale;
use crate::report::html::escape;

/// Style sheet of all drawings; a page includes it once.
pub const STYLE: &str = include_str!("figure/figure.css");

/// Width and height of the plot, in units that are pixels at full width. The other lengths have the same unit.
const PLOT: [f64; 2] = [600.0, 330.0];
/// Width to the left of the plot, for ticks and the name of the axis.
const LEFT: f64 = 84.0;
/// Height below the plot, for ticks and the name of the axis.
const BOTTOM: f64 = 52.0;
/// Height of a line of text.
const LINE: f64 = 19.0;
/// Average width of a character of the legend.
const CHARACTER: f64 = 6.9;
/// Height of the strip under a logarithmic axis on which zeros are drawn, with the gap above it.
const RAIL: f64 = 30.0;
/// Number of colours. Further series reuse them with other dashes.
const COLOURS: usize = 6;

/// An axis: its name with its unit, its kind, and its ends if they are not taken from the data.
#[derive(Clone, Debug)]
pub struct Axis {
    label: String,
    is_log: bool,
    ends: Option<(f64, f64)>,
}

impl Axis {
    /// A linear axis.
    pub fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), is_log: false, ends: None }
    }

    /// A logarithmic axis. Zeros on a vertical one are drawn on a rail below it.
    pub fn log(label: impl Into<String>) -> Self {
        Self { label: label.into(), is_log: true, ends: None }
    }

    /// The axis with these ends.
    pub fn between(self, low: f64, high: f64) -> Self {
        Self { ends: Some((low, high)), ..self }
    }

    fn scale(&self, values: impl Iterator<Item = f64>) -> Scale {
        match (self.ends, self.is_log) {
            (Some((low, high)), true) => Scale::log(low, high),
            (Some((low, high)), false) => Scale::linear(low, high),
            (None, true) => Scale::decades(values).unwrap_or_else(|| Scale::log(0.1, 1.0)),
            (None, false) => Scale::around(values),
        }
    }
}

/// Content of a series.
#[derive(Clone, Debug)]
enum Layer {
    Line { points: Vec<(f64, f64)>, is_dotted: bool },
    Scatter { points: Vec<(f64, f64)>, is_small: bool },
    Band(Vec<(f64, f64, f64)>),
    Vertical(f64),
    Horizontal(f64),
}

#[derive(Clone, Debug)]
struct Series {
    label: String,
    /// CSS classes.
    style: String,
    layer: Layer,
}

/// A figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Name of its file, without `.svg`.
    pub name: String,
    /// Title: what is drawn.
    pub title: String,
    /// Caption: what to see in the figure.
    pub caption: String,
    x: Axis,
    y: Axis,
    series: Vec<Series>,
    /// Number of colours used so far.
    coloured: usize,
}

impl Figure {
    /// A figure without series.
    pub fn new(name: impl Into<String>, title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self { name: name.into(), title: title.into(), caption: String::new(), x, y, series: Vec::new(), coloured: 0 }
    }

    /// Sets the caption: what to see in the figure, in one or two sentences.
    pub fn caption(mut self, text: impl Into<String>) -> Self {
        self.caption = text.into();
        self
    }

    /// Adds a line through points in the order of x, in the next colour.
    pub fn line(self, label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        let style = self.colour();
        self.with(label, style, Layer::Line { points, is_dotted: false }).counted()
    }

    /// Adds a line with a dot at each point, for few points.
    pub fn dotted_line(self, label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        let style = self.colour();
        self.with(label, style, Layer::Line { points, is_dotted: true }).counted()
    }

    /// Adds a line that others are compared with, in the colour of the text.
    pub fn reference(self, label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.with(label, "ref".to_owned(), Layer::Line { points, is_dotted: false })
    }

    /// Adds a theoretical curve, dashed.
    pub fn theory(self, label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.with(label, "theory".to_owned(), Layer::Line { points, is_dotted: false })
    }

    /// Adds the line of a null control, grey.
    pub fn control(self, label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.with(label, "ctl".to_owned(), Layer::Line { points, is_dotted: false })
    }

    /// Adds small points without a line, in the next colour.
    pub fn scatter(self, label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        let style = self.colour();
        self.with(label, style, Layer::Scatter { points, is_small: true }).counted()
    }

    /// Adds large points without a line, in the next colour.
    pub fn dots(self, label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        let style = self.colour();
        self.with(label, style, Layer::Scatter { points, is_small: false }).counted()
    }

    /// Adds an area between two values at each x, in the colour of the next line.
    pub fn band(self, label: impl Into<String>, bounds: Vec<(f64, f64, f64)>) -> Self {
        let style = self.colour();
        self.with(label, style, Layer::Band(bounds))
    }

    /// Marks a theoretical value of x by a vertical line.
    pub fn vertical(self, label: impl Into<String>, x: f64) -> Self {
        self.with(label, "theory".to_owned(), Layer::Vertical(x))
    }

    /// Marks a theoretical value of y by a horizontal line.
    pub fn horizontal(self, label: impl Into<String>, y: f64) -> Self {
        self.with(label, "theory".to_owned(), Layer::Horizontal(y))
    }

    fn with(mut self, label: impl Into<String>, style: String, layer: Layer) -> Self {
        self.series.push(Series { label: label.into(), style, layer });
        self
    }

    fn colour(&self) -> String {
        format!("c{} d{}", self.coloured % COLOURS, self.coloured / COLOURS % 3)
    }

    fn counted(mut self) -> Self {
        self.coloured += 1;
        self
    }

    /// The content of the `.svg` file.
    pub fn file(&self) -> String {
        let [width, height, _] = self.size();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"figure\" \
             viewBox=\"0 -34 {width:.0} {1:.0}\" width=\"{width:.0}\" height=\"{1:.0}\">\n<style>\n{THEME}{STYLE}</style>\n\
             <rect class=\"paper\" y=\"-34\" width=\"100%\" height=\"100%\"/><text class=\"title\" x=\"8\" y=\"-12\">{0}</text>{2}</svg>\n",
            escape(&self.title),
            height + 34.0,
            self.drawing(),
        )
    }

    /// The figure as markup for the page.
    pub fn markup(&self) -> String {
        let [width, height, _] = self.size();
        format!(
            "<figure class=\"drawn\" id=\"{0}\"><figcaption><b>{1}</b></figcaption>\n<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"figure\"><svg class=\"figure\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" style=\"max-width:{width:.0}px\" role=\"img\" aria-labelledby=\"{0}-t {0}-d\">\
             <title id=\"{0}-t\">{1}</title><desc id=\"{0}-d\">{2}</desc>{3}</svg></div>\n<p class=\"note\">{4}</p></figure>\n",
            escape(&self.name),
            escape(&self.title),
            escape(if self.caption.is_empty() { &self.title } else { &self.caption }),
            self.drawing(),
            escape(&self.caption),
        )
    }

    fn points(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.series.iter().flat_map(|series| -> Box<dyn Iterator<Item = (f64, f64)>> {
            match &series.layer {
                Layer::Line { points, .. } | Layer::Scatter { points, .. } => Box::new(points.iter().copied()),
                Layer::Band(bounds) => Box::new(bounds.iter().flat_map(|&(x, low, high)| [(x, low), (x, high)])),
                Layer::Vertical(x) => Box::new(std::iter::once((*x, f64::NAN))),
                Layer::Horizontal(y) => Box::new(std::iter::once((f64::NAN, *y))),
            }
        })
    }

    /// True if the vertical axis is logarithmic and a value is zero, which only the rail can show.
    fn has_rail(&self) -> bool {
        self.y.is_log && self.points().any(|(_, y)| y == 0.0)
    }

    /// Labels of the vertical lines, above the plot: row, centre and series of each.
    fn above(&self, x: &Scale) -> Vec<(usize, f64, &Series)> {
        let mut marks: Vec<(f64, &Series)> = self
            .series
            .iter()
            .filter_map(|series| match series.layer {
                Layer::Vertical(value) => Some((LEFT + x.place(value) * PLOT[0], series)),
                _ => None,
            })
            .filter(|(at, _)| (LEFT..=LEFT + PLOT[0]).contains(at))
            .collect();
        marks.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut ends: Vec<f64> = Vec::new();
        let placed = marks.into_iter().map(|(at, series)| {
            let half = series.label.chars().count() as f64 * CHARACTER / 2.0;
            let row = ends.iter().position(|end| *end + 8.0 < at - half).unwrap_or(ends.len());
            ends.resize(ends.len().max(row + 1), 0.0);
            ends[row] = at + half;
            (row, at, series)
        });
        placed.collect()
    }

    /// Series that the legend names.
    fn named(&self) -> Vec<&Series> {
        let is_named = |series: &&Series| !series.label.is_empty() && !matches!(series.layer, Layer::Vertical(_));
        self.series.iter().filter(is_named).collect()
    }

    /// Width and height of the drawing, and distance of the plot from its top.
    fn size(&self) -> [f64; 3] {
        let x = self.x.scale(self.points().map(|(x, _)| x));
        let rows = self.above(&x).iter().map(|(row, ..)| row + 1).max().unwrap_or(0);
        let top = 10.0 + rows as f64 * LINE;
        let named = self.named();
        let widest = named.iter().map(|series| series.label.chars().count()).max().unwrap_or(0);
        let legend = if named.is_empty() { 24.0 } else { 58.0 + widest as f64 * CHARACTER };
        let height = (top + PLOT[1] + BOTTOM).max(top + named.len() as f64 * LINE + 8.0);
        [LEFT + PLOT[0] + legend, height, top]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        roxmltree::Document::parse(&figure().markup()).unwrap();
    }

    #[test]
    fn values_have_their_places() {
        let markup = figure().markup();
        // From the lower left to the upper right of a plot of 20 steps and ten decades above its rail.
        assert!(markup.contains("M0.0,300.0L"), "{markup}");
        assert!(markup.contains("class=\"rail\" d=\"M0.0,315.0h"), "{markup}");
        assert_eq!(markup.matches("class=\"dots small\" d=\"M").count(), 1);
        let scattered = markup.split("dots small\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(scattered.matches('M').count(), 1, "two points of one place are drawn once: {scattered}");
    }

    #[test]
    fn labels_above_the_plot_do_not_overlap() {
        let figure = figure();
        let x = figure.x.scale(figure.points().map(|(x, _)| x));
        let rows: Vec<usize> = figure.above(&x).iter().map(|(row, ..)| *row).collect();
        assert_eq!(rows, [0, 1]);
    }
}
