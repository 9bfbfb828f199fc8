//! Twin of shaders/bias_coefficients.wgsl: the coefficients with which `bn_apply` adds a bias.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::twin::{Launch, Twin};

/// One dispatch of `bias_coefficients`, one piece per replica.
pub struct BiasCoefficients {
    bias: View<f32>,
    channels: View<f32>,
    c: usize,
    stride: usize,
}

impl Twin for BiasCoefficients {
    fn new(launch: &Launch<'_>) -> Self {
        let stride = launch.job().parameter_stride as usize;
        Self { bias: launch.floats(0), channels: launch.floats(1), c: launch.size("C"), stride }
    }

    fn pieces(&self) -> usize {
        1
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, _piece: usize, _scratch: &mut Scratch) {
        let bias = replica * self.stride;
        // SAFETY: the dispatch only reads the biases, and only this piece accesses this replica's channels.
        let (bias, channels) = unsafe {
            (self.bias.read(bias..bias + self.c), self.channels.write(4 * replica * self.c..4 * (replica + 1) * self.c))
        };
        for (channel, bias) in channels.as_chunks_mut::<4>().0.iter_mut().zip(bias) {
            *channel = [0.0, 1.0, 1.0, *bias];
        }
    }
}
