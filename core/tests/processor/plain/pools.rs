//! Plain loops of the pools.

use super::Reading;
use super::memory::{mask, whole};
use super::orders::{add, each, lane_sum};

impl Reading<'_> {
    pub(super) fn max_pool_forward(&self) {
        let [channels, height, width] = self.sizes(["C", "HEIGHT", "WIDTH"]);
        let (x, y) = (self.planes(0, channels, "X_"), self.planes(1, channels, "Y_"));
        for at in each([self.replicas, self.samples, channels, height, whole(width)]) {
            y.set(at, largest(window(at).map(|pixel| x.get(pixel))) * mask(at[4], width));
        }
    }

    pub(super) fn max_pool_backward(&self) {
        let [channels, height, width] = self.sizes(["C", "HEIGHT", "WIDTH"]);
        let (x, dy) = (self.planes(0, channels, "X_"), self.planes(1, channels, "Y_"));
        let dx = self.planes(2, channels, "X_");
        // A row of dx is written in whole vectors, two windows each.
        for at in each([self.replicas, self.samples, channels, height, width.next_multiple_of(2)]) {
            let values = window(at).map(|pixel| x.get(pixel));
            // The first of the largest pixels; the last pixel if the largest is NaN.
            let winner = values[..3].iter().position(|value| *value == largest(values)).unwrap_or(3);
            for (i, pixel) in window(at).into_iter().enumerate() {
                dx.set(pixel, if i == winner { dy.get(at) } else { 0.0 });
            }
        }
    }

    pub(super) fn pool_forward(&self) {
        let [channels, height, width] = self.sizes(["C", "HEIGHT", "WIDTH"]);
        let a = self.planes(0, channels, "");
        for (at, [r, n, c]) in each([self.replicas, self.samples, channels]).enumerate() {
            let mut total = [0.0; 4];
            for h in 0..height {
                let mut row = [0.0; 4];
                for w in 0..whole(width) {
                    row[w % 4] += a.get([r, n, c, h, w]);
                }
                total = add(total, row);
            }
            self.arrays[1].set(at, lane_sum(total) / (height * width) as f32);
        }
    }

    pub(super) fn pool_backward(&self) {
        let [channels, height, width] = self.sizes(["C", "HEIGHT", "WIDTH"]);
        let g = self.planes(1, channels, "");
        for at in each([self.replicas, self.samples, channels, height, whole(width)]) {
            let [r, n, c, _, w] = at;
            let dfeature = self.arrays[0].get((r * self.samples + n) * channels + c);
            g.set(at, dfeature / (height * width) as f32 * mask(w, width));
        }
    }
}

/// The pixels of the 2x2 window of a max pool's output pixel h, w, in row order.
fn window([r, n, c, h, w]: [usize; 5]) -> [[usize; 5]; 4] {
    [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(below, next)| [r, n, c, 2 * h + below, 2 * w + next])
}

/// The largest value, the first one if several are equal. NaN wins in the first place and loses elsewhere.
fn largest(values: [f32; 4]) -> f32 {
    values.into_iter().reduce(|most, value| if value > most { value } else { most }).unwrap_or(f32::NAN)
}
