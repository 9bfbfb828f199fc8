//! Counterpart of shaders/shared/norm.wgsl: batch norm's output before the activation, a vector at a time.

use crate::processor::lanes::Lanes;
use crate::processor::memory::View;

/// Batch norm's coefficients for one channel, each in all lanes.
pub struct Norm<L: Lanes> {
    minus_mean: L::V,
    by: L::V,
    scale: L::V,
    shift: L::V,
}

impl<L: Lanes> Norm<L> {
    /// Reads (mean, 1 / sqrt(var + eps), scale, shift) of channel `at`.
    ///
    /// # Safety
    /// The machine must support the instruction set, and nothing may write `channels` meanwhile.
    #[inline(always)]
    pub unsafe fn read(channels: &View<f32>, at: usize) -> Self {
        // SAFETY: upheld by the caller.
        unsafe {
            let channel = channels.read(at * 4..at * 4 + 4);
            Self {
                minus_mean: L::splat(-channel[0]),
                by: L::splat(channel[1]),
                scale: L::splat(channel[2]),
                shift: L::splat(channel[3]),
            }
        }
    }

    /// (y - mean) / sqrt(var + eps)
    ///
    /// # Safety
    /// The machine must support the instruction set.
    #[inline(always)]
    pub unsafe fn normalize(&self, y: L::V) -> L::V {
        // SAFETY: upheld by the caller.
        unsafe { L::mul(L::add(y, self.minus_mean), self.by) }
    }

    /// Applies the learned scale and shift to a normalised value.
    ///
    /// # Safety
    /// The machine must support the instruction set.
    #[inline(always)]
    pub unsafe fn scale_and_shift(&self, normalized: L::V) -> L::V {
        // SAFETY: upheld by the caller.
        unsafe { L::mac(normalized, self.scale, self.shift) }
    }
}
