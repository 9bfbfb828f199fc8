//! Plain loops of the differential equations.

use std::array::from_fn;

use super::Reading;
use super::numbers::{relative, ulps};
use super::orders::{add, each, pairwise64};

impl Reading<'_> {
    pub(super) fn heat_steps(&self) {
        let [points, stop_bits] = self.sizes(["POINTS", "STOP_BITS"]);
        let [orders, rates, u, progress] = self.arrays[..] else { unreachable!() };
        let steps = match self.argument("steps") as u32 {
            0 => orders.word(0),
            steps => steps,
        };
        for r in 0..self.replicas {
            let (done, mut stopped) = (progress.word(r * 2), progress.word(r * 2 + 1));
            let mut values: Vec<f32> = (0..points).map(|i| u.get(r * points + i)).collect();
            for step in 1..=steps {
                let old = values.clone();
                if stopped >= done + step {
                    for i in 1..points - 1 {
                        values[i] = self.mac(rates.get(r), (old[i - 1] + old[i + 1]) - 2.0 * old[i], old[i]);
                    }
                }
                if values.iter().any(|value| value.abs().to_bits() as usize > stop_bits) {
                    stopped = stopped.min(done + step);
                }
            }
            for (i, value) in values.into_iter().enumerate() {
                u.set(r * points + i, value);
            }
            progress.set_word(r * 2, done + steps);
            progress.set_word(r * 2 + 1, stopped);
        }
    }

    pub(super) fn pde_linear_update(&self) {
        let [gram, source, dots, coefficients, parameters] = self.arrays[..] else { unreachable!() };
        for [r, e] in each([self.replicas, self.size("ELEMENTS")]) {
            let [dt, alpha, by_gram, by_source, by_dot] = from_fn(|field| coefficients.get(r * 8 + field));
            let at = r * self.stride() + e;
            let w = parameters.get(at);
            let factor = self.mac(by_dot, dots.get(r), by_source);
            let g = self.mac(by_gram, gram.get(at), self.mac(factor, source.get(e), alpha * w));
            if dt != 0.0 {
                parameters.set(at, self.mac(-dt, g, w));
            }
        }
    }

    pub(super) fn pde_source_dot(&self) {
        let [parameters, source, dots] = self.arrays[..] else { unreachable!() };
        for r in 0..self.replicas {
            let take = |part, e| self.mac(parameters.get(r * self.stride() + e), source.get(e), part);
            dots.set(r, pairwise64(self.size("ELEMENTS"), 0.0, take, |a, b| a + b));
        }
    }

    pub(super) fn pde_measure(&self) {
        let [kernel, elements, stop_bits] = self.sizes(["KERNEL", "ELEMENTS", "STOP_BITS"]);
        let [parameters, scores, watches, rates, history] = self.arrays[..] else { unreachable!() };
        for r in 0..self.replicas {
            let (slot, reference) = (watches.word(r * 2), watches.word(r * 2 + 1) as usize);
            let pair = |e| [r, reference].map(|r| parameters.word(r * self.stride() + e));
            let take = |[squares, distance]: [f32; 2], e| {
                let [a, b] = pair(e);
                let w = f32::from_bits(a);
                [self.mac(w, w, squares), distance + relative(a, b)]
            };
            let [squares, distance] = pairwise64(elements, [0.0; 2], take, add);
            let pairs = || (0..elements).map(pair);
            let largest = pairs().map(|[a, _]| a & 0x7fff_ffff).max().unwrap_or(0);
            let differing = pairs().filter(|[a, b]| a != b).count() as u32;
            let farthest = pairs().map(|[a, b]| ulps(a, b)).max().unwrap_or(0);
            let distance = (distance / (kernel * kernel) as f32).to_bits();
            let sample = [scores.word(r * 2), squares.to_bits(), largest, distance, differing, farthest, 0, 0];
            let at = slot as usize * self.argument("replicas") + r;
            for (i, word) in sample.into_iter().enumerate() {
                history.set_word(at * 8 + i, word);
            }
            watches.set_word(r * 2, slot + 1);
            if largest as usize > stop_bits {
                rates.set_word(r * self.argument("rate_words") + self.argument("rate_word"), 0);
            }
        }
    }
}
