//! Twin of shaders/gn_backward_finalize.wgsl: the means of each sample's groups, channels in turn, and the gradients of scale and shift,
//! samples in turn.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::twin::{Launch, Twin};

/// One dispatch of `gn_backward_finalize`: one piece for the means, one for the parameters.
pub struct GnBackwardFinalize {
    sums: View<f32>,
    scale: View<f32>,
    scale_gradient: View<f32>,
    means: View<f32>,
    channels: usize,
    /// Channels of a group.
    group: usize,
    samples: usize,
    /// Values of a group.
    count: f32,
    stride: usize,
    scale_to_shift: usize,
}

impl Twin for GnBackwardFinalize {
    fn new(launch: &Launch<'_>) -> Self {
        let group = launch.size("GROUP");
        Self {
            sums: launch.floats(0),
            scale: launch.floats(1),
            scale_gradient: launch.floats(2),
            means: launch.floats(3),
            channels: launch.size("C"),
            group,
            samples: launch.samples(),
            count: (group * launch.size("HEIGHT") * launch.size("WIDTH")) as u32 as f32,
            stride: launch.job().parameter_stride as usize,
            scale_to_shift: launch.argument("scale_to_shift"),
        }
    }

    fn pieces(&self) -> usize {
        2
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let floats = 2 * self.samples * self.channels;
        // SAFETY: the dispatch only reads the sums.
        let sums = unsafe { self.sums.read(replica * floats..(replica + 1) * floats) };
        if piece == 0 { self.means::<L>(replica, sums) } else { self.parameters(replica, sums, scratch) }
    }
}

impl GnBackwardFinalize {
    #[inline(always)]
    fn means<L: Lanes>(&self, replica: usize, sums: &[f32]) {
        let groups = self.channels / self.group;
        let (parameters, floats) = (replica * self.stride, 2 * self.samples * groups);
        // SAFETY: the dispatch only reads the scale, and only this piece accesses the means of this replica.
        let (scale, means) = unsafe {
            (
                self.scale.read(parameters..parameters + self.channels),
                self.means.write(replica * floats..(replica + 1) * floats),
            )
        };
        let groups_of_scale = scale.chunks_exact(self.group).cycle();
        let sums = sums.chunks_exact(2 * self.group);
        for ((mean, sums), scale) in means.as_chunks_mut::<2>().0.iter_mut().zip(sums).zip(groups_of_scale) {
            let mut total = [0.0; 2];
            for (sum, scale) in sums.as_chunks::<2>().0.iter().zip(scale) {
                total = [0, 1].map(|i| L::mac1(*scale, sum[i], total[i]));
            }
            *mean = total.map(|total| total / self.count);
        }
    }

    #[inline(always)]
    fn parameters(&self, replica: usize, sums: &[f32], scratch: &mut Scratch) {
        let totals = scratch.floats(2 * self.channels);
        totals.fill(0.0);
        for sums in sums.chunks_exact(2 * self.channels) {
            totals.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
        }
        let scale = replica * self.stride;
        // SAFETY: only this piece accesses the gradients of these parameters, which do not overlap.
        unsafe {
            for (i, first) in [(1, scale), (0, scale + self.scale_to_shift)] {
                let gradient = self.scale_gradient.write(first..first + self.channels);
                gradient.iter_mut().zip(totals.as_chunks::<2>().0).for_each(|(gradient, total)| *gradient = total[i]);
            }
        }
    }
}
