//! Curves over steps or epochs, in one or several panels with a common vertical axis.

use std::fmt::Write as _;

use super::scale::Scale;
use super::thin::{Thinned, thin};
use super::{Frame, mark_of, spread};
use crate::report::html::escape;
use crate::report::numbers::thousands;

/// Height in pixels of the gap and the rail at the foot of a plot. The rail shows where curves are zero.
const RAIL: f64 = 34.0;
/// Distance in pixels between the lines on the rail.
const RAIL_STEP: f64 = 4.0;
/// A curve with at most this many points in a panel shows each as a dot.
const DOTTED: usize = 60;

/// A curve.
pub struct Curve {
    /// Label at the end of the curve.
    pub label: String,
    /// CSS classes of colour and dashes.
    pub style: String,
    /// Value at each x of the chart.
    pub values: Vec<f64>,
    /// The values that `values` is the moving mean of, drawn faintly behind it.
    pub raw: Option<Vec<f64>>,
}

/// A part of a chart with its own range of x.
pub struct Panel {
    /// Caption above the panel; may be empty.
    pub caption: String,
    /// Horizontal axis.
    pub x: Scale,
    /// Width relative to the other panels.
    pub share: u32,
}

/// A chart of curves.
pub struct Chart {
    /// HTML id, unique in the page.
    pub id: String,
    /// Title above the chart.
    pub title: String,
    /// Text alternative for readers who cannot see the chart.
    pub description: String,
    /// Height of the plot in pixels.
    pub height: u32,
    /// Vertical axis of all panels.
    pub y: Scale,
    /// True if zeros are drawn on a rail below the axis, which is then logarithmic.
    pub has_rail: bool,
    /// The x of each value, rising.
    pub x: Vec<f64>,
    /// Name of the horizontal axis, as in `step`.
    pub x_name: &'static str,
    /// The curves, each with at least one finite value.
    pub curves: Vec<Curve>,
    /// Panels from left to right.
    pub panels: Vec<Panel>,
    /// Marked values of x, each with its label.
    pub marks: Vec<(f64, String)>,
    /// Indices into `x` at which the pointer reads values.
    pub readable: Vec<usize>,
}

impl Chart {
    /// The chart as markup.
    pub fn markup(&self) -> String {
        let last = self.panels.len().saturating_sub(1);
        let panels: String = self.panels.iter().enumerate().map(|(i, p)| self.panel(i, p, i == last)).collect();
        format!(
            "<figure class=\"chart\" id=\"{0}\"><figcaption><b>{1}</b><output aria-live=\"off\"></output></figcaption>\n\
             <div class=\"panels\">\n{panels}</div>\n\
             <script type=\"application/json\">{2}</script></figure>\n",
            self.id,
            escape(&self.title),
            self.readings(),
        )
    }

    /// Height of the vertical axis in pixels, without the rail.
    fn axis_height(&self) -> f64 {
        f64::from(self.height) - if self.has_rail { RAIL } else { 0.0 }
    }

    fn top(&self, value: f64) -> f64 {
        (1.0 - self.y.place(value)) * self.axis_height()
    }

    fn panel(&self, index: usize, panel: &Panel, has_ends: bool) -> String {
        let drawn: Vec<Thinned> = self.curves.iter().map(|curve| self.thinned(panel, &curve.values)).collect();
        let on_rail: Vec<usize> = (0..drawn.len()).filter(|&i| !drawn[i].zeros.is_empty()).collect();
        let rail_top = |curve: usize| {
            let nth = on_rail.iter().position(|at| *at == curve).unwrap_or(0);
            f64::from(self.height) - RAIL / 3.0 + (nth as f64 - (on_rail.len().max(1) as f64 - 1.0) / 2.0) * RAIL_STEP
        };
        let body: String = (0..drawn.len()).map(|i| self.curve(panel, i, &drawn[i], rail_top(i))).collect();
        let ends = has_ends.then(|| self.ends(&drawn, rail_top));
        let x_ticks = x_ticks(&panel.x);
        let mut y_ticks: Vec<(f64, String)> =
            self.y.ticks(6).into_iter().map(|(v, text)| (self.top(v), text)).collect();
        let svg = self.svg(index, &x_ticks, &y_ticks, &format!("{}{body}", self.mark_lines(panel)));
        if self.has_rail {
            y_ticks.push((f64::from(self.height) - RAIL / 3.0, "0".to_owned()));
        }
        let data =
            format!("data-low=\"{}\" data-high=\"{}\" data-log=\"{}\"", panel.x.low, panel.x.high, panel.x.is_log);
        let frame = Frame {
            height: self.height,
            svg: &svg,
            x: &x_ticks,
            y: &y_ticks,
            x_name: self.x_name,
            marks: &self.mark_labels(panel),
            ends: ends.as_deref(),
            data: &data,
        };
        let caption = if panel.caption.is_empty() {
            String::new()
        } else {
            format!("<p class=\"panel-name\">{}</p>", escape(&panel.caption))
        };
        format!("<div class=\"panel\" style=\"--share:{}\">{caption}{}</div>\n", panel.share, frame.markup())
    }

    fn thinned(&self, panel: &Panel, values: &[f64]) -> Thinned {
        thin(self.x.iter().copied().zip(values.iter().copied()), &panel.x, self.has_rail)
    }

    /// SVG paths of a curve. `rail_top` is the distance in pixels of its zeros from the top.
    fn curve(&self, panel: &Panel, index: usize, thinned: &Thinned, rail_top: f64) -> String {
        let curve = &self.curves[index];
        let mut group = format!("<g class=\"{}\" data-c=\"{index}\">", curve.style);
        if let Some(raw) = &curve.raw {
            let _ = write!(group, "<path class=\"raw\" d=\"{}\"/>", self.path(panel, &self.thinned(panel, raw)));
        }
        let _ = write!(group, "<path d=\"{}\"/>", self.path(panel, thinned));
        let points = || thinned.lines.iter().flatten();
        if points().count() <= DOTTED && curve.raw.is_none() {
            let dots: String = points().map(|&(x, y)| format!("M{}h0", self.at(panel, x, self.top(y)))).collect();
            let _ = write!(group, "<path class=\"dots\" d=\"{dots}\"/>");
        }
        let span = |&(from, to): &(f64, f64)| {
            let width = ((panel.x.place(to) - panel.x.place(from)) * 1e4).round();
            format!("M{}h{width}", self.at(panel, from, rail_top))
        };
        let rail: String = thinned.zeros.iter().map(span).collect();
        if !rail.is_empty() {
            let _ = write!(group, "<path class=\"rail\" d=\"{rail}\"/>");
        }
        group + "</g>"
    }

    /// Labels at the ends of the curves.
    fn ends(&self, drawn: &[Thinned], rail_top: impl Fn(usize) -> f64) -> String {
        let end = |(i, thinned): (usize, &Thinned)| {
            let on_line = thinned.lines.last().and_then(|line| line.last());
            let zero = thinned.zeros.last().map_or(f64::NEG_INFINITY, |(_, to)| *to);
            match on_line {
                Some((x, y)) if *x > zero => Some((i, self.top(*y).max(0.0))),
                _ if zero.is_finite() => Some((i, rail_top(i))),
                _ => None,
            }
        };
        let ends: Vec<(usize, f64)> = drawn.iter().enumerate().filter_map(end).collect();
        let placed = spread(&ends.iter().map(|(_, top)| *top).collect::<Vec<_>>(), f64::from(self.height));
        let label = |(&(i, _), top): (&(usize, f64), &Option<f64>)| {
            let Some(top) = top else { return String::new() };
            let Curve { label, style, .. } = &self.curves[i];
            let (mark, label) = (mark_of(style), escape(label));
            format!("<span class=\"{style}\" data-c=\"{i}\" style=\"top:{top:.1}px\"><i>{mark}</i> {label}</span>")
        };
        let labels: String = ends.iter().zip(&placed).map(label).collect();
        let more = if placed.iter().any(Option::is_none) { "<span class=\"more\">…</span>" } else { "" };
        labels + more
    }

    fn marks_in<'a>(&'a self, panel: &'a Panel) -> impl Iterator<Item = (f64, &'a str)> {
        let places = self.marks.iter().map(|(x, text)| (panel.x.place(*x), text.as_str()));
        places.filter(|(place, _)| (0.0..1.0).contains(place))
    }

    fn mark_lines(&self, panel: &Panel) -> String {
        let height = self.height * 10;
        let lines: String = self.marks_in(panel).map(|(place, _)| format!("M{:.0},0v{height}", place * 1e4)).collect();
        if lines.is_empty() { lines } else { format!("<path class=\"mark\" d=\"{lines}\"/>") }
    }

    /// Labels of the marks: at the foot of an axis with a rail, where curves rise, and at the top of others.
    fn mark_labels(&self, panel: &Panel) -> String {
        let top = if self.has_rail { self.axis_height() - 15.0 } else { 3.0 };
        let mut labels = String::new();
        let mut last = f64::NEG_INFINITY;
        for (place, text) in self.marks_in(panel) {
            if place - last > 0.15 && place < 0.88 {
                let left = place * 100.0;
                let _ = write!(
                    labels,
                    "<span class=\"mark\" style=\"left:{left:.2}%;top:{top:.0}px\">{}</span>",
                    escape(text)
                );
                last = place;
            }
        }
        labels
    }

    fn svg(&self, index: usize, x: &[(f64, String)], y: &[(f64, String)], body: &str) -> String {
        let (id, height) = (format!("{}-{index}", self.id), self.height * 10);
        let axis = (self.axis_height() * 10.0).round();
        let mut grid = String::new();
        for (top, _) in y {
            let _ = write!(grid, "M0,{:.0}h10000", top * 10.0);
        }
        for (place, _) in x {
            let _ = write!(grid, "M{:.0},0v{axis}", place * 1e4);
        }
        let rail = if self.has_rail {
            let band = RAIL / 1.5 * 10.0;
            let top = f64::from(height) - band;
            format!("<rect class=\"band\" x=\"0\" y=\"{top:.0}\" width=\"10000\" height=\"{band:.0}\"/>")
        } else {
            String::new()
        };
        format!(
            "<svg viewBox=\"0 0 10000 {height}\" preserveAspectRatio=\"none\" role=\"img\" \
             aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>\
             {rail}<path class=\"grid\" d=\"{grid}\"/><path class=\"axis\" d=\"M0,{axis}h10000\"/>{body}</svg>",
            escape(&self.title),
            escape(&self.description),
        )
    }

    /// `x,y` in SVG units; `top` in pixels.
    fn at(&self, panel: &Panel, x: f64, top: f64) -> String {
        let (x, y) = self.units(panel, x, top);
        format!("{x},{y}")
    }

    fn units(&self, panel: &Panel, x: f64, top: f64) -> (i64, i64) {
        // The plot clips what is outside; the bound keeps the numbers of far points short.
        let y = top.clamp(-1000.0, 2000.0);
        ((panel.x.place(x) * 1e4).round() as i64, (y * 10.0).round() as i64)
    }

    /// SVG path of the connected lines, in relative coordinates.
    fn path(&self, panel: &Panel, thinned: &Thinned) -> String {
        let mut path = String::new();
        for line in &thinned.lines {
            let mut before: Option<(i64, i64)> = None;
            for &(x, value) in line {
                let (x, y) = self.units(panel, x, self.top(value));
                let _ = match before {
                    None => write!(path, "M{x},{y}"),
                    Some((x0, y0)) => write!(path, "l{},{}", x - x0, y - y0),
                };
                before = Some((x, y));
            }
        }
        path
    }

    /// JSON of the values that the pointer reads, with the names of the curves in their order.
    fn readings(&self) -> String {
        let x: Vec<String> = self.readable.iter().map(|&i| self.x[i].to_string()).collect();
        let curve = |curve: &Curve| {
            let values = self.readable.iter().map(|&i| match curve.values[i] {
                value if value.is_finite() => shorter(value),
                _ => "null".to_owned(),
            });
            let name = serde_json::Value::from(curve.label.as_str());
            format!("[{name},[{}]]", values.collect::<Vec<_>>().join(","))
        };
        let curves: Vec<String> = self.curves.iter().map(curve).collect();
        let text = format!("{{\"of\":\"{}\",\"x\":[{}],\"curves\":[{}]}}", self.x_name, x.join(","), curves.join(","));
        // XML and HTML read these characters differently inside a script.
        text.replace('<', "\\u003c").replace('&', "\\u0026").replace('>', "\\u003e")
    }
}

/// Ticks of a horizontal axis. A linear axis that begins well before its first tick also labels its beginning.
fn x_ticks(scale: &Scale) -> Vec<(f64, String)> {
    let mut ticks: Vec<(f64, String)> =
        scale.ticks(5).into_iter().map(|(value, text)| (scale.place(value), text)).collect();
    if !scale.is_log && scale.low.fract() == 0.0 && ticks.first().is_none_or(|(place, _)| *place > 0.08) {
        ticks.insert(0, (0.0, thousands(scale.low as u64)));
    }
    ticks
}

/// Four significant digits, in the shorter of the two spellings.
fn shorter(value: f64) -> String {
    let scientific = format!("{value:.3e}");
    let rounded: f64 = scientific.parse().unwrap_or(value);
    [format!("{rounded}"), format!("{rounded:e}")].into_iter().min_by_key(String::len).unwrap_or(scientific)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_lines_rail_and_readings() {
        let curve = |label: &str, values: &[f64]| Curve {
            label: label.to_owned(),
            style: "c0 d0".to_owned(),
            values: values.to_vec(),
            raw: None,
        };
        let chart = Chart {
            id: "a".to_owned(),
            title: "t".to_owned(),
            description: "<d>".to_owned(),
            height: 134,
            y: Scale::log(1e-2, 1.0),
            has_rail: true,
            x: vec![1.0, 2.0, 3.0],
            x_name: "step",
            curves: vec![curve("k = 3", &[1e-2, 0.1, 1.0]), curve("k = 2", &[0.0; 3])],
            panels: vec![Panel { caption: String::new(), x: Scale::linear(1.0, 3.0), share: 1 }],
            marks: vec![(2.0, "lr 0.01".to_owned())],
            readable: vec![0, 2],
        };
        let markup = chart.markup();
        assert!(markup.contains("M0,1000l5000,-500l5000,-500"), "{markup}");
        assert!(markup.contains("class=\"rail\" d=\"M0,1227h10000\""), "{markup}");
        assert!(
            markup.contains(r#"{"of":"step","x":[1,3],"curves":[["k = 3",[0.01,1]],["k = 2",[0,0]]]}"#),
            "{markup}"
        );
        assert!(markup.contains("&lt;d&gt;") && markup.contains("left:50.00%;top:85px\">lr 0.01<"), "{markup}");
    }

    #[test]
    fn readings_are_short() {
        assert_eq!([4.824_9e-9, 0.271_49, 12_345.6].map(shorter), ["4.825e-9", "0.2715", "12350"]);
    }
}
