//! Twin of shaders/dense_dweight.wgsl: the gradients of weight and bias. Order: samples in turn.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::panel::{self, COLUMNS, Rows};
use super::twin::{Launch, Twin};

/// Units of a piece. Each piece packs its features, so that many units should share them.
const UNITS: usize = 64;

/// One dispatch of `dense_dweight`. A piece is some features of some units.
pub struct DenseDweight {
    features: View<f32>,
    dlogits: View<f32>,
    gradient: View<f32>,
    inputs: usize,
    units: usize,
    samples: usize,
    stride: usize,
    weight_to_bias: usize,
    shared_input: bool,
}

impl Twin for DenseDweight {
    fn new(launch: &Launch<'_>) -> Self {
        Self {
            features: launch.floats(0),
            dlogits: launch.floats(1),
            gradient: launch.floats(2),
            inputs: launch.size("C"),
            units: launch.size("K"),
            samples: launch.samples(),
            stride: launch.job().parameter_stride as usize,
            weight_to_bias: launch.argument("weight_to_bias"),
            shared_input: launch.flag("SHARED_INPUT"),
        }
    }

    fn pieces(&self) -> usize {
        self.inputs.div_ceil(COLUMNS) * self.units.div_ceil(UNITS)
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let (inputs, units, groups) = (self.inputs, self.units, self.units.div_ceil(UNITS));
        let (c, k) = (piece / groups * COLUMNS, piece % groups * UNITS);
        let (columns, count) = (COLUMNS.min(inputs - c), UNITS.min(units - k));
        let (gradient, sample) = (replica * self.stride, replica * self.samples);
        let feature = if self.shared_input { 0 } else { sample };
        debug_assert!(gradient + units * inputs <= self.gradient.len());
        debug_assert!((feature + self.samples) * inputs <= self.features.len());
        debug_assert!((sample + self.samples) * units <= self.dlogits.len());
        let (start, panel) = scratch.floats(COLUMNS + panel::FLOATS).split_at_mut(COLUMNS);
        start.fill(0.0);
        // SAFETY: the dispatch only reads features and dlogits, and only this piece accesses this part of the gradient.
        unsafe {
            for steps in panel::blocks(self.samples) {
                let features = self.features.at((feature + steps.start) * inputs + c);
                panel::pack_rows(features, inputs, steps.len(), columns, panel.as_mut_ptr());
                let rows = Rows {
                    values: self.dlogits.at((sample + steps.start) * units + k),
                    row: 1,
                    step: units,
                    out: self.gradient.at(gradient + k * inputs + c),
                    out_row: inputs,
                    count,
                    columns,
                };
                rows.add::<L>(panel.as_ptr(), steps.len(), (steps.start == 0).then_some(start.as_ptr()));
            }
            if c == 0 {
                self.bias(sample, k..k + count, gradient + self.weight_to_bias + k);
            }
        }
    }
}

impl DenseDweight {
    /// Writes the gradient of the bias of some units to the arena at `to`; `sample` is the replica's first one.
    ///
    /// # Safety
    /// As for [`Twin::run`].
    #[inline(always)]
    unsafe fn bias(&self, sample: usize, units: std::ops::Range<usize>, to: usize) {
        let mut sums = [0.0; UNITS];
        for n in sample..sample + self.samples {
            let at = n * self.units;
            // SAFETY: the dispatch only reads dlogits.
            let dlogits = unsafe { self.dlogits.read(at + units.start..at + units.end) };
            // Same as a multiply-add with a feature of 1.
            sums.iter_mut().zip(dlogits).for_each(|(sum, dlogit)| *sum += dlogit);
        }
        // SAFETY: only this piece accesses these units of the gradient.
        unsafe { self.gradient.write(to..to + units.len()).copy_from_slice(&sums[..units.len()]) };
    }
}
