//! Bars for a terminal: the run, a line for each replica, the state of the control.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use lastbit_core::train::StepEvent;

use super::text::{RunShape, SHOWN, beyond_shown, replica_text};
use crate::control::ControlStatus;
use crate::report::edges::Edge;

/// The bars of a run.
pub struct Bars {
    screen: MultiProgress,
    steps: ProgressBar,
    /// Lines of the replicas that are shown.
    replicas: Vec<ProgressBar>,
    /// The number of those that are not.
    more: Option<ProgressBar>,
    control: ProgressBar,
    shape: RunShape,
}

/// The style with this template.
pub fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Bars {
    /// Draws the bars.
    pub fn new(shape: &RunShape, control: &ControlStatus) -> Self {
        let screen = MultiProgress::new();
        let line = |template| screen.add(ProgressBar::new_spinner().with_style(style(template)));
        let steps = screen.add(ProgressBar::new(shape.total_steps));
        steps.set_style(style("{bar:24} step {pos}/{len}  {msg}  {per_sec}  {eta} left"));
        steps.set_position(shape.first_step);
        steps.reset_eta();
        let bars = Self {
            replicas: shape.names.iter().take(SHOWN).map(|_| line("  {msg}")).collect(),
            more: (shape.names.len() > SHOWN)
                .then(|| line("  {msg}").with_message(beyond_shown(shape.names.len()).trim().to_owned())),
            control: line("{msg}"),
            shape: shape.clone(),
            steps,
            screen: screen.clone(),
        };
        bars.show_control(control);
        bars
    }

    fn show_control(&self, control: &ControlStatus) {
        let colour = match control {
            control if control.controls().is_empty() => "{msg}",
            control if control.is_red() => "{msg:.red.bold}",
            control if control.is_not_finite() => "{msg:.yellow.bold}",
            _ => "{msg:.green}",
        };
        self.control.set_style(style(&format!("  ● control: {colour}")));
        self.control.set_message(match self.shape.is_displaced {
            true => "none (copies are displaced on purpose)".to_owned(),
            false => control.to_string(),
        });
    }

    /// The run's edges of stability.
    pub fn edges(&self) -> &[Edge] {
        &self.shape.edges
    }

    /// Shows a step.
    pub fn step(&mut self, step: &StepEvent, control: &ControlStatus) {
        self.steps.set_position(step.step);
        self.steps.set_message(format!("epoch {}  lr {}", step.epoch, step.lr));
        for (replica, line) in self.replicas.iter().enumerate() {
            line.set_message(replica_text(&self.shape.names, replica, step));
        }
        self.show_control(control);
    }

    /// Shows an evaluation or a measurement above the bars, where it stays.
    pub fn line(&mut self, text: String) {
        let _ = self.screen.println(text);
    }

    /// Leaves the bars as they are.
    pub fn finish(&mut self) {
        for bar in self.replicas.iter().chain(&self.more).chain([&self.steps, &self.control]) {
            bar.abandon();
        }
    }
}
