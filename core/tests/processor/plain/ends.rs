//! Plain loops of the input, the dense layer and the losses.

use super::Reading;
use super::memory::whole;
use super::numbers::{clamp, nan_unless};
use super::orders::{add, each, pairwise64};

impl Reading<'_> {
    pub(super) fn batch_input(&self) {
        let [channels, height, width, margin] = self.sizes(["C", "HEIGHT", "WIDTH", "MARGIN"]);
        let [bytes, choices, levels, _] = self.arrays[..] else { unreachable!() };
        let x = self.planes(3, channels, "");
        for at in each([1, self.samples, channels, height, whole(width)]) {
            let [_, n, c, h, w] = at;
            if w >= width {
                x.set(at, 0.0);
                continue;
            }
            let choice = choices.word(n) as usize;
            let column = if choice >> 16 != 0 { width - 1 - w } else { w };
            // Row and column in the image extended by its margin.
            let (row, column) = (h + (choice & 255), column + ((choice >> 8) & 255));
            let inside = |i: usize, size: usize| (margin..margin + size).contains(&i);
            let byte = if inside(row, height) && inside(column, width) {
                let at = ((n * channels + c) * height + row - margin) * width + column - margin;
                (bytes.word(at / 4) >> (8 * (at % 4))) & 255
            } else {
                self.size("PAD_BYTE") as u32
            };
            x.set(at, levels.get(c * 256 + byte as usize));
        }
    }

    pub(super) fn flatten_forward(&self) {
        let [channels, height, width] = self.sizes(["C", "HEIGHT", "WIDTH"]);
        let x = self.planes(0, channels, "");
        for (feature, at) in each([self.replicas, self.samples, channels, height, width]).enumerate() {
            self.arrays[1].set(feature, x.get(at));
        }
    }

    pub(super) fn flatten_backward(&self) {
        let [channels, height, width] = self.sizes(["C", "HEIGHT", "WIDTH"]);
        let g = self.planes(1, channels, "");
        let mut feature = 0;
        for at in each([self.replicas, self.samples, channels, height, whole(width)]) {
            let is_inside = at[4] < width;
            g.set(at, if is_inside { self.arrays[0].get(feature) } else { 0.0 });
            feature += usize::from(is_inside);
        }
    }

    /// Index of a sample among those of the dense layer's features.
    fn feature_sample(&self, r: usize, n: usize) -> usize {
        if self.flag("SHARED_INPUT") { n } else { r * self.samples + n }
    }

    pub(super) fn dense_forward(&self) {
        let [channels, k] = self.sizes(["C", "K"]);
        let [features, weight, bias, logits] = self.arrays[..] else { unreachable!() };
        for (at, [r, n, k]) in each([self.replicas, self.samples, k]).enumerate() {
            let mut acc = bias.get(r * self.stride() + k);
            for c in 0..channels {
                let feature = features.get(self.feature_sample(r, n) * channels + c);
                acc = self.mac(weight.get(r * self.stride() + k * channels + c), feature, acc);
            }
            logits.set(at, acc);
        }
    }

    pub(super) fn dense_dinput(&self) {
        let [channels, units] = self.sizes(["C", "K"]);
        let [dlogits, weight, dfeatures] = self.arrays[..] else { unreachable!() };
        for (at, [r, n, c]) in each([self.replicas, self.samples, channels]).enumerate() {
            let mut acc = 0.0;
            for k in 0..units {
                let dlogit = dlogits.get((r * self.samples + n) * units + k);
                acc = self.mac(weight.get(r * self.stride() + k * channels + c), dlogit, acc);
            }
            dfeatures.set(at, acc);
        }
    }

    pub(super) fn dense_dweight(&self) {
        let [channels, units] = self.sizes(["C", "K"]);
        let [features, dlogits, gradient] = self.arrays[..] else { unreachable!() };
        // Column C holds the bias.
        for [r, k, c] in each([self.replicas, units, channels + 1]) {
            let is_bias = c == channels;
            let mut acc = 0.0;
            for n in 0..self.samples {
                let sample = r * self.samples + n;
                let feature = if is_bias { 1.0 } else { features.get(self.feature_sample(r, n) * channels + c) };
                acc = self.mac(feature, dlogits.get(sample * units + k), acc);
            }
            let at = if is_bias { self.argument("weight_to_bias") + k } else { k * channels + c };
            gradient.set(r * self.stride() + at, acc);
        }
    }

    pub(super) fn softmax_cross_entropy(&self) {
        let classes = self.size("K");
        let [logits, labels, dlogits, scores] = self.arrays[..] else { unreachable!() };
        for (sample, [_, n]) in each([self.replicas, self.samples]).enumerate() {
            let label = labels.word(n) as usize;
            let logit = |k| logits.get(sample * classes + k);
            let mut winner = 0;
            for k in 1..classes {
                if logit(k) > logit(winner) {
                    winner = k;
                }
            }
            let exp = |k| self.math.exp_finite(logit(k) - logit(winner));
            let mut sum = 0.0;
            for k in 0..classes {
                sum += exp(k);
            }
            for k in 0..classes {
                let answer = if k == label { 1.0 } else { 0.0 };
                dlogits.set(sample * classes + k, (exp(k) / sum - answer) / self.samples as f32);
            }
            let loss = self.math.log_positive(sum) + (logit(winner) - logit(label)).min(1e30);
            scores.set(sample * 2, nan_unless((0..classes).all(|k| logit(k).is_finite()), loss));
            scores.set(sample * 2 + 1, if winner == label { 1.0 } else { 0.0 });
        }
    }

    pub(super) fn squared_error(&self) {
        let classes = self.size("K");
        let [logits, labels, dlogits, scores] = self.arrays[..] else { unreachable!() };
        for (sample, [_, n]) in each([self.replicas, self.samples]).enumerate() {
            let label = labels.word(n) as usize;
            let logit = |k| logits.get(sample * classes + k);
            let (mut winner, mut sum) = (0, 0.0);
            for k in 0..classes {
                if logit(k) > logit(winner) {
                    winner = k;
                }
                let residual = logit(k) - if k == label { 1.0 } else { 0.0 };
                dlogits.set(sample * classes + k, residual / self.samples as f32);
                let bounded = clamp(residual, -1e15, 1e15);
                sum = self.mac(bounded, bounded, sum);
            }
            scores.set(sample * 2, nan_unless((0..classes).all(|k| logit(k).is_finite()), 0.5 * sum));
            scores.set(sample * 2 + 1, if winner == label { 1.0 } else { 0.0 });
        }
    }

    pub(super) fn binary_cross_entropy(&self) {
        let [logits, labels, dlogits, scores] = self.arrays[..] else { unreachable!() };
        for (sample, [_, n]) in each([self.replicas, self.samples]).enumerate() {
            let (logit, label) = (logits.get(sample), labels.word(n) as f32);
            dlogits.set(sample, (self.math.sigmoid(logit) - label) / self.samples as f32);
            let loss = (logit.max(0.0) - logit * label).min(1e30) + self.math.log1p_exp_neg_abs(logit);
            scores.set(sample * 2, nan_unless(logit.is_finite(), loss));
            scores.set(sample * 2 + 1, if (logit > 0.0) == (label > 0.5) { 1.0 } else { 0.0 });
        }
    }

    pub(super) fn score_sum(&self) {
        for r in 0..self.replicas {
            let take = |part, n| add(part, [0, 1].map(|i| self.arrays[0].get((r * self.samples + n) * 2 + i)));
            let [loss, correct] = pairwise64(self.samples, [0.0; 2], take, add);
            self.arrays[1].set(r * 2, loss);
            self.arrays[1].set(r * 2 + 1, correct);
        }
    }
}
