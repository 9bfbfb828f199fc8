//! Plain loops of activations and batch norm.

use std::array::from_fn;

use super::Reading;
use super::memory::{mask, whole};
use super::numbers::clamp;
use super::orders::{add, each, lane_sum, pairwise64};

impl Reading<'_> {
    /// BETA * z, clamped to -100..100.
    fn steepened(&self, z: f32) -> f32 {
        clamp(self.float("BETA") * z, -100.0, 100.0)
    }

    fn activate(&self, z: f32) -> f32 {
        match self.size("ACTIVATION") {
            // NaN passes through.
            1 => {
                if z <= 0.0 {
                    0.0
                } else {
                    z
                }
            }
            2 => z * self.math.sigmoid(self.steepened(z)),
            3 => self.math.tanh(z),
            _ => z,
        }
    }

    fn activate_slope(&self, z: f32) -> f32 {
        match self.size("ACTIVATION") {
            1 => {
                if z > 0.0 {
                    1.0
                } else {
                    0.0
                }
            }
            2 => {
                let t = self.steepened(z);
                let s = self.math.sigmoid(t);
                self.mac(t * s, 1.0 - s, s)
            }
            3 => {
                let a = self.math.tanh(z);
                self.mac(-a, a, 1.0)
            }
            _ => 1.0,
        }
    }

    pub(super) fn add(&self) {
        for at in 0..self.replicas * self.argument("elements") {
            self.arrays[2].set(at, self.arrays[0].get(at) + self.arrays[1].get(at));
        }
    }

    pub(super) fn gate(&self) {
        let elements = self.argument("elements");
        for at in 0..self.replicas * elements {
            let is_open = self.arrays[0].get(at % elements) > 0.0;
            self.arrays[2].set(at, if is_open { self.arrays[1].get(at) } else { 0.0 });
        }
    }

    pub(super) fn activation_forward(&self) {
        let [channels, height, width] = self.sizes(["C", "HEIGHT", "WIDTH"]);
        let (y, a) = (self.planes(0, channels, ""), self.planes(1, channels, ""));
        for at in each([self.replicas, self.samples, channels, height, whole(width)]) {
            a.set(at, self.activate(y.get(at)) * mask(at[4], width));
        }
    }

    pub(super) fn activation_backward(&self) {
        let [channels, height, width] = self.sizes(["C", "HEIGHT", "WIDTH"]);
        let (y, g) = (self.planes(0, channels, ""), self.planes(1, channels, ""));
        for at in each([self.replicas, self.samples, channels, height, whole(width)]) {
            g.set(at, g.get(at) * self.activate_slope(y.get(at)));
        }
    }

    pub(super) fn activation_features_forward(&self) {
        for at in 0..self.replicas * self.argument("elements") {
            self.arrays[1].set(at, self.activate(self.arrays[0].get(at)));
        }
    }

    pub(super) fn activation_features_backward(&self) {
        for at in 0..self.replicas * self.argument("elements") {
            let slope = self.activate_slope(self.arrays[0].get(at));
            self.arrays[1].set(at, self.arrays[1].get(at) * slope);
        }
    }

    /// The leaves of batch norm's sums, ordered by replica, channel, images of the leaf, row and vector of the row.
    fn leaves(&self) -> impl Iterator<Item = (usize, Leaf)> {
        let [channels, height, width, images] = self.sizes(["C", "HEIGHT", "WIDTH", "IMAGES"]);
        let samples = self.samples;
        let leaves = each([self.replicas, channels, samples.div_ceil(images), height, width.div_ceil(4)]);
        leaves.enumerate().map(move |(at, [r, c, chunk, h, quad])| {
            let first = chunk * images;
            (at, Leaf { r, c, h, first, images: images.min(samples - first), column: quad * 4 })
        })
    }

    /// Number of leaves of a channel.
    fn leaves_of_channel(&self) -> usize {
        let [height, width, images] = self.sizes(["HEIGHT", "WIDTH", "IMAGES"]);
        height * width.div_ceil(4) * self.samples.div_ceil(images)
    }

    /// `[mean, 1 / sqrt(var + eps), scale, shift]` of a channel.
    fn channel(&self, binding: usize, r: usize, c: usize) -> [f32; 4] {
        let at = (r * self.size("C") + c) * 4;
        from_fn(|field| self.arrays[binding].get(at + field))
    }

    pub(super) fn bn_statistics(&self) {
        let [channels, width] = self.sizes(["C", "WIDTH"]);
        let (y, leaves) = (self.planes(0, channels, ""), self.arrays[1]);
        for (at, leaf) in self.leaves() {
            let shift = y.get(leaf.pixel(0, 0));
            let (mut sum, mut squares) = ([0.0; 4], [0.0; 4]);
            for [i, lane] in each([leaf.images, 4]) {
                let d = (y.get(leaf.pixel(i, lane)) - shift) * mask(leaf.column + lane, width);
                sum[lane] += d;
                squares[lane] = self.mac(d, d, squares[lane]);
            }
            let s = lane_sum(sum);
            let offset = s / ((width - leaf.column).min(4) * leaf.images) as f32;
            let distances = self.mac(-s, offset, lane_sum(squares));
            leaves.set(at * 2, shift + offset);
            leaves.set(at * 2 + 1, if distances > 0.0 { distances } else { 0.0 });
        }
    }

    pub(super) fn bn_finalize(&self) {
        let [channels, height, width, images] = self.sizes(["C", "HEIGHT", "WIDTH", "IMAGES"]);
        let [leaves, scale, shift, running, coefficients] = self.arrays[..] else { unreachable!() };
        let (count, quads) = (self.leaves_of_channel(), width.div_ceil(4));
        for (channel, [r, c]) in each([self.replicas, channels]).enumerate() {
            let take = |part, leaf: usize| {
                let images = images.min(self.samples - leaf / (height * quads) * images);
                let columns = (width - leaf % quads * 4).min(4);
                let at = (channel * count + leaf) * 2;
                self.math.chan_merge(part, [(images * columns) as f32, leaves.get(at), leaves.get(at + 1)])
            };
            let [n, mean, distances] = pairwise64(count, [0.0; 3], take, |a, b| self.math.chan_merge(a, b));
            let deviation = (distances / n + self.float("EPSILON")).sqrt();
            let p = r * self.stride() + c;
            for (field, value) in [mean, 1.0 / deviation, scale.get(p), shift.get(p)].into_iter().enumerate() {
                coefficients.set(channel * 4 + field, value);
            }
            let unbiased = distances / (n - 1.0).max(1.0);
            let s = r * self.dispatch.job.running_stride as usize + c;
            for (at, new) in [(s, mean), (s + self.argument("mean_to_variance"), unbiased)] {
                running.set(at, self.mac(self.float("MOMENTUM"), new - running.get(at), running.get(at)));
            }
        }
    }

    pub(super) fn bn_running(&self) {
        let [scale, shift, running, coefficients] = self.arrays[..] else { unreachable!() };
        for (channel, [r, c]) in each([self.replicas, self.size("C")]).enumerate() {
            let (p, s) = (r * self.stride() + c, r * self.dispatch.job.running_stride as usize + c);
            let deviation = (running.get(s + self.argument("mean_to_variance")) + self.float("EPSILON")).sqrt();
            let fields = [running.get(s), 1.0 / deviation, scale.get(p), shift.get(p)];
            for (field, value) in fields.into_iter().enumerate() {
                coefficients.set(channel * 4 + field, value);
            }
        }
    }

    pub(super) fn bn_apply(&self) {
        let [channels, height, width] = self.sizes(["C", "HEIGHT", "WIDTH"]);
        let [y, shortcut, a] = [0, 2, 3].map(|binding| self.planes(binding, channels, ""));
        for at in each([self.replicas, self.samples, channels, height, whole(width)]) {
            let [mean, inverse, scale, shift] = if self.flag("PER_SAMPLE") {
                let plane = (at[0] * self.samples + at[1]) * channels + at[2];
                from_fn(|field| self.arrays[1].get(plane * 4 + field))
            } else {
                self.channel(1, at[0], at[2])
            };
            let mut z = self.mac((y.get(at) - mean) * inverse, scale, shift);
            if self.flag("SHORTCUT") {
                z += shortcut.get(at);
            }
            a.set(at, self.activate(z) * mask(at[4], width));
        }
    }

    pub(super) fn bn_backward_reduce(&self) {
        let channels = self.size("C");
        let [y, shortcut, g] = [0, 2, 3].map(|binding| self.planes(binding, channels, ""));
        for (at, leaf) in self.leaves() {
            let [mean, inverse, scale, shift] = self.channel(1, leaf.r, leaf.c);
            let (mut sum, mut products) = ([0.0; 4], [0.0; 4]);
            for [i, lane] in each([leaf.images, 4]) {
                let pixel = leaf.pixel(i, lane);
                let normalized = (y.get(pixel) - mean) * inverse;
                if self.size("ACTIVATION") != 0 {
                    let mut z = self.mac(normalized, scale, shift);
                    if self.flag("SHORTCUT") {
                        z += shortcut.get(pixel);
                    }
                    g.set(pixel, g.get(pixel) * self.activate_slope(z));
                }
                sum[lane] += g.get(pixel);
                products[lane] = self.mac(g.get(pixel), normalized, products[lane]);
            }
            self.arrays[4].set(at * 2, lane_sum(sum));
            self.arrays[4].set(at * 2 + 1, lane_sum(products));
        }
    }

    /// The pixel of column `lane` of quad `quad` of neighbouring planes, and whether it lies inside the row.
    fn quad_pixel(&self, [r, n, c]: [usize; 3], quad: usize, lane: usize) -> ([usize; 5], bool) {
        let [height, width] = self.sizes(["HEIGHT", "WIDTH"]);
        let quads = width.div_ceil(4);
        let column = quad % quads * 4 + lane;
        ([r, n, c + quad / (height * quads), quad / quads % height, column], column < width)
    }

    pub(super) fn gn_statistics(&self) {
        let [channels, height, width, group] = self.sizes(["C", "HEIGHT", "WIDTH", "GROUP"]);
        let [_, scale, shift, coefficients] = self.arrays[..] else { unreachable!() };
        let y = self.planes(0, channels, "");
        let all = group * height * width.div_ceil(4);
        for [r, n, g] in each([self.replicas, self.samples, channels / group]) {
            let first = [r, n, g * group];
            let of_lane = |_, lane: usize| {
                let origin = y.get(self.quad_pixel(first, lane, 0).0);
                let (mut count, mut sum, mut squares) = (0, [0.0; 4], [0.0; 4]);
                for [quad, column] in each([all, 4]).filter(|[quad, _]| quad % 64 == lane) {
                    let (pixel, is_inside) = self.quad_pixel(first, quad, column);
                    let d = (y.get(pixel) - origin) * if is_inside { 1.0 } else { 0.0 };
                    count += usize::from(is_inside);
                    sum[column] += d;
                    squares[column] = self.mac(d, d, squares[column]);
                }
                let s = lane_sum(sum);
                let offset = s / count as f32;
                let distances = self.mac(-s, offset, lane_sum(squares));
                [count as f32, origin + offset, if distances > 0.0 { distances } else { 0.0 }]
            };
            let merge = |a, b| self.math.chan_merge(a, b);
            let [count, mean, distances] = pairwise64(all.min(64), [0.0; 3], of_lane, merge);
            let inverse = 1.0 / (distances / count + self.float("EPSILON")).sqrt();
            for c in g * group..(g + 1) * group {
                let p = r * self.stride() + c;
                let fields = [mean, inverse, scale.get(p), shift.get(p)];
                for (field, value) in fields.into_iter().enumerate() {
                    coefficients.set(((r * self.samples + n) * channels + c) * 4 + field, value);
                }
            }
        }
    }

    pub(super) fn gn_backward_reduce(&self) {
        let [channels, height, width] = self.sizes(["C", "HEIGHT", "WIDTH"]);
        let [y, shortcut, g] = [0, 2, 3].map(|binding| self.planes(binding, channels, ""));
        let all = height * width.div_ceil(4);
        for (plane, [r, n, c]) in each([self.replicas, self.samples, channels]).enumerate() {
            let [mean, inverse, scale, shift] = from_fn(|field| self.arrays[1].get(plane * 4 + field));
            let of_lane = |_, lane: usize| {
                let (mut sum, mut products) = ([0.0; 4], [0.0; 4]);
                for [quad, column] in each([all, 4]).filter(|[quad, _]| quad % 64 == lane) {
                    let (pixel, _) = self.quad_pixel([r, n, c], quad, column);
                    let normalized = (y.get(pixel) - mean) * inverse;
                    if self.size("ACTIVATION") != 0 {
                        let mut z = self.mac(normalized, scale, shift);
                        if self.flag("SHORTCUT") {
                            z += shortcut.get(pixel);
                        }
                        g.set(pixel, g.get(pixel) * self.activate_slope(z));
                    }
                    sum[column] += g.get(pixel);
                    products[column] = self.mac(g.get(pixel), normalized, products[column]);
                }
                [lane_sum(sum), lane_sum(products)]
            };
            let total = pairwise64(all.min(64), [0.0; 2], of_lane, add);
            total.into_iter().enumerate().for_each(|(i, total)| self.arrays[4].set(plane * 2 + i, total));
        }
    }

    pub(super) fn gn_backward_finalize(&self) {
        let [channels, height, width, group] = self.sizes(["C", "HEIGHT", "WIDTH", "GROUP"]);
        let [sums, scale, gradient, means] = self.arrays[..] else { unreachable!() };
        let sum = |r: usize, n: usize, c: usize, i: usize| sums.get(((r * self.samples + n) * channels + c) * 2 + i);
        for (at, [r, n, g, i]) in each([self.replicas, self.samples, channels / group, 2]).enumerate() {
            let mut total = 0.0;
            for c in g * group..(g + 1) * group {
                total = self.mac(scale.get(r * self.stride() + c), sum(r, n, c, i), total);
            }
            means.set(at, total / (group * height * width) as f32);
        }
        for [r, c] in each([self.replicas, channels]) {
            for (i, at) in [(1, 0), (0, self.argument("scale_to_shift"))] {
                let total = (0..self.samples).fold(0.0, |total, n| total + sum(r, n, c, i));
                gradient.set(r * self.stride() + at + c, total);
            }
        }
    }

    pub(super) fn gn_backward_apply(&self) {
        let [channels, height, width, group] = self.sizes(["C", "HEIGHT", "WIDTH", "GROUP"]);
        let [y, g, dy] = [0, 1, 4].map(|binding| self.planes(binding, channels, ""));
        for at in each([self.replicas, self.samples, channels, height, whole(width)]) {
            let plane = (at[0] * self.samples + at[1]) * channels + at[2];
            let [mean, inverse, scale, _] = from_fn(|field| self.arrays[2].get(plane * 4 + field));
            let [mean_g, mean_product] = [0, 1].map(|i| self.arrays[3].get(plane / group * 2 + i));
            let normalized = (y.get(at) - mean) * inverse;
            let value = inverse * self.mac(normalized, -mean_product, self.mac(scale, g.get(at), -mean_g));
            dy.set(at, value * mask(at[4], width));
        }
    }

    pub(super) fn bias_coefficients(&self) {
        for (channel, [r, c]) in each([self.replicas, self.size("C")]).enumerate() {
            for (field, value) in [0.0, 1.0, 1.0, self.arrays[0].get(r * self.stride() + c)].into_iter().enumerate() {
                self.arrays[1].set(channel * 4 + field, value);
            }
        }
    }

    pub(super) fn bias_gradient(&self) {
        let count = self.leaves_of_channel();
        for (channel, [r, c]) in each([self.replicas, self.size("C")]).enumerate() {
            let take = |part, leaf: usize| part + self.arrays[0].get((channel * count + leaf) * 2);
            self.arrays[1].set(r * self.stride() + c, pairwise64(count, 0.0, take, |a, b| a + b));
        }
    }

    pub(super) fn bn_backward_finalize(&self) {
        let [channels, height, width] = self.sizes(["C", "HEIGHT", "WIDTH"]);
        let [leaves, gradient, means] = self.arrays[..] else { unreachable!() };
        let count = self.leaves_of_channel();
        for (channel, [r, c]) in each([self.replicas, channels]).enumerate() {
            let take = |part, leaf| {
                let at = (channel * count + leaf) * 2;
                add(part, [leaves.get(at), leaves.get(at + 1)])
            };
            let [sum, products] = pairwise64(count, [0.0; 2], take, add);
            let at = r * self.stride() + c;
            gradient.set(at, products);
            gradient.set(at + self.argument("scale_to_shift"), sum);
            let pixels = (self.samples * height * width) as f32;
            means.set(channel * 2, sum / pixels);
            means.set(channel * 2 + 1, products / pixels);
        }
    }

    pub(super) fn bn_backward_apply(&self) {
        let [channels, height, width] = self.sizes(["C", "HEIGHT", "WIDTH"]);
        let [y, g, dy] = [0, 1, 4].map(|binding| self.planes(binding, channels, ""));
        for at in each([self.replicas, self.samples, channels, height, whole(width)]) {
            let [mean, inverse, scale, _] = self.channel(2, at[0], at[2]);
            let [mean_g, mean_product] = [0, 1].map(|i| self.arrays[3].get((at[0] * channels + at[2]) * 2 + i));
            let normalized = (y.get(at) - mean) * inverse;
            let value = (scale * inverse) * self.mac(normalized, -mean_product, g.get(at) - mean_g);
            // The shaders omit the mask if rows are whole vectors: multiplying by 1 changes nothing.
            dy.set(at, value * mask(at[4], width));
        }
    }
}

/// Four neighbouring pixels of one channel in `images` images, beginning with image `first`.
struct Leaf {
    r: usize,
    c: usize,
    h: usize,
    first: usize,
    images: usize,
    column: usize,
}

impl Leaf {
    fn pixel(&self, image: usize, lane: usize) -> [usize; 5] {
        [self.r, self.first + image, self.c, self.h, self.column + lane]
    }
}
