//! Twin of shaders/dense_dinput.wgsl: the gradient of the features. Order: units in turn.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::pieces::Pieces;
use super::twin::{Launch, Twin};

/// Samples whose sums are computed in parallel, so that multiply-adds do not wait for each other.
const SAMPLES: usize = 8;

/// One dispatch of `dense_dinput`. A piece is several groups of samples.
pub struct DenseDinput {
    dlogits: View<f32>,
    weight: View<f32>,
    dfeatures: View<f32>,
    inputs: usize,
    units: usize,
    samples: usize,
    stride: usize,
    pieces: Pieces,
}

impl Twin for DenseDinput {
    fn new(launch: &Launch<'_>) -> Self {
        let (inputs, units, samples) = (launch.size("C"), launch.size("K"), launch.samples());
        Self {
            dlogits: launch.floats(0),
            weight: launch.floats(1),
            dfeatures: launch.floats(2),
            inputs,
            units,
            samples,
            stride: launch.job().parameter_stride as usize,
            pieces: Pieces::new(samples.div_ceil(SAMPLES), SAMPLES * units * inputs.div_ceil(8)),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, _scratch: &mut Scratch) {
        let (inputs, units) = (self.inputs, self.units);
        debug_assert!(replica * self.stride + units * inputs <= self.weight.len());
        debug_assert!((replica + 1) * self.samples * units <= self.dlogits.len());
        debug_assert!((replica + 1) * self.samples * inputs <= self.dfeatures.len());
        for group in self.pieces.range(piece) {
            // Beyond the last sample, the last one is computed again and not written.
            let samples: [usize; SAMPLES] = std::array::from_fn(|i| (group * SAMPLES + i).min(self.samples - 1));
            for c in (0..inputs).step_by(L::N) {
                // SAFETY: the dispatch only reads weight and dlogits, where a whole vector may begin anywhere, and only
                // this piece accesses these samples of dfeatures.
                unsafe {
                    let weight = self.weight.at(replica * self.stride + c);
                    let dlogits = samples.map(|n| self.dlogits.at((replica * self.samples + n) * units));
                    let mut sums = [L::splat(0.0); SAMPLES];
                    for k in 0..units {
                        let weights = L::load(weight.add(k * inputs));
                        for i in 0..SAMPLES {
                            sums[i] = L::mac(weights, L::splat(*dlogits[i].add(k)), sums[i]);
                        }
                    }
                    for i in 0..SAMPLES.min(self.samples - group * SAMPLES) {
                        let at = (replica * self.samples + samples[i]) * inputs + c;
                        L::store_first(self.dfeatures.at(at), L::N.min(inputs - c), sums[i]);
                    }
                }
            }
        }
    }
}
