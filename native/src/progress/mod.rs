//! What a user sees of a run or a download: bars on a terminal, plain lines elsewhere.

mod bars;
mod download;
mod lines;
mod output_mode;
mod text;

use lastbit_core::train::Event;

pub use download::DownloadProgress;
pub use output_mode::OutputMode;
pub use text::{NOT_FINITE, RunShape, ks_text, loss_text, replicas_text};

use crate::control::ControlStatus;
use crate::report::edges::Edge;
use crate::terminal::{is_interactive, print_line};

/// Shows the events of a run.
pub enum Screen {
    /// Bars on a terminal.
    Bars(bars::Bars),
    /// Lines in a file or a pipe.
    Lines(lines::Lines),
    /// The lines of `metrics.jsonl`.
    Json,
    /// Nothing.
    Quiet,
}

impl Screen {
    /// The screen for this mode, and for the place where the output goes.
    pub fn new(mode: OutputMode, shape: RunShape, control: &ControlStatus) -> Self {
        match mode {
            OutputMode::Json => Self::Json,
            OutputMode::Quiet => Self::Quiet,
            OutputMode::Text if is_interactive() => Self::Bars(bars::Bars::new(&shape, control)),
            OutputMode::Text | OutputMode::Prefixed(_) => Self::Lines(lines::Lines::new(shape, mode)),
        }
    }

    /// Shows an event, whose line of `metrics.jsonl` is `line`; `control` has seen it.
    pub fn show(&mut self, event: &Event, line: &str, control: &ControlStatus) {
        let text = match event {
            Event::Epoch(epoch) => Some(text::epoch_text(epoch)),
            Event::Curvature(curvature) => Some(text::curvature_text(curvature, self.edges())),
            Event::Growth(growth) => Some(text::growth_text(growth)),
            Event::Step(_) | Event::Layers(_) => None,
        };
        match (self, event, text) {
            (Self::Bars(bars), Event::Step(step), _) => bars.step(step, control),
            (Self::Bars(bars), _, Some(text)) => bars.line(text),
            (Self::Lines(lines), Event::Step(step), _) => lines.step(step, control),
            (Self::Lines(lines), _, Some(text)) => lines.line(text),
            (Self::Json, ..) => print_line(line),
            (Self::Quiet | Self::Bars(_) | Self::Lines(_), ..) => {}
        }
    }

    /// The run's edges of stability; none where no text is shown.
    fn edges(&self) -> &[Edge] {
        match self {
            Self::Bars(bars) => bars.edges(),
            Self::Lines(lines) => lines.edges(),
            Self::Json | Self::Quiet => &[],
        }
    }

    /// Leaves the last state on the screen.
    pub fn finish(&mut self) {
        if let Self::Bars(bars) = self {
            bars.finish();
        }
    }
}
