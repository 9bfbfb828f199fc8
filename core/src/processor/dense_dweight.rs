//! Twin of shaders/dense_dweight.wgsl: the gradients of weight and bias. Order: samples in turn.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::pieces::Pieces;
use super::twin::{Launch, Twin};

/// Units whose sums are computed in parallel, so that multiply-adds do not wait for each other.
const UNITS: usize = 8;

/// One dispatch of `dense_dweight`. A piece is several groups of units.
pub struct DenseDweight {
    features: View<f32>,
    dlogits: View<f32>,
    gradient: View<f32>,
    inputs: usize,
    units: usize,
    samples: usize,
    stride: usize,
    weight_to_bias: usize,
    pieces: Pieces,
}

impl Twin for DenseDweight {
    fn new(launch: &Launch<'_>) -> Self {
        let (inputs, units, samples) = (launch.size("C"), launch.size("K"), launch.samples());
        Self {
            features: launch.floats(0),
            dlogits: launch.floats(1),
            gradient: launch.floats(2),
            inputs,
            units,
            samples,
            stride: launch.job().parameter_stride as usize,
            weight_to_bias: launch.argument("weight_to_bias"),
            pieces: Pieces::new(units.div_ceil(UNITS), UNITS * samples * inputs.div_ceil(8)),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, _scratch: &mut Scratch) {
        let (inputs, units) = (self.inputs, self.units);
        let gradient = replica * self.stride;
        let first = replica * self.samples;
        debug_assert!((first + self.samples) * inputs <= self.features.len());
        debug_assert!((first + self.samples) * units <= self.dlogits.len());
        debug_assert!(gradient + units * inputs <= self.gradient.len());
        for group in self.pieces.range(piece) {
            // Beyond the last unit, the last one is computed again and not written.
            let ks: [usize; UNITS] = std::array::from_fn(|i| (group * UNITS + i).min(units - 1));
            let count = UNITS.min(units - group * UNITS);
            // SAFETY: the dispatch only reads features and dlogits, where a whole vector may begin anywhere, and only this
            // piece accesses these units of the gradient.
            unsafe {
                for c in (0..inputs).step_by(L::N) {
                    let mut sums = [L::splat(0.0); UNITS];
                    for n in first..first + self.samples {
                        let features = L::load(self.features.at(n * inputs + c));
                        for i in 0..UNITS {
                            sums[i] = L::mac(features, L::splat(*self.dlogits.at(n * units + ks[i])), sums[i]);
                        }
                    }
                    for i in 0..count {
                        let to = self.gradient.at(gradient + ks[i] * inputs + c);
                        L::store_first(to, L::N.min(inputs - c), sums[i]);
                    }
                }
                let mut sums = [0.0; UNITS];
                for n in first..first + self.samples {
                    for i in 0..UNITS {
                        // Same as a multiply-add with a feature of 1.
                        sums[i] += *self.dlogits.at(n * units + ks[i]);
                    }
                }
                let bias = gradient + self.weight_to_bias + group * UNITS;
                self.gradient.write(bias..bias + count).copy_from_slice(&sums[..count]);
            }
        }
    }
}
