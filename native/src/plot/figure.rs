//! What a figure shows.
//!
//! ```text
//! Figure::new("fig4-left", "Loss against the iteration", Axis::linear("iteration"), Axis::log("loss"))
//!     .line("dt 0.01", points)                       // connected points, x rising; NaN interrupts
//!     .scatter("orbit", points)                      // many small points, as in a bifurcation diagram
//!     .band("quartiles", bounds)                     // (x, low, high), in the colour of the next line
//!     .vertical("first doubling: 0.0323", 0.0323)    // a marked value of x
//!     .horizontal("fixed point: 0.2915", 0.2915)     // a theoretical value of y
//!     .caption("What to see in it.")
//! ```

use super::scale::Scale;
use super::style::Style;

/// An axis: its name with its unit, its kind, and its ends if they are not taken from the data.
#[derive(Clone, Debug)]
pub struct Axis {
    pub(super) label: String,
    is_log: bool,
    ends: Option<(f64, f64)>,
    keeps_rail: bool,
}

impl Axis {
    /// A linear axis.
    pub fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), is_log: false, ends: None, keeps_rail: false }
    }

    /// A logarithmic axis. If the values of a vertical one contain zeros, they are drawn on a rail below it.
    pub fn log(label: impl Into<String>) -> Self {
        Self { is_log: true, ..Self::linear(label) }
    }

    /// An axis with this scale.
    pub fn scaled(label: impl Into<String>, scale: Scale) -> Self {
        Self { is_log: scale.is_log, ..Self::linear(label) }.between(scale.low, scale.high)
    }

    /// The axis with these ends.
    pub fn between(self, low: f64, high: f64) -> Self {
        Self { ends: Some((low, high)), ..self }
    }

    /// The axis with a rail for zeros, whether there are any or not.
    pub fn with_rail(self) -> Self {
        Self { keeps_rail: true, ..self }
    }

    pub(super) fn scale(&self, values: impl Iterator<Item = f64>) -> Scale {
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
pub(super) enum Shape {
    Line {
        points: Vec<(f64, f64)>,
        has_dots: bool,
    },
    /// A line drawn faintly, without a label: the values that the next line is the moving mean of.
    Raw(Vec<(f64, f64)>),
    Scatter {
        points: Vec<(f64, f64)>,
        is_small: bool,
    },
    Band(Vec<(f64, f64, f64)>),
    Vertical(f64),
    Horizontal(f64),
}

#[derive(Clone, Debug)]
pub(super) struct Series {
    pub label: String,
    pub style: Style,
    pub shape: Shape,
}

/// A part of a chart with its own range of x.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Caption above the panel; may be empty.
    pub caption: String,
    /// Horizontal axis.
    pub x: Scale,
    /// Width relative to the other panels.
    pub share: u32,
}

/// A figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Its HTML id, and the name of its file without `.svg`.
    pub name: String,
    /// Title: what is drawn.
    pub title: String,
    /// Caption: what to see in the figure.
    pub caption: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) series: Vec<Series>,
    pub(super) panels: Vec<Panel>,
    /// Number of colours used so far.
    coloured: usize,
}

impl Figure {
    /// A figure without series.
    pub fn new(name: impl Into<String>, title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self {
            name: name.into(),
            title: title.into(),
            caption: String::new(),
            x,
            y,
            series: Vec::new(),
            panels: Vec::new(),
            coloured: 0,
        }
    }

    /// Sets the caption: what to see in the figure, in one or two sentences. Of a chart it is the text for readers who cannot
    /// see it.
    pub fn caption(mut self, text: impl Into<String>) -> Self {
        self.caption = text.into();
        self
    }

    /// Divides a chart into panels from left to right, each with its own range of x.
    pub fn panels(self, panels: Vec<Panel>) -> Self {
        Self { panels, ..self }
    }

    /// Adds a line through points in the order of x, in the next colour.
    pub fn line(self, label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.coloured(label, Shape::Line { points, has_dots: false })
    }

    /// Adds a line with a dot at each point, for few points.
    pub fn dotted_line(self, label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.coloured(label, Shape::Line { points, has_dots: true })
    }

    /// Adds a line of this style.
    pub fn styled_line(self, style: Style, label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.with(label, style, Shape::Line { points, has_dots: false })
    }

    /// Adds a line that others are compared with, in the colour of the text.
    pub fn reference(self, label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.styled_line(Style::Reference, label, points)
    }

    /// Adds a theoretical curve, dashed.
    pub fn theory(self, label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.styled_line(Style::Theory, label, points)
    }

    /// Adds the line of a null control, grey.
    pub fn control(self, label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.styled_line(Style::Control, label, points)
    }

    /// Adds a faint line of this style, without a label.
    pub fn raw(self, style: Style, points: Vec<(f64, f64)>) -> Self {
        self.with("", style, Shape::Raw(points))
    }

    /// Adds small points without a line, in the next colour.
    pub fn scatter(self, label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.coloured(label, Shape::Scatter { points, is_small: true })
    }

    /// Adds large points without a line, in the next colour.
    pub fn dots(self, label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.coloured(label, Shape::Scatter { points, is_small: false })
    }

    /// Adds an area between two values at each x, in the colour of the next line.
    pub fn band(self, label: impl Into<String>, bounds: Vec<(f64, f64, f64)>) -> Self {
        let style = Style::Series(self.coloured);
        self.with(label, style, Shape::Band(bounds))
    }

    /// Marks a value of x by a vertical line.
    pub fn vertical(self, label: impl Into<String>, x: f64) -> Self {
        self.with(label, Style::Theory, Shape::Vertical(x))
    }

    /// Marks a theoretical value of y by a horizontal line.
    pub fn horizontal(self, label: impl Into<String>, y: f64) -> Self {
        self.with(label, Style::Theory, Shape::Horizontal(y))
    }

    fn with(mut self, label: impl Into<String>, style: Style, shape: Shape) -> Self {
        self.series.push(Series { label: label.into(), style, shape });
        self
    }

    fn coloured(self, label: impl Into<String>, shape: Shape) -> Self {
        let (style, coloured) = (Style::Series(self.coloured), self.coloured + 1);
        Self { coloured, ..self.with(label, style, shape) }
    }

    /// What is drawn, in words.
    pub(super) fn description(&self) -> &str {
        if self.caption.is_empty() { &self.title } else { &self.caption }
    }

    fn points(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.series.iter().flat_map(|series| -> Box<dyn Iterator<Item = (f64, f64)>> {
            match &series.shape {
                Shape::Line { points, .. } | Shape::Raw(points) | Shape::Scatter { points, .. } => {
                    Box::new(points.iter().copied())
                }
                Shape::Band(bounds) => Box::new(bounds.iter().flat_map(|&(x, low, high)| [(x, low), (x, high)])),
                Shape::Vertical(x) => Box::new(std::iter::once((*x, f64::NAN))),
                Shape::Horizontal(y) => Box::new(std::iter::once((f64::NAN, *y))),
            }
        })
    }

    pub(super) fn x_scale(&self) -> Scale {
        self.x.scale(self.points().map(|(x, _)| x))
    }

    pub(super) fn y_scale(&self) -> Scale {
        self.y.scale(self.points().map(|(_, y)| y))
    }

    /// True if the vertical axis has a rail for zeros.
    pub(super) fn has_rail(&self) -> bool {
        self.y.keeps_rail || self.y.is_log && self.points().any(|(_, y)| y == 0.0)
    }

    /// The values of x that are marked, with their labels.
    pub(super) fn marks(&self) -> impl Iterator<Item = (f64, &str)> {
        self.series.iter().filter_map(|series| match series.shape {
            Shape::Vertical(x) => Some((x, series.label.as_str())),
            _ => None,
        })
    }
}
