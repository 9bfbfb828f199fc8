//! Twin of shaders/dense_forward.wgsl: logit = bias + weights times features. Order: channels in turn.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::panel::{self, COLUMNS, Rows};
use super::twin::{Launch, Twin};

/// Samples of a piece. Each piece packs its weights, so that many samples should share them.
const SAMPLES: usize = 64;

/// One dispatch of `dense_forward`. A piece is some units of some samples.
pub struct DenseForward {
    features: View<f32>,
    weight: View<f32>,
    bias: View<f32>,
    logits: View<f32>,
    inputs: usize,
    units: usize,
    samples: usize,
    stride: usize,
    shared_input: bool,
}

impl Twin for DenseForward {
    fn new(launch: &Launch<'_>) -> Self {
        Self {
            features: launch.floats(0),
            weight: launch.floats(1),
            bias: launch.floats(2),
            logits: launch.floats(3),
            inputs: launch.size("C"),
            units: launch.size("K"),
            samples: launch.samples(),
            stride: launch.job().parameter_stride as usize,
            shared_input: launch.flag("SHARED_INPUT"),
        }
    }

    fn pieces(&self) -> usize {
        self.units.div_ceil(COLUMNS) * self.samples.div_ceil(SAMPLES)
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let (inputs, units, groups) = (self.inputs, self.units, self.samples.div_ceil(SAMPLES));
        let (k, n) = (piece / groups * COLUMNS, piece % groups * SAMPLES);
        let (columns, count) = (COLUMNS.min(units - k), SAMPLES.min(self.samples - n));
        let parameters = replica * self.stride;
        let sample = if self.shared_input { n } else { replica * self.samples + n };
        debug_assert!(parameters + units * inputs <= self.weight.len());
        debug_assert!((sample + count) * inputs <= self.features.len());
        let (start, panel) = scratch.floats(COLUMNS + panel::FLOATS).split_at_mut(COLUMNS);
        start.fill(0.0);
        // SAFETY: the dispatch only reads features, weight and bias, and only this piece accesses these logits.
        unsafe {
            start[..columns].copy_from_slice(self.bias.read(parameters + k..parameters + k + columns));
            for steps in panel::blocks(inputs) {
                let weight = self.weight.at(parameters + k * inputs + steps.start);
                panel::pack_columns::<L>(weight, inputs, steps.len(), columns, panel.as_mut_ptr());
                let rows = Rows {
                    values: self.features.at(sample * inputs + steps.start),
                    row: inputs,
                    step: 1,
                    out: self.logits.at((replica * self.samples + n) * units + k),
                    out_row: units,
                    count,
                    columns,
                };
                rows.add::<L>(panel.as_ptr(), steps.len(), (steps.start == 0).then_some(start.as_ptr()));
            }
        }
    }
}
