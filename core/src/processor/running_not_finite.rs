//! Twin of shaders/running_not_finite.wgsl: the first running statistic of each replica that is not finite.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::math::is_finite;
use super::twin::{Launch, Twin};

/// One dispatch of `running_not_finite`, one piece per replica.
pub struct RunningNotFinite {
    running: View<f32>,
    firsts: View<u32>,
    stride: usize,
}

impl Twin for RunningNotFinite {
    fn new(launch: &Launch<'_>) -> Self {
        let stride = launch.job().running_stride as usize;
        Self { running: launch.floats(0), firsts: launch.words(1), stride }
    }

    fn pieces(&self) -> usize {
        1
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, _piece: usize, _scratch: &mut Scratch) {
        // SAFETY: the dispatch only reads running, and only this piece accesses this replica's word.
        unsafe {
            let running = self.running.read(replica * self.stride..(replica + 1) * self.stride);
            let first = running.iter().position(|value| !is_finite(*value)).unwrap_or(self.stride);
            self.firsts.write(replica..replica + 1)[0] = first as u32;
        }
    }
}
