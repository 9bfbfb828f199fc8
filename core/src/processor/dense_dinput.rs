//! Twin of shaders/dense_dinput.wgsl: the gradient of the features. Order: units in turn.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::panel::{self, COLUMNS, Rows};
use super::twin::{Launch, Twin};

/// Samples of a piece. Each piece packs its weights, so that many samples should share them.
const SAMPLES: usize = 64;

/// One dispatch of `dense_dinput`. A piece is some features of some samples.
pub struct DenseDinput {
    dlogits: View<f32>,
    weight: View<f32>,
    dfeatures: View<f32>,
    inputs: usize,
    units: usize,
    samples: usize,
    stride: usize,
}

impl Twin for DenseDinput {
    fn new(launch: &Launch<'_>) -> Self {
        Self {
            dlogits: launch.floats(0),
            weight: launch.floats(1),
            dfeatures: launch.floats(2),
            inputs: launch.size("C"),
            units: launch.size("K"),
            samples: launch.samples(),
            stride: launch.job().parameter_stride as usize,
        }
    }

    fn pieces(&self) -> usize {
        self.inputs.div_ceil(COLUMNS) * self.samples.div_ceil(SAMPLES)
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let (inputs, units, groups) = (self.inputs, self.units, self.samples.div_ceil(SAMPLES));
        let (c, n) = (piece / groups * COLUMNS, piece % groups * SAMPLES);
        let (columns, count) = (COLUMNS.min(inputs - c), SAMPLES.min(self.samples - n));
        let (parameters, sample) = (replica * self.stride, replica * self.samples + n);
        debug_assert!(parameters + units * inputs <= self.weight.len());
        debug_assert!((sample + count) * units <= self.dlogits.len());
        let (start, panel) = scratch.floats(COLUMNS + panel::FLOATS).split_at_mut(COLUMNS);
        start.fill(0.0);
        // SAFETY: the dispatch only reads dlogits and weight, and only this piece accesses these features.
        unsafe {
            for steps in panel::blocks(units) {
                let weight = self.weight.at(parameters + steps.start * inputs + c);
                panel::pack_rows(weight, inputs, steps.len(), columns, panel.as_mut_ptr());
                let rows = Rows {
                    values: self.dlogits.at(sample * units + steps.start),
                    row: units,
                    step: 1,
                    out: self.dfeatures.at(sample * inputs + c),
                    out_row: inputs,
                    count,
                    columns,
                };
                rows.add::<L>(panel.as_ptr(), steps.len(), (steps.start == 0).then_some(start.as_ptr()));
            }
        }
    }
}
