//! Figures. A [`Figure`] holds what is drawn: axes, series, marks. It is rendered in two forms, with the same paths, colours and
//! dashes:
//!
//! - [`Figure::chart`], for the page of a run: only lines and areas are SVG, stretched to the available width; the text around
//!   them is HTML, which keeps its size on any screen, and [`script`] shows values at the pointer.
//! - [`Figure::drawing`], for the page of a reproduction, and [`Figure::file`], for an `.svg` file: one SVG with its text.
//!
//! A [`HeatMap`] shows a quantity by step and layer, a [`BitChart`] the bits of one number by step. Both are framed as a chart is.

mod bits;
mod canvas;
mod chart;
mod drawing;
mod figure;
mod frame;
mod heatmap;
mod palette;
mod scale;
mod style;
mod thin;

pub use bits::{BitChart, Column as BitColumn};
pub use chart::{CHART_STYLE, script};
pub use drawing::DRAWING_STYLE;
pub use figure::{Axis, Figure, Panel};
pub use heatmap::HeatMap;
pub use palette::style as heat_style;
pub use scale::Scale;
pub use style::Style;
pub use thin::moving_mean;
