//! A figure as a chart for a page, in one or several panels with a common vertical axis. Heights are in CSS pixels; an SVG's
//! vertical units are tenths of them.

use maud::{Markup, PreEscaped, html};
use serde_json::{Value, json};

use super::canvas::{Canvas, RAIL_HEIGHT, RAIL_LINE};
use super::figure::{Figure, Panel, Series, Shape};
use super::frame::{Data, Frame, place_labels, readings};
use super::scale::Scale;
use super::thin::{Thinned, readable};
use crate::numbers::thousands;

/// Style sheet of charts and heat maps; a page includes it once.
pub const CHART_STYLE: &str = concat!(include_str!("series.css"), include_str!("chart.css"));

/// Width of a panel in SVG units.
const WIDTH: f64 = 10_000.0;
/// Distance in pixels between the lines on the rail.
const RAIL_STEP: f64 = 4.0;
/// A curve with at most this many points in a panel shows each as a dot.
const DOTTED: usize = 60;

/// A curve of a chart: a line, and the values that it is the mean of, if there are any.
struct Curve<'a> {
    series: &'a Series,
    points: &'a [(f64, f64)],
    raw: Option<&'a [(f64, f64)]>,
}

/// The script that shows the values of charts and maps at the pointer.
pub fn script() -> Markup {
    html! { script { (PreEscaped(concat!("//<![CDATA[\n", include_str!("chart.js"), "//]]>"))) } }
}

impl Figure {
    /// The figure as a chart, `height` pixels high, for a page that has [`CHART_STYLE`] and [`script`]. Its lines have
    /// the same x. Bands, dots and horizontal lines are not drawn.
    pub fn chart(&self, height: u32) -> Markup {
        let whole = [Panel { caption: String::new(), x: self.x_scale(), share: 1 }];
        let panels = if self.panels.is_empty() { &whole[..] } else { &self.panels };
        let chart = Chart { figure: self, curves: self.curves(), y: self.y_scale(), height: f64::from(height) };
        html! {
            figure.chart id=(self.name) {
                figcaption { b { (self.title) } output aria-live="off" {} }
                div.panels { @for (index, panel) in panels.iter().enumerate() { (chart.panel(panel, index, index + 1 == panels.len())) } }
                (readings(&chart.values()))
            }
        }
    }

    fn curves<'a>(&'a self) -> Vec<Curve<'a>> {
        let mut raw = None;
        let curve = |series: &'a Series| match series {
            Series { shape: Shape::Raw(points), .. } => {
                raw = Some(points.as_slice());
                None
            }
            Series { shape: Shape::Line { points, .. }, .. } => Some(Curve { series, points, raw: raw.take() }),
            _ => None,
        };
        self.series.iter().filter_map(curve).collect()
    }
}

struct Chart<'a> {
    figure: &'a Figure,
    curves: Vec<Curve<'a>>,
    y: Scale,
    height: f64,
}

impl Chart<'_> {
    /// Height of the vertical axis in pixels, without the rail.
    fn axis_height(&self) -> f64 {
        self.height - if self.figure.has_rail() { RAIL_HEIGHT } else { 0.0 }
    }

    fn panel(&self, panel: &Panel, index: usize, is_last: bool) -> Markup {
        let has_rail = self.figure.has_rail();
        let canvas = Canvas { x: panel.x, y: self.y, width: WIDTH, height: 10.0 * self.axis_height(), per_unit: 1 };
        let thinned: Vec<Thinned> = self.curves.iter().map(|curve| canvas.thin(curve.points, has_rail)).collect();
        let on_rail: Vec<usize> = (0..thinned.len()).filter(|&i| !thinned[i].zeros.is_empty()).collect();
        let rail_top = |curve: usize| {
            let nth = on_rail.iter().position(|at| *at == curve).unwrap_or(0) as f64;
            self.height - RAIL_LINE + (nth - (on_rail.len().max(1) as f64 - 1.0) / 2.0) * RAIL_STEP
        };
        let curve = |(index, Curve { series, raw, .. }): (usize, &Curve)| {
            let n_points: usize = thinned[index].lines.iter().map(Vec::len).sum();
            html! {
                g class=(series.style.classes()) data-c=(index) {
                    @if let Some(raw) = raw { (canvas.raw(&canvas.thin(raw, has_rail))) }
                    (canvas.line(&thinned[index], n_points <= DOTTED && raw.is_none(), 10.0 * rail_top(index)))
                }
            }
        };
        let x = x_ticks(&panel.x);
        let mut y: Vec<(f64, String)> =
            self.y.ticks(6).into_iter().map(|(value, text)| (canvas.top(value) / 10.0, text)).collect();
        let (id, height) = (format!("{}-{index}", self.figure.name), 10.0 * self.height);
        let rows: String = y.iter().map(|(top, _)| format!("M0,{:.0}h{WIDTH}", 10.0 * top)).collect();
        let columns: String = x.iter().map(|(place, _)| format!("M{:.0},0v{}", place * WIDTH, canvas.height)).collect();
        let marks: Vec<(f64, &str)> =
            self.figure.marks().filter(|(x, _)| (0.0..1.0).contains(&panel.x.place(*x))).collect();
        let svg = html! {
            svg viewBox={ "0 0 " (WIDTH) " " (height) } preserveAspectRatio="none" role="img" aria-labelledby={ (id) "-t " (id) "-d" } {
                title id={ (id) "-t" } { (self.figure.title) }
                desc id={ (id) "-d" } { (self.figure.description()) }
                @if has_rail { rect class="band" x="0" y=(height - 20.0 * RAIL_LINE) width=(WIDTH) height=(20.0 * RAIL_LINE) {} }
                path class="grid" d={ (rows) (columns) } {}
                path class="axis" d={ "M0," (canvas.height) "h" (WIDTH) } {}
                @if !marks.is_empty() {
                    path class="mark" d=(marks.iter().map(|(x, _)| canvas.vertical(*x, height)).collect::<String>()) {}
                }
                @for each in self.curves.iter().enumerate() { (curve(each)) }
            }
        };
        if has_rail {
            y.push((self.height - RAIL_LINE, "0".to_owned()));
        }
        let frame = Frame {
            height: self.height as u32,
            svg,
            x: &x,
            y: &y,
            x_name: &self.figure.x.label,
            marks: self.mark_labels(&panel.x, &marks),
            ends: is_last.then(|| self.ends(&canvas, &thinned, rail_top)),
            data: Data::Curves(&panel.x),
        };
        html! {
            div.panel style={ "--share:" (panel.share) } {
                @if !panel.caption.is_empty() { p.panel-name { (panel.caption) } }
                (frame.markup())
            }
        }
    }

    /// Labels at the ends of the curves.
    fn ends(&self, canvas: &Canvas, thinned: &[Thinned], rail_top: impl Fn(usize) -> f64) -> Markup {
        let end = |(i, thinned): (usize, &Thinned)| {
            let on_line = thinned.lines.last().and_then(|line| line.last());
            let zero = thinned.zeros.last().map_or(f64::NEG_INFINITY, |(_, to)| *to);
            match on_line {
                Some((x, y)) if *x > zero => Some((i, (canvas.top(*y) / 10.0).max(0.0))),
                _ if zero.is_finite() => Some((i, rail_top(i))),
                _ => None,
            }
        };
        let (ends, tops): (Vec<usize>, Vec<f64>) = thinned.iter().enumerate().filter_map(end).unzip();
        let placed = place_labels(&tops, self.height);
        html! {
            @for (i, top) in ends.into_iter().zip(&placed).filter_map(|(i, top)| Some((i, (*top)?))) {
                @let Series { style, label, .. } = self.curves[i].series;
                span class=(style.classes()) data-c=(i) style={ "top:" (format!("{top:.1}")) "px" } { i { (style.mark()) } " " (label) }
            }
            @if placed.contains(&None) { span.more { "…" } }
        }
    }

    /// Labels of the marks: at the foot of an axis with a rail, where curves rise, and at the top of others. Those that do not fit
    /// are left out.
    fn mark_labels(&self, x: &Scale, marks: &[(f64, &str)]) -> Markup {
        let top = if self.figure.has_rail() { self.axis_height() - 15.0 } else { 3.0 };
        let mut last = f64::NEG_INFINITY;
        let mut shown = Vec::new();
        for (place, text) in marks.iter().map(|(value, text)| (x.place(*value), text)) {
            if place - last > 0.15 && place < 0.88 {
                last = place;
                shown.push((format!("left:{:.2}%;top:{top:.0}px", place * 100.0), text));
            }
        }
        html! { @for (style, text) in shown { span.mark style=(style) { (text) } } }
    }

    /// The values that the pointer reads, with the names of the curves in their order. All curves have the same x.
    fn values(&self) -> Value {
        let first = self.curves.first().map_or(&[][..], |curve| curve.points);
        let lines = readable(first.len());
        let x: Vec<f64> = lines.iter().map(|&line| first[line].0).collect();
        let value = |curve: &Curve, line: usize| curve.points.get(line).and_then(|(_, value)| short(*value));
        let curve = |curve: &Curve| {
            json!([curve.series.label, lines.iter().map(|&line| value(curve, line)).collect::<Vec<_>>()])
        };
        let curves: Vec<_> = self.curves.iter().map(curve).collect();
        json!({ "of": self.figure.x.label, "x": x, "curves": curves })
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

/// Four significant digits; `None` if the value is not finite.
fn short(value: f64) -> Option<f64> {
    format!("{value:.3e}").parse().ok().filter(|short: &f64| short.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{Axis, Style};

    #[test]
    fn a_chart_has_lines_rail_and_readings() {
        let points = |values: [f64; 3]| [1.0, 2.0, 3.0].into_iter().zip(values).collect::<Vec<_>>();
        let chart = Figure::new("a", "t", Axis::linear("step").between(1.0, 3.0), Axis::log("").between(1e-2, 1.0))
            .caption("<d>")
            .styled_line(Style::Series(0), "k = 3", points([1e-2, 0.1, 1.0]))
            .styled_line(Style::Control, "k = 2", points([0.0; 3]))
            .vertical("lr 0.01", 2.0);
        let markup = chart.chart(134).into_string();
        assert!(markup.contains("M0,1000l5000,-500l5000,-500"), "{markup}");
        assert!(markup.contains("class=\"rail\" d=\"M0,1230h10000\""), "{markup}");
        assert!(
            markup.contains(
                r#"{"curves":[["k = 3",[0.01,0.1,1.0]],["k = 2",[0.0,0.0,0.0]]],"of":"step","x":[1.0,2.0,3.0]}"#
            ),
            "{markup}"
        );
        assert!(markup.contains("&lt;d&gt;") && markup.contains("left:50.00%;top:85px\">lr 0.01<"), "{markup}");
    }

    #[test]
    fn readings_are_short() {
        assert_eq!([4.824_9e-9, 0.271_49, f64::NAN].map(short), [Some(4.825e-9), Some(0.2715), None]);
    }
}
