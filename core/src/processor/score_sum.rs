//! Twin of shaders/score_sum.wgsl: adds the samples' losses and correct answers.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::reduce::sum_pairs;
use super::twin::{Launch, Twin};

/// One dispatch of `score_sum`, one piece per replica.
pub struct ScoreSum {
    scores: View<f32>,
    totals: View<f32>,
    samples: usize,
}

impl Twin for ScoreSum {
    fn new(launch: &Launch<'_>) -> Self {
        Self { scores: launch.floats(0), totals: launch.floats(1), samples: launch.samples() }
    }

    fn pieces(&self) -> usize {
        1
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, _piece: usize, _scratch: &mut Scratch) {
        let first = 2 * replica * self.samples;
        // SAFETY: the dispatch only reads scores, and only this piece accesses this replica's totals.
        unsafe {
            let scores = self.scores.read(first..first + 2 * self.samples);
            self.totals.write(2 * replica..2 * replica + 2).copy_from_slice(&sum_pairs(scores));
        }
    }
}
