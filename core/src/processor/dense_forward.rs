//! Twin of shaders/dense_forward.wgsl: logit = bias + weights times features. Order: channels in turn.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::pieces::Pieces;
use super::twin::{Launch, Twin};

/// Samples whose sums are computed in parallel, so that multiply-adds do not wait for each other.
const SAMPLES: usize = 8;

/// One dispatch of `dense_forward`. A piece is several groups of samples.
pub struct DenseForward {
    features: View<f32>,
    weight: View<f32>,
    bias: View<f32>,
    logits: View<f32>,
    inputs: usize,
    units: usize,
    samples: usize,
    stride: usize,
    pieces: Pieces,
}

impl Twin for DenseForward {
    fn new(launch: &Launch<'_>) -> Self {
        let (inputs, units, samples) = (launch.size("C"), launch.size("K"), launch.samples());
        Self {
            features: launch.floats(0),
            weight: launch.floats(1),
            bias: launch.floats(2),
            logits: launch.floats(3),
            inputs,
            units,
            samples,
            stride: launch.job().parameter_stride as usize,
            pieces: Pieces::new(samples.div_ceil(SAMPLES), SAMPLES * inputs * units.div_ceil(8)),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let (inputs, units) = (self.inputs, self.units);
        let parameters = replica * self.stride;
        let across = units.next_multiple_of(L::N);
        // The bias, then the weights [C][K], rows padded to whole vectors.
        let table = scratch.floats((inputs + 1) * across);
        table.fill(0.0);
        // SAFETY: the dispatch only reads these.
        let (weight, bias) = unsafe {
            let weight = self.weight.read(parameters..parameters + units * inputs);
            (weight, self.bias.read(parameters..parameters + units))
        };
        table[..units].copy_from_slice(bias);
        for (k, row) in weight.chunks_exact(inputs).enumerate() {
            for (c, value) in row.iter().enumerate() {
                table[(c + 1) * across + k] = *value;
            }
        }
        for group in self.pieces.range(piece) {
            for k in (0..units).step_by(L::N) {
                // Beyond the last sample, the last one is computed again and not written.
                let samples: [usize; SAMPLES] = std::array::from_fn(|i| (group * SAMPLES + i).min(self.samples - 1));
                debug_assert!((replica + 1) * self.samples * inputs <= self.features.len());
                debug_assert!((replica + 1) * self.samples * units <= self.logits.len());
                // SAFETY: the dispatch only reads features, table has whole vectors, and only this piece accesses these
                // samples of the logits.
                unsafe {
                    let from = table.as_ptr().add(k);
                    let features = samples.map(|n| self.features.at((replica * self.samples + n) * inputs));
                    let mut sums = [L::load(from); SAMPLES];
                    for c in 0..inputs {
                        let weights = L::load(from.add((c + 1) * across));
                        for i in 0..SAMPLES {
                            sums[i] = L::mac(weights, L::splat(*features[i].add(c)), sums[i]);
                        }
                    }
                    for i in 0..SAMPLES.min(self.samples - group * SAMPLES) {
                        let at = (replica * self.samples + samples[i]) * units + k;
                        L::store_first(self.logits.at(at), L::N.min(units - k), sums[i]);
                    }
                }
            }
        }
    }
}
