//! Plain lines for files and pipes: for the first steps, then less and less often, and at least once a minute.

use std::time::{Duration, Instant};

use lastbit_core::train::StepEvent;

use super::output_mode::OutputMode;
use super::text::{RunShape, SHOWN, beyond_shown, replica_text};
use crate::control::ControlStatus;
use crate::forecast::duration_text;
use crate::report::edges::Edge;

/// Longest time without a line.
const SILENCE: Duration = Duration::from_secs(60);

/// Prints the lines of a run.
pub struct Lines {
    shape: RunShape,
    output: OutputMode,
    start: Instant,
    last: Instant,
    is_red: bool,
}

/// True for steps 1 to 10, then 20, 30, ... 100, then 200, 300, ... 1000, and so on up to every thousandth.
fn is_round(step: u64) -> bool {
    let cadence = [1, 10, 100, 1000].into_iter().find(|cadence| step <= cadence * 10).unwrap_or(1000);
    step.is_multiple_of(cadence)
}

impl Lines {
    /// Lines of a run.
    pub fn new(shape: RunShape, output: OutputMode) -> Self {
        let now = Instant::now();
        Self { shape, output, start: now, last: now, is_red: false }
    }

    /// The run's edges of stability.
    pub fn edges(&self) -> &[Edge] {
        &self.shape.edges
    }

    /// Prints a step if a line is due, and whenever the control changes.
    pub fn step(&mut self, step: &StepEvent, control: &ControlStatus) {
        let is_changed = std::mem::replace(&mut self.is_red, control.is_red()) != control.is_red();
        let is_near_start = is_round(step.step) || step.step <= self.shape.first_step + 3;
        if !(is_changed || is_near_start || step.step == self.shape.total_steps || self.last.elapsed() >= SILENCE) {
            return;
        }
        self.last = Instant::now();
        let names = &self.shape.names;
        let replicas = (0..names.len().min(SHOWN)).map(|replica| replica_text(names, replica, step));
        let replicas = replicas.collect::<Vec<_>>().join(" | ") + &beyond_shown(names.len());
        let mut line = format!("step {}/{}: {replicas}", step.step, self.shape.total_steps);
        if !control.controls().is_empty() {
            line.push_str(&format!(" | control: {control}{}", if control.is_red() { " (RED)" } else { "" }));
        }
        // Estimated from the steps of this session, evaluations included, once there are ten of them.
        let (done, left) = (step.step - self.shape.first_step, self.shape.total_steps.saturating_sub(step.step));
        let seconds = self.start.elapsed().as_secs_f64() / done.max(1) as f64 * left as f64;
        if done >= 10 && seconds >= 60.0 {
            line.push_str(&format!(" | {} left", duration_text(seconds)));
        }
        self.output.print(line);
    }

    /// Prints an evaluation or a measurement.
    pub fn line(&mut self, text: String) {
        self.output.print(text);
    }
}

#[cfg(test)]
mod tests {
    use super::is_round;

    #[test]
    fn lines_become_sparser() {
        let shown: Vec<u64> = (1..=300).filter(|step| is_round(*step)).collect();
        assert_eq!(shown, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 200, 300]);
    }
}
