//! Twin of shaders/bn_running.wgsl: for evaluation, computes each channel's coefficients for the other kernels from the
//! running statistics.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::twin::{Launch, Twin};

/// One dispatch of `bn_running`, one piece per replica.
pub struct BnRunning {
    scale: View<f32>,
    shift: View<f32>,
    running: View<f32>,
    channels: View<f32>,
    c: usize,
    epsilon: f32,
    parameter_stride: usize,
    running_stride: usize,
    mean_to_variance: usize,
}

impl Twin for BnRunning {
    fn new(launch: &Launch<'_>) -> Self {
        Self {
            scale: launch.floats(0),
            shift: launch.floats(1),
            running: launch.floats(2),
            channels: launch.floats(3),
            c: launch.size("C"),
            epsilon: launch.float("EPSILON"),
            parameter_stride: launch.job().parameter_stride as usize,
            running_stride: launch.job().running_stride as usize,
            mean_to_variance: launch.argument("mean_to_variance"),
        }
    }

    fn pieces(&self) -> usize {
        1
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, _piece: usize, _scratch: &mut Scratch) {
        let parameters = replica * self.parameter_stride..replica * self.parameter_stride + self.c;
        let mean = replica * self.running_stride;
        let variance = mean + self.mean_to_variance;
        // SAFETY: the dispatch only reads these, and only this piece accesses this replica's channels.
        let (scale, shift, mean, variance, channels) = unsafe {
            (
                self.scale.read(parameters.clone()),
                self.shift.read(parameters),
                self.running.read(mean..mean + self.c),
                self.running.read(variance..variance + self.c),
                self.channels.write(4 * replica * self.c..4 * (replica + 1) * self.c),
            )
        };
        for (c, channel) in channels.chunks_exact_mut(4).enumerate() {
            let deviation = (variance[c] + self.epsilon).sqrt();
            channel.copy_from_slice(&[mean[c], 1.0 / deviation, scale[c], shift[c]]);
        }
    }
}
