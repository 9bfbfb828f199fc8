//! Plain loops of the convolutions.

use std::array::from_fn;

use super::Reading;
use super::memory::{mask, whole};
use super::orders::{each, lane_sum};

impl Reading<'_> {
    pub(super) fn conv3x3_forward(&self) {
        let [channels, k, height, width] = self.sizes(["C", "K", "HEIGHT", "WIDTH"]);
        let x = self.planes(0, channels, "").shared_if(self.flag("SHARED_INPUT"));
        let (weights, y) = (self.packed(1, channels, 9), self.planes(2, k, ""));
        let accumulate = self.flag("ACCUMULATE");
        // The pixels of a row side by side: each keeps its own order of sums, and none waits for another.
        let mut row = vec![0.0; whole(width)];
        for [r, n, k, h] in each([self.replicas, self.samples, k, height]) {
            row.fill(0.0);
            for [c, kh] in each([channels, 3]) {
                let x = x.row(r, n, c, h + kh);
                for kw in 0..3 {
                    let weight = weights.get(r, k, c, kh * 3 + kw);
                    for (w, acc) in row.iter_mut().enumerate() {
                        *acc = self.mac(weight, x.get(w + kw), *acc);
                    }
                }
            }
            for (w, acc) in row.iter().enumerate() {
                let (at, new) = ([r, n, k, h, w], acc * mask(w, width));
                y.set(at, if accumulate { new + y.get(at) } else { new });
            }
        }
    }

    pub(super) fn conv3x3_dweight(&self) {
        let [channels, k, height, width, images] = self.sizes(["C", "K", "HEIGHT", "WIDTH", "IMAGES"]);
        let x = self.planes(0, channels, "").shared_if(self.flag("SHARED_INPUT"));
        let (dy, partial) = (self.planes(1, k, ""), self.arrays[2]);
        let (image_blocks, strips) = (self.samples.div_ceil(images), width.div_ceil(4));
        for (at, [r, block, strip, k, c]) in each([self.replicas, image_blocks, strips, k, channels]).enumerate() {
            // The taps side by side, for the same reason.
            let mut taps = [[0.0; 3]; 3];
            for n in block * images..((block + 1) * images).min(self.samples) {
                for h in 0..height {
                    let (dy, x) = (dy.row(r, n, k, h + 1), from_fn::<_, 3, _>(|kh| x.row(r, n, c, h + kh)));
                    for w in strip * 4..strip * 4 + 4 {
                        for (x, taps) in x.iter().zip(&mut taps) {
                            for (kw, acc) in taps.iter_mut().enumerate() {
                                *acc = self.mac(dy.get(w + 1), x.get(w + kw), *acc);
                            }
                        }
                    }
                }
            }
            taps.as_flattened().iter().enumerate().for_each(|(tap, acc)| partial.set(at * 9 + tap, *acc));
        }
    }

    pub(super) fn conv1x1_forward(&self) {
        let [channels, k, height, width] = self.sizes(["C", "K", "HEIGHT", "WIDTH"]);
        let (x, weights, y) = (self.planes(0, channels, ""), self.packed(1, channels, 1), self.planes(2, k, ""));
        let accumulate = self.flag("ACCUMULATE");
        for at in each([self.replicas, self.samples, k, height, whole(width)]) {
            let [r, n, k, h, w] = at;
            let mut acc = 0.0;
            for c in 0..channels {
                acc = self.mac(weights.get(r, k, c, 0), x.get([r, n, c, h, w]), acc);
            }
            let new = acc * mask(w, width);
            y.set(at, if accumulate { new + y.get(at) } else { new });
        }
    }

    pub(super) fn conv1x1_dweight(&self) {
        let [channels, k, height, width, images] = self.sizes(["C", "K", "HEIGHT", "WIDTH", "IMAGES"]);
        let (x, dy, partial) = (self.planes(0, channels, ""), self.planes(1, k, ""), self.arrays[2]);
        let (image_blocks, strips) = (self.samples.div_ceil(images), width.div_ceil(4));
        for (at, [r, block, strip, k, c]) in each([self.replicas, image_blocks, strips, k, channels]).enumerate() {
            let mut acc = 0.0;
            for n in block * images..((block + 1) * images).min(self.samples) {
                for h in 0..height {
                    for w in strip * 4..strip * 4 + 4 {
                        acc = self.mac(dy.get([r, n, k, h, w]), x.get([r, n, c, h, w]), acc);
                    }
                }
            }
            partial.set(at, acc);
        }
    }

    pub(super) fn conv_down_forward(&self) {
        let [channels, k, height, width] = self.sizes(["C", "K", "HEIGHT", "WIDTH"]);
        let x = self.planes(0, channels, "X_");
        let (weights, shortcut_weights) = (self.packed(1, channels, 9), self.packed(2, channels, 1));
        let (y, s) = (self.planes(3, k, "Y_"), self.planes(4, k, "Y_"));
        for at in each([self.replicas, self.samples, k, height, whole(width)]) {
            let [r, n, k, h, w] = at;
            let (mut acc, mut shortcut) = (0.0, 0.0);
            for c in 0..channels {
                for kh in 0..3 {
                    for kw in 0..3 {
                        acc = self.mac(weights.get(r, k, c, kh * 3 + kw), x.tap(r, n, c, 2 * h + kh, 2 * w + kw), acc);
                    }
                }
            }
            for c in 0..channels {
                shortcut = self.mac(shortcut_weights.get(r, k, c, 0), x.get([r, n, c, 2 * h, 2 * w]), shortcut);
            }
            y.set(at, acc * mask(w, width));
            s.set(at, shortcut * mask(w, width));
        }
    }

    pub(super) fn conv_down_dinput(&self) {
        let [channels, k, height, width] = self.sizes(["C", "K", "HEIGHT", "WIDTH"]);
        let (dy, ds) = (self.planes(0, k, "Y_"), self.planes(1, k, "Y_"));
        let (weights, shortcut_weights) = (self.packed(2, k, 9), self.packed(3, k, 1));
        let dx = self.planes(4, channels, "X_");
        // The taps that reach an even or odd row or column of dx, each with its offset in dy.
        let taps = |even| -> &[(usize, usize)] { if even { &[(1, 0)] } else { &[(2, 0), (0, 1)] } };
        for at in each([self.replicas, self.samples, channels, height, whole(width)]) {
            let [r, n, c, h, w] = at;
            let (mut acc, mut shortcut) = (0.0, 0.0);
            for k in 0..k {
                for (kh, below) in taps(h % 2 == 0) {
                    for (kw, next) in taps(w % 2 == 0) {
                        // The taps are packed in reverse order.
                        let weight = weights.get(r, c, k, 8 - (kh * 3 + kw));
                        acc = self.mac(weight, dy.get([r, n, k, h / 2 + below, w / 2 + next]), acc);
                    }
                }
                shortcut = self.mac(shortcut_weights.get(r, c, k, 0), ds.get([r, n, k, h / 2, w / 2]), shortcut);
            }
            let sum = if h % 2 == 0 && w % 2 == 0 { acc + shortcut } else { acc };
            dx.set(at, sum * mask(w, width));
        }
    }

    pub(super) fn conv_down_dweight(&self) {
        let [channels, k, height, width, images] = self.sizes(["C", "K", "HEIGHT", "WIDTH", "IMAGES"]);
        let (x, dy, ds) = (self.planes(0, channels, "X_"), self.planes(1, k, "Y_"), self.planes(2, k, "Y_"));
        let (partial, partial_shortcut) = (self.arrays[3], self.arrays[4]);
        let (image_blocks, strips) = (self.samples.div_ceil(images), width.div_ceil(4));
        let pairs = each([self.replicas, image_blocks, strips, k, channels]);
        for (at, [r, block, strip, k, c]) in pairs.enumerate() {
            let images = block * images..((block + 1) * images).min(self.samples);
            for kh in 0..3 {
                for kw in 0..3 {
                    let mut acc = 0.0;
                    for n in images.clone() {
                        for h in 0..height {
                            for w in strip * 4..strip * 4 + 4 {
                                acc = self.mac(dy.get([r, n, k, h, w]), x.tap(r, n, c, 2 * h + kh, 2 * w + kw), acc);
                            }
                        }
                    }
                    partial.set(at * 9 + kh * 3 + kw, acc);
                }
            }
            let mut acc = 0.0;
            for n in images {
                for h in 0..height {
                    for w in strip * 4..strip * 4 + 4 {
                        acc = self.mac(ds.get([r, n, k, h, w]), x.get([r, n, c, 2 * h, 2 * w]), acc);
                    }
                }
            }
            partial_shortcut.set(at, acc);
        }
    }

    pub(super) fn conv_dweight_reduce(&self) {
        let (elements, blocks) = (self.size("ELEMENTS"), self.argument("blocks"));
        for [r, e] in each([self.replicas, elements]) {
            let mut chains = [0.0; 8];
            for block in 0..blocks {
                chains[block % 8] += self.arrays[0].get((r * blocks + block) * elements + e);
            }
            let [low, high] = [0, 4].map(|i| lane_sum([chains[i], chains[i + 1], chains[i + 2], chains[i + 3]]));
            self.arrays[1].set(r * self.stride() + e, low + high);
        }
    }

    pub(super) fn conv_valid_forward(&self) {
        let [height, width, kernel] = self.sizes(["HEIGHT", "WIDTH", "KERNEL"]);
        let (x, y) = (self.planes(0, 1, "X_").shared_if(true), self.planes(2, 1, "Y_"));
        let kernel_row = whole(kernel);
        for at in each([self.replicas, self.samples, 1, height, whole(width)]) {
            let [r, n, c, h, w] = at;
            let mut acc = 0.0;
            for kh in 0..kernel {
                for kw in 0..kernel_row {
                    let weight = self.arrays[1].get(r * self.stride() + kh * kernel_row + kw);
                    acc = self.mac(weight, x.get([r, n, c, h + kh, w + kw]), acc);
                }
            }
            y.set(at, acc * mask(w, width));
        }
    }

    pub(super) fn conv_valid_dweight(&self) {
        let [height, width, kernel] = self.sizes(["HEIGHT", "WIDTH", "KERNEL"]);
        let (x, dy) = (self.planes(0, 1, "X_").shared_if(true), self.planes(1, 1, "Y_"));
        let elements = each([self.replicas, self.samples, height, kernel, whole(kernel)]);
        for (at, [r, n, h, kh, kw]) in elements.enumerate() {
            let mut acc = 0.0;
            for w in 0..whole(width) {
                acc = self.mac(dy.get([r, n, 0, h, w]), x.get([r, n, 0, h + kh, w + kw]), acc);
            }
            self.arrays[2].set(at, acc * mask(kw, kernel));
        }
    }

    pub(super) fn pack_weights(&self) {
        let [parameters, layers, layer_of_tile, packed] = self.arrays[..] else { unreachable!() };
        let packed_stride = self.dispatch.job.packed_stride as usize;
        for [r, v] in each([self.replicas, self.dispatch.tiles as usize * 64]) {
            let layer = layer_of_tile.word(v / 64) as usize * 8;
            let [source, first_vector, outers, inners, taps, transposed, vectors] =
                from_fn(|field| layers.word(layer + field) as usize);
            // The index [outer / 4][inner][tap] of the vector in its layer.
            let of_layer = v - first_vector;
            if of_layer >= vectors {
                continue;
            }
            let (tap, inner, outer) = (of_layer % taps, of_layer / taps % inners, of_layer / (taps * inners) * 4);
            for lane in 0..4 {
                let outer = outer + lane;
                let element = match transposed {
                    0 => (outer * inners + inner) * taps + tap,
                    _ => (inner * outers + outer) * taps + (taps - 1 - tap),
                };
                let from = r * self.stride() + source + element;
                packed.set(r * packed_stride + v * 4 + lane, if outer < outers { parameters.get(from) } else { 0.0 });
            }
        }
    }
}
