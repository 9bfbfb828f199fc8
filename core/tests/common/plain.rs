//! docs/ORDER.md as a program: what a dispatch of each shader computes, in plain loops on buffers of words. No vectors,
//! no tiles, no threads: what the shaders and their twins do fast is written here so that it can be read. Tests hold
//! both against it, bit for bit.
//!
//! Arithmetic is IEEE-754's, rounded to nearest even, each operation in the order that is written. The one choice left
//! is how `mac` rounds, the class: WGSL's `fma` everywhere stands for it.
//!
//! Rows of planes are written in whole vectors of four. In the columns beyond WIDTH the shaders compute from what lies
//! there (zeros of the border, pixels of the next row) and multiply by 0, which leaves +0 or -0; so does this.
//!
//! Shape letters: R replica, N sample, C channel, H W pixel, K output channel; kh kw kernel.

#![allow(dead_code, reason = "each test program uses a part of these helpers")]

use std::array::from_fn;
use std::cell::Cell;

use lastbit_core::processor::Class;
use lastbit_core::record::{Constant, Dispatch, Shader};

/// Runs a dispatch of any shader on `buffers`, which hold the words of the buffers of its table, in order.
pub fn run(dispatch: &Dispatch, buffers: &mut [Vec<u32>], class: Class) {
    let cells: Vec<&[Cell<u32>]> =
        buffers.iter_mut().map(|words| Cell::from_mut(words.as_mut_slice()).as_slice_of_cells()).collect();
    let arrays = dispatch.bindings.iter().map(|binding| {
        let words = cells[binding.buffer.index()];
        Array(&words[binding.offset as usize / 4..][..binding.bytes as usize / 4])
    });
    let (samples, replicas) = (dispatch.job.samples as usize, dispatch.replicas as usize);
    let this = Reading { dispatch, arrays: arrays.collect(), math: Math { class }, samples, replicas };
    match dispatch.kernel.shader() {
        Shader::ActivationBackward => this.activation_backward(),
        Shader::ActivationForward => this.activation_forward(),
        Shader::BatchInput => this.batch_input(),
        Shader::BinaryCrossEntropy => this.binary_cross_entropy(),
        Shader::BnApply => this.bn_apply(),
        Shader::BnBackwardApply => this.bn_backward_apply(),
        Shader::BnBackwardFinalize => this.bn_backward_finalize(),
        Shader::BnBackwardReduce => this.bn_backward_reduce(),
        Shader::BnFinalize => this.bn_finalize(),
        Shader::BnRunning => this.bn_running(),
        Shader::BnStatistics => this.bn_statistics(),
        Shader::Conv3x3Dweight | Shader::Conv3x3DweightStaged => this.conv3x3_dweight(),
        Shader::Conv3x3Forward | Shader::Conv3x3ForwardStaged => this.conv3x3_forward(),
        Shader::ConvDownDinput => this.conv_down_dinput(),
        Shader::ConvDownDweight => this.conv_down_dweight(),
        Shader::ConvDownForward => this.conv_down_forward(),
        Shader::ConvDweightReduce => this.conv_dweight_reduce(),
        Shader::ConvValidDweight => this.conv_valid_dweight(),
        Shader::ConvValidForward => this.conv_valid_forward(),
        Shader::CopyRate => this.copy_rate(),
        Shader::DenseDinput => this.dense_dinput(),
        Shader::DenseDweight => this.dense_dweight(),
        Shader::DenseForward => this.dense_forward(),
        Shader::DivergenceBlocks => this.divergence_blocks(),
        Shader::DivergenceTensors => this.divergence_tensors(),
        Shader::FingerprintBlocks => this.fingerprint_blocks(),
        Shader::FingerprintSum => this.fingerprint_sum(),
        Shader::FlipBit => this.flip_bit(),
        Shader::FmaRate => this.fma_rate(),
        Shader::HeatSteps => this.heat_steps(),
        Shader::MaxPoolBackward => this.max_pool_backward(),
        Shader::MaxPoolForward => this.max_pool_forward(),
        Shader::PackWeights => this.pack_weights(),
        Shader::PdeLinearUpdate => this.pde_linear_update(),
        Shader::PdeMeasure => this.pde_measure(),
        Shader::PdeSourceDot => this.pde_source_dot(),
        Shader::PoolBackward => this.pool_backward(),
        Shader::PoolForward => this.pool_forward(),
        Shader::RunningNotFinite => this.running_not_finite(),
        Shader::ScoreSum => this.score_sum(),
        Shader::SgdUpdate => this.sgd_update(),
        Shader::SharedFunctions => this.shared_functions(),
        Shader::SoftmaxCrossEntropy => this.softmax_cross_entropy(),
    }
}

// Orders.

/// All indices below `sizes`, the last one fastest: a nest of loops. The i-th belongs to element i of a dense array.
fn each<const D: usize>(sizes: [usize; D]) -> impl Iterator<Item = [usize; D]> {
    let mut next = [0; D];
    (0..sizes.iter().product()).map(move |_| {
        let here = next;
        for axis in (0..D).rev() {
            next[axis] += 1;
            if next[axis] < sizes[axis] {
                break;
            }
            next[axis] = 0;
        }
        here
    })
}

/// The four lanes of a vector.
fn lane_sum(v: [f32; 4]) -> f32 {
    (v[0] + v[1]) + (v[2] + v[3])
}

/// Lane l of 64 begins with `zero` and takes elements l, l + 64, ... in turn; then it takes in lane l + 32, l + 16, ...
fn pairwise64<T: Copy>(count: usize, zero: T, take: impl Fn(T, usize) -> T, merge: impl Fn(T, T) -> T) -> T {
    let mut lanes: [T; 64] = from_fn(|lane| (lane..count).step_by(64).fold(zero, &take));
    for width in [32, 16, 8, 4, 2, 1] {
        for lane in 0..width {
            lanes[lane] = merge(lanes[lane], lanes[lane + width]);
        }
    }
    lanes[0]
}

/// Sums, number by number.
fn add<const D: usize>(a: [f32; D], b: [f32; D]) -> [f32; D] {
    from_fn(|i| a[i] + b[i])
}

// Memory.

/// What is bound to a kernel: 32-bit words, which may be floats.
#[derive(Clone, Copy)]
struct Array<'a>(&'a [Cell<u32>]);

impl Array<'_> {
    fn word(self, at: usize) -> u32 {
        self.0[at].get()
    }

    fn set_word(self, at: usize, value: u32) {
        self.0[at].set(value);
    }

    fn get(self, at: usize) -> f32 {
        f32::from_bits(self.word(at))
    }

    fn set(self, at: usize, value: f32) {
        self.set_word(at, value.to_bits());
    }
}

/// Planes `[R][N][C]` of floats (`core/src/ops/planes.rs`): a row begins with four zeros, a plane with a row of zeros.
#[derive(Clone, Copy)]
struct Planes<'a> {
    array: Array<'a>,
    /// 0 where all replicas share the planes of one.
    samples_of_replica: usize,
    channels: usize,
    /// Floats from row to row.
    row: usize,
    /// Floats from plane to plane.
    plane: usize,
}

impl Planes<'_> {
    fn shared_if(self, shared: bool) -> Self {
        Self { samples_of_replica: if shared { 0 } else { self.samples_of_replica }, ..self }
    }

    /// Where pixel h - 1, w - 1 lies; 0 is the border. Beyond a row the next one follows.
    fn tap_at(self, [r, n, c, h, w]: [usize; 5]) -> usize {
        ((r * self.samples_of_replica + n) * self.channels + c) * self.plane + h * self.row + 3 + w
    }

    /// Pixel h - 1, w - 1.
    fn tap(self, r: usize, n: usize, c: usize, h: usize, w: usize) -> f32 {
        self.array.get(self.tap_at([r, n, c, h, w]))
    }

    fn get(self, [r, n, c, h, w]: [usize; 5]) -> f32 {
        self.tap(r, n, c, h + 1, w + 1)
    }

    fn set(self, [r, n, c, h, w]: [usize; 5], value: f32) {
        self.array.set(self.tap_at([r, n, c, h + 1, w + 1]), value);
    }
}

/// Packed weights `[R][outer / 4][inner][taps][4]`.
struct Packed<'a> {
    array: Array<'a>,
    stride: usize,
    inner: usize,
    taps: usize,
}

impl Packed<'_> {
    fn get(&self, r: usize, outer: usize, inner: usize, tap: usize) -> f32 {
        let vector = (outer / 4 * self.inner + inner) * self.taps + tap;
        self.array.get(r * self.stride + vector * 4 + outer % 4)
    }
}

/// Columns of a row of whole vectors.
fn whole(width: usize) -> usize {
    width.next_multiple_of(4)
}

/// 1 inside a row, else 0.
fn mask(w: usize, width: usize) -> f32 {
    if w < width { 1.0 } else { 0.0 }
}

// Numbers.

/// The formulas of `shaders/shared/`.
#[derive(Clone, Copy)]
struct Math {
    class: Class,
}

#[allow(clippy::excessive_precision, clippy::approx_constant, reason = "numbers as the shaders write them")]
impl Math {
    /// acc + a * b, rounded once or twice.
    fn mac(self, a: f32, b: f32, acc: f32) -> f32 {
        match self.class {
            Class::Fused => a.mul_add(b, acc),
            Class::Separate => a * b + acc,
        }
    }

    /// `coefficients[0] x^n + coefficients[1] x^(n-1) ...` by Horner's rule.
    fn polynomial(self, x: f32, coefficients: &[f32]) -> f32 {
        coefficients[1..].iter().fold(coefficients[0], |p, coefficient| self.mac(p, x, *coefficient))
    }

    fn exp_finite(self, value: f32) -> f32 {
        let x = clamp(value, -87.0, 88.0);
        let n = (x * 1.44269504).round_ties_even() as i32;
        let units = (x * 16777216.0).round_ties_even() as i32 - n * 11629079 - ((n * 63442 + 32768) >> 16);
        let r = if n == 0 { x } else { units as f32 * 5.9604645e-8 };
        let p = self.polynomial(
            r,
            &[1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1],
        );
        let e = self.mac(p * r, r, r) + 1.0;
        e * f32::from_bits(((n + 127) as u32) << 23)
    }

    fn log_near_one(self, f: f32, n: f32) -> f32 {
        let z = f * f;
        let p = self.polynomial(
            f,
            &[
                7.0376836292e-2,
                -1.1514610310e-1,
                1.1676998740e-1,
                -1.2420140846e-1,
                1.4249322787e-1,
                -1.6668057665e-1,
                2.0000714765e-1,
                -2.4999993993e-1,
                3.3333331174e-1,
            ],
        );
        let y = self.mac(n, -2.12194440e-4, p * f * z);
        let y = self.mac(-0.5, z, y);
        self.mac(n, 0.693359375, f + y)
    }

    fn log_positive(self, x: f32) -> f32 {
        let exponent = (x.to_bits() >> 23) as i32 - 126;
        let m = f32::from_bits((x.to_bits() & 0x007f_ffff) | 0x3f00_0000);
        if m < 0.70710678 {
            self.log_near_one(m + m - 1.0, (exponent - 1) as f32)
        } else {
            self.log_near_one(m - 1.0, exponent as f32)
        }
    }

    fn sigmoid(self, x: f32) -> f32 {
        let e = if x.abs() > 87.0 { 0.0 } else { self.exp_finite(-x.abs()) };
        (if x < 0.0 { e } else { 1.0 }) / (1.0 + e)
    }

    fn log1p_exp_neg_abs(self, x: f32) -> f32 {
        let e = self.exp_finite(-x.abs());
        if e < 0.41421356 { self.log_near_one(e, 0.0) } else { self.log_near_one(0.5 * e - 0.5, 1.0) }
    }

    /// Merges the counts, means and sums of squared distances of two sets.
    fn chan_merge(self, a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
        if b[0] == 0.0 {
            return a;
        }
        if a[0] == 0.0 {
            return b;
        }
        let n = a[0] + b[0];
        let share = b[0] / n;
        let distance = b[1] - a[1];
        [n, self.mac(distance, share, a[1]), a[2] + self.mac(distance * distance, a[0] * share, b[2])]
    }
}

/// NaN becomes the lower bound, as where drivers take the larger number and then the smaller one.
fn clamp(x: f32, low: f32, high: f32) -> f32 {
    if x > low { x.min(high) } else { low }
}

fn nan_unless(is_sound: bool, value: f32) -> f32 {
    if is_sound { value } else { f32::NAN }
}

/// Units in the last place between two floats.
fn ulps(a: u32, b: u32) -> u32 {
    // A float's place in the order of all floats.
    let rank = |bits: u32| if bits >> 31 == 0 { bits as i32 } else { i32::MIN.wrapping_sub(bits as i32) };
    rank(a).abs_diff(rank(b))
}

/// 2|a-b| / (|a|+|b|) of two floats; subnormal numbers count as zero.
fn relative(a: u32, b: u32) -> f32 {
    if a == b {
        return 0.0;
    }
    let exponent = |bits: u32| bits & 0x7f80_0000;
    let top = exponent(a).max(exponent(b));
    if top == 0x7f80_0000 {
        return 2.0;
    }
    // Both times a power of two, away from the ends of the range: added to the exponents.
    let steps = match top {
        0..0x2000_0000 => 0x2000_0000,
        0x7d80_0001.. => -0x0200_0000,
        _ => 0,
    };
    let moved = |bits: u32| {
        let is_normal = exponent(bits) > 0 && exponent(bits) as i32 + steps > 0;
        if is_normal { f32::from_bits(bits.wrapping_add_signed(steps)) } else { 0.0 }
    };
    let (x, y) = (moved(a), moved(b));
    let sum = x.abs() + y.abs();
    if sum > 0.0 { 2.0 * ((x - y).abs() / sum) } else { 0.0 }
}

fn avalanche(value: u32) -> u32 {
    let h = (value ^ (value >> 16)).wrapping_mul(0x85eb_ca6b);
    let h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

fn mix(bits: u32, index: u32, tensor: u32, salt: u32) -> u32 {
    avalanche(bits ^ avalanche(index ^ avalanche(tensor ^ salt)))
}

/// A dispatch that is being read.
struct Reading<'a> {
    dispatch: &'a Dispatch,
    /// Bindings 1, 2, ...
    arrays: Vec<Array<'a>>,
    math: Math,
    samples: usize,
    replicas: usize,
}

impl<'a> Reading<'a> {
    fn constant(&self, name: &str) -> Constant {
        let found = self.dispatch.kernel.constants().iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("{} has no constant {name}", self.dispatch.kernel.name())).1
    }

    fn size(&self, name: &str) -> usize {
        match self.constant(name) {
            Constant::U32(value) => value as usize,
            other => panic!("{name} is {other:?}"),
        }
    }

    fn sizes<const D: usize>(&self, names: [&str; D]) -> [usize; D] {
        names.map(|name| self.size(name))
    }

    fn float(&self, name: &str) -> f32 {
        match self.constant(name) {
            Constant::F32(value) => value,
            other => panic!("{name} is {other:?}"),
        }
    }

    fn flag(&self, name: &str) -> bool {
        match self.constant(name) {
            Constant::Bool(value) => value,
            other => panic!("{name} is {other:?}"),
        }
    }

    fn argument(&self, name: &str) -> usize {
        let names = self.dispatch.kernel.shader().arguments();
        let at = names.iter().position(|known| *known == name).unwrap_or_else(|| panic!("no argument {name}"));
        self.dispatch.job.arguments[at] as usize
    }

    /// From replica to replica in an arena of parameters, momenta or gradients.
    fn stride(&self) -> usize {
        self.dispatch.job.parameter_stride as usize
    }

    fn mac(&self, a: f32, b: f32, acc: f32) -> f32 {
        self.math.mac(a, b, acc)
    }

    /// The planes of a binding, whose row and plane have `prefix` before their names.
    fn planes(&self, binding: usize, channels: usize, prefix: &str) -> Planes<'a> {
        let [row, plane] = ["ROW", "PLANE"].map(|name| self.size(&format!("{prefix}{name}")) * 4);
        Planes { array: self.arrays[binding], samples_of_replica: self.samples, channels, row, plane }
    }

    fn packed(&self, binding: usize, inner: usize, taps: usize) -> Packed<'a> {
        let stride = self.dispatch.job.packed_stride as usize;
        Packed { array: self.arrays[binding], stride, inner, taps }
    }

    // Convolutions.

    fn conv3x3_forward(&self) {
        let [channels, k, height, width] = self.sizes(["C", "K", "HEIGHT", "WIDTH"]);
        let x = self.planes(0, channels, "").shared_if(self.flag("SHARED_INPUT"));
        let (weights, y) = (self.packed(1, channels, 9), self.planes(2, k, ""));
        for at in each([self.replicas, self.samples, k, height, whole(width)]) {
            let [r, n, k, h, w] = at;
            let mut acc = 0.0;
            for [c, kh, kw] in each([channels, 3, 3]) {
                acc = self.mac(weights.get(r, k, c, kh * 3 + kw), x.tap(r, n, c, h + kh, w + kw), acc);
            }
            let new = acc * mask(w, width);
            y.set(at, if self.flag("ACCUMULATE") { new + y.get(at) } else { new });
        }
    }

    fn conv3x3_dweight(&self) {
        let [channels, k, height, width, images] = self.sizes(["C", "K", "HEIGHT", "WIDTH", "IMAGES"]);
        let x = self.planes(0, channels, "").shared_if(self.flag("SHARED_INPUT"));
        let (dy, partial) = (self.planes(1, k, ""), self.arrays[2]);
        let (image_blocks, strips) = (self.samples.div_ceil(images), width.div_ceil(4));
        let elements = each([self.replicas, image_blocks, strips, k, channels, 3, 3]);
        for (at, [r, block, strip, k, c, kh, kw]) in elements.enumerate() {
            let first = block * images;
            let mut acc = 0.0;
            for [i, h, lane] in each([images.min(self.samples - first), height, 4]) {
                let (n, w) = (first + i, strip * 4 + lane);
                acc = self.mac(dy.get([r, n, k, h, w]), x.tap(r, n, c, h + kh, w + kw), acc);
            }
            partial.set(at, acc);
        }
    }

    fn conv_down_forward(&self) {
        let [channels, k, height, width] = self.sizes(["C", "K", "HEIGHT", "WIDTH"]);
        let x = self.planes(0, channels, "X_");
        let (weights, shortcut_weights) = (self.packed(1, channels, 9), self.packed(2, channels, 1));
        let (y, s) = (self.planes(3, k, "Y_"), self.planes(4, k, "Y_"));
        for at in each([self.replicas, self.samples, k, height, whole(width)]) {
            let [r, n, k, h, w] = at;
            let (mut acc, mut shortcut) = (0.0, 0.0);
            for [c, kh, kw] in each([channels, 3, 3]) {
                acc = self.mac(weights.get(r, k, c, kh * 3 + kw), x.tap(r, n, c, 2 * h + kh, 2 * w + kw), acc);
            }
            for c in 0..channels {
                shortcut = self.mac(shortcut_weights.get(r, k, c, 0), x.get([r, n, c, 2 * h, 2 * w]), shortcut);
            }
            y.set(at, acc * mask(w, width));
            s.set(at, shortcut * mask(w, width));
        }
    }

    fn conv_down_dinput(&self) {
        let [channels, k, height, width] = self.sizes(["C", "K", "HEIGHT", "WIDTH"]);
        let (dy, ds) = (self.planes(0, k, "Y_"), self.planes(1, k, "Y_"));
        let (weights, shortcut_weights) = (self.packed(2, k, 9), self.packed(3, k, 1));
        let dx = self.planes(4, channels, "X_");
        // The taps that meet an even or odd row or column of dx, each with how much further on it meets dy.
        let taps = |even| -> &[(usize, usize)] { if even { &[(1, 0)] } else { &[(2, 0), (0, 1)] } };
        for at in each([self.replicas, self.samples, channels, height, whole(width)]) {
            let [r, n, c, h, w] = at;
            let (mut acc, mut shortcut) = (0.0, 0.0);
            for k in 0..k {
                for (kh, below) in taps(h % 2 == 0) {
                    for (kw, next) in taps(w % 2 == 0) {
                        // Packed in reverse.
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

    fn conv_down_dweight(&self) {
        let [channels, k, height, width, images] = self.sizes(["C", "K", "HEIGHT", "WIDTH", "IMAGES"]);
        let (x, dy, ds) = (self.planes(0, channels, "X_"), self.planes(1, k, "Y_"), self.planes(2, k, "Y_"));
        let (partial, partial_shortcut) = (self.arrays[3], self.arrays[4]);
        let (image_blocks, strips) = (self.samples.div_ceil(images), width.div_ceil(4));
        let pairs = each([self.replicas, image_blocks, strips, k, channels]);
        for (at, [r, block, strip, k, c]) in pairs.enumerate() {
            let first = block * images;
            let pixels = || each([images.min(self.samples - first), height, 4]);
            for [kh, kw] in each([3, 3]) {
                let mut acc = 0.0;
                for [i, h, lane] in pixels() {
                    let (n, w) = (first + i, strip * 4 + lane);
                    acc = self.mac(dy.get([r, n, k, h, w]), x.tap(r, n, c, 2 * h + kh, 2 * w + kw), acc);
                }
                partial.set(at * 9 + kh * 3 + kw, acc);
            }
            let mut acc = 0.0;
            for [i, h, lane] in pixels() {
                let (n, w) = (first + i, strip * 4 + lane);
                acc = self.mac(ds.get([r, n, k, h, w]), x.get([r, n, c, 2 * h, 2 * w]), acc);
            }
            partial_shortcut.set(at, acc);
        }
    }

    fn conv_dweight_reduce(&self) {
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

    fn conv_valid_forward(&self) {
        let [height, width, kernel] = self.sizes(["HEIGHT", "WIDTH", "KERNEL"]);
        let (x, y) = (self.planes(0, 1, "X_").shared_if(true), self.planes(2, 1, "Y_"));
        let kernel_row = whole(kernel);
        for at in each([self.replicas, self.samples, 1, height, whole(width)]) {
            let [r, n, c, h, w] = at;
            let mut acc = 0.0;
            for [kh, kw] in each([kernel, kernel_row]) {
                let weight = self.arrays[1].get(r * self.stride() + kh * kernel_row + kw);
                acc = self.mac(weight, x.get([r, n, c, h + kh, w + kw]), acc);
            }
            y.set(at, acc * mask(w, width));
        }
    }

    fn conv_valid_dweight(&self) {
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

    fn pack_weights(&self) {
        let [parameters, layers, layer_of_tile, packed] = self.arrays[..] else { unreachable!() };
        let packed_stride = self.dispatch.job.packed_stride as usize;
        for [r, v] in each([self.replicas, self.dispatch.tiles as usize * 64]) {
            let layer = layer_of_tile.word(v / 64) as usize * 8;
            let [source, first_vector, outers, inners, taps, transposed, vectors] =
                from_fn(|field| layers.word(layer + field) as usize);
            // Vector [outer / 4][inner][tap] of the layer.
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

    // Activations and batch norm.

    /// BETA z, bounded.
    fn steepened(&self, z: f32) -> f32 {
        clamp(self.float("BETA") * z, -100.0, 100.0)
    }

    fn activate(&self, z: f32) -> f32 {
        match self.size("ACTIVATION") {
            // NaN stays.
            1 => {
                if z <= 0.0 {
                    0.0
                } else {
                    z
                }
            }
            2 => z * self.math.sigmoid(self.steepened(z)),
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
            _ => 1.0,
        }
    }

    fn activation_forward(&self) {
        let [channels, height, width] = self.sizes(["C", "HEIGHT", "WIDTH"]);
        let (y, a) = (self.planes(0, channels, ""), self.planes(1, channels, ""));
        for at in each([self.replicas, self.samples, channels, height, whole(width)]) {
            a.set(at, self.activate(y.get(at)) * mask(at[4], width));
        }
    }

    fn activation_backward(&self) {
        let [channels, height, width] = self.sizes(["C", "HEIGHT", "WIDTH"]);
        let (y, g) = (self.planes(0, channels, ""), self.planes(1, channels, ""));
        for at in each([self.replicas, self.samples, channels, height, whole(width)]) {
            g.set(at, g.get(at) * self.activate_slope(y.get(at)));
        }
    }

    /// The leaves of batch norm's sums, in order: replica, channel, images of the leaf, row, vector of the row.
    fn leaves(&self) -> impl Iterator<Item = (usize, Leaf)> {
        let [channels, height, width, images] = self.sizes(["C", "HEIGHT", "WIDTH", "IMAGES"]);
        let samples = self.samples;
        let leaves = each([self.replicas, channels, samples.div_ceil(images), height, width.div_ceil(4)]);
        leaves.enumerate().map(move |(at, [r, c, chunk, h, quad])| {
            let first = chunk * images;
            (at, Leaf { r, c, h, first, images: images.min(samples - first), column: quad * 4 })
        })
    }

    /// Leaves of a channel.
    fn leaves_of_channel(&self) -> usize {
        let [height, width, images] = self.sizes(["HEIGHT", "WIDTH", "IMAGES"]);
        height * width.div_ceil(4) * self.samples.div_ceil(images)
    }

    /// Mean, 1 / sqrt(var + eps), scale, shift.
    fn channel(&self, binding: usize, r: usize, c: usize) -> [f32; 4] {
        let at = (r * self.size("C") + c) * 4;
        from_fn(|field| self.arrays[binding].get(at + field))
    }

    fn bn_statistics(&self) {
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

    fn bn_finalize(&self) {
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

    fn bn_running(&self) {
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

    fn bn_apply(&self) {
        let [channels, height, width] = self.sizes(["C", "HEIGHT", "WIDTH"]);
        let [y, shortcut, a] = [0, 2, 3].map(|binding| self.planes(binding, channels, ""));
        for at in each([self.replicas, self.samples, channels, height, whole(width)]) {
            let [mean, inverse, scale, shift] = self.channel(1, at[0], at[2]);
            let mut z = self.mac((y.get(at) - mean) * inverse, scale, shift);
            if self.flag("SHORTCUT") {
                z += shortcut.get(at);
            }
            a.set(at, self.activate(z) * mask(at[4], width));
        }
    }

    fn bn_backward_reduce(&self) {
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

    fn bn_backward_finalize(&self) {
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

    fn bn_backward_apply(&self) {
        let [channels, height, width] = self.sizes(["C", "HEIGHT", "WIDTH"]);
        let [y, g, dy] = [0, 1, 4].map(|binding| self.planes(binding, channels, ""));
        for at in each([self.replicas, self.samples, channels, height, whole(width)]) {
            let [mean, inverse, scale, _] = self.channel(2, at[0], at[2]);
            let [mean_g, mean_product] = [0, 1].map(|i| self.arrays[3].get((at[0] * channels + at[2]) * 2 + i));
            let normalized = (y.get(at) - mean) * inverse;
            let value = (scale * inverse) * self.mac(normalized, -mean_product, g.get(at) - mean_g);
            // The shaders leave the mask out where rows are whole vectors; 1 changes nothing.
            dy.set(at, value * mask(at[4], width));
        }
    }

    // Pools.

    fn max_pool_forward(&self) {
        let [channels, height, width] = self.sizes(["C", "HEIGHT", "WIDTH"]);
        let (x, y) = (self.planes(0, channels, "X_"), self.planes(1, channels, "Y_"));
        for at in each([self.replicas, self.samples, channels, height, whole(width)]) {
            y.set(at, largest(window(at).map(|pixel| x.get(pixel))) * mask(at[4], width));
        }
    }

    fn max_pool_backward(&self) {
        let [channels, height, width] = self.sizes(["C", "HEIGHT", "WIDTH"]);
        let (x, dy) = (self.planes(0, channels, "X_"), self.planes(1, channels, "Y_"));
        let dx = self.planes(2, channels, "X_");
        // Rows of dx are whole vectors, and so of two windows.
        for at in each([self.replicas, self.samples, channels, height, width.next_multiple_of(2)]) {
            let values = window(at).map(|pixel| x.get(pixel));
            // The first that is largest; the last where there is NaN.
            let winner = values[..3].iter().position(|value| *value == largest(values)).unwrap_or(3);
            for (i, pixel) in window(at).into_iter().enumerate() {
                dx.set(pixel, if i == winner { dy.get(at) } else { 0.0 });
            }
        }
    }

    fn pool_forward(&self) {
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

    fn pool_backward(&self) {
        let [channels, height, width] = self.sizes(["C", "HEIGHT", "WIDTH"]);
        let g = self.planes(1, channels, "");
        for at in each([self.replicas, self.samples, channels, height, whole(width)]) {
            let [r, n, c, _, w] = at;
            let dfeature = self.arrays[0].get((r * self.samples + n) * channels + c);
            g.set(at, dfeature / (height * width) as f32 * mask(w, width));
        }
    }

    // Input, dense layer, losses.

    fn batch_input(&self) {
        let [channels, height, width, margin] = self.sizes(["C", "HEIGHT", "WIDTH", "MARGIN"]);
        let [bytes, choices, normalization, _] = self.arrays[..] else { unreachable!() };
        let x = self.planes(3, channels, "");
        for at in each([1, self.samples, channels, height, whole(width)]) {
            let [_, n, c, h, w] = at;
            if w >= width {
                x.set(at, 0.0);
                continue;
            }
            let choice = choices.word(n) as usize;
            let column = if choice >> 16 != 0 { width - 1 - w } else { w };
            // Row and column of the image with its margin.
            let (row, column) = (h + (choice & 255), column + ((choice >> 8) & 255));
            let inside = |i: usize, size: usize| (margin..margin + size).contains(&i);
            let byte = if inside(row, height) && inside(column, width) {
                let at = ((n * channels + c) * height + row - margin) * width + column - margin;
                (bytes.word(at / 4) >> (8 * (at % 4))) & 255
            } else {
                self.size("PAD_BYTE") as u32
            };
            let [mean, deviation] = [0, 1].map(|i| normalization.get(c * 2 + i));
            x.set(at, (byte as f32 / 255.0 - mean) / deviation);
        }
    }

    fn dense_forward(&self) {
        let [channels, k] = self.sizes(["C", "K"]);
        let [features, weight, bias, logits] = self.arrays[..] else { unreachable!() };
        for (at, [r, n, k]) in each([self.replicas, self.samples, k]).enumerate() {
            let mut acc = bias.get(r * self.stride() + k);
            for c in 0..channels {
                let feature = features.get((r * self.samples + n) * channels + c);
                acc = self.mac(weight.get(r * self.stride() + k * channels + c), feature, acc);
            }
            logits.set(at, acc);
        }
    }

    fn dense_dinput(&self) {
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

    fn dense_dweight(&self) {
        let [channels, units] = self.sizes(["C", "K"]);
        let [features, dlogits, gradient] = self.arrays[..] else { unreachable!() };
        // Column C is the bias.
        for [r, k, c] in each([self.replicas, units, channels + 1]) {
            let is_bias = c == channels;
            let mut acc = 0.0;
            for n in 0..self.samples {
                let sample = r * self.samples + n;
                let feature = if is_bias { 1.0 } else { features.get(sample * channels + c) };
                acc = self.mac(feature, dlogits.get(sample * units + k), acc);
            }
            let at = if is_bias { self.argument("weight_to_bias") + k } else { k * channels + c };
            gradient.set(r * self.stride() + at, acc);
        }
    }

    fn softmax_cross_entropy(&self) {
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

    fn binary_cross_entropy(&self) {
        let [logits, labels, dlogits, scores] = self.arrays[..] else { unreachable!() };
        for (sample, [_, n]) in each([self.replicas, self.samples]).enumerate() {
            let (logit, label) = (logits.get(sample), labels.word(n) as f32);
            dlogits.set(sample, (self.math.sigmoid(logit) - label) / self.samples as f32);
            let loss = (logit.max(0.0) - logit * label).min(1e30) + self.math.log1p_exp_neg_abs(logit);
            scores.set(sample * 2, nan_unless(logit.is_finite(), loss));
            scores.set(sample * 2 + 1, if (logit > 0.0) == (label > 0.5) { 1.0 } else { 0.0 });
        }
    }

    fn score_sum(&self) {
        for r in 0..self.replicas {
            let take = |part, n| add(part, [0, 1].map(|i| self.arrays[0].get((r * self.samples + n) * 2 + i)));
            let [loss, correct] = pairwise64(self.samples, [0.0; 2], take, add);
            self.arrays[1].set(r * 2, loss);
            self.arrays[1].set(r * 2 + 1, correct);
        }
    }

    // Parameters: update, divergence, fingerprint.

    fn sgd_update(&self) {
        let [gradients, step, perturbations, parameters, momenta] = self.arrays[..] else { unreachable!() };
        let [weight_decay, momentum, keep, nesterov] = from_fn(|field| step.get(field));
        for (at, [r, _]) in each([self.replicas, self.stride()]).enumerate() {
            let k = perturbations.word(r * 4);
            let [rate, reciprocal] = [1, 2].map(|field| perturbations.get(r * 4 + field));
            let p = parameters.get(at);
            let g = self.mac(weight_decay, p, gradients.get(at));
            let buffer = self.mac(keep, if keep == 0.0 { 0.0 } else { momenta.get(at) }, g);
            momenta.set(at, buffer);
            let direction = if nesterov != 0.0 {
                self.mac(momentum, buffer, g)
            } else if momentum != 0.0 {
                buffer
            } else {
                g
            };
            let divided = if self.flag("RECIPROCAL") { direction * reciprocal } else { direction / k as f32 };
            parameters.set(at, self.mac(-rate, divided, p));
        }
    }

    fn divergence_blocks(&self) {
        let [parameters, reference, blocks] = self.arrays[..] else { unreachable!() };
        for (at, [_, block]) in each([self.replicas, self.stride() / 64]).enumerate() {
            let (mut sum, mut squares, mut reference_squares) = ([0.0; 4], [0.0; 4], [0.0; 4]);
            let (mut farthest, mut differing) = (0, 0);
            for vector in 0..16 {
                let a: [u32; 4] = from_fn(|lane| parameters.word(at * 64 + vector * 4 + lane));
                let b: [u32; 4] = from_fn(|lane| reference.word(block * 64 + vector * 4 + lane));
                for lane in 0..4 {
                    let (x, y) = (f32::from_bits(a[lane]), f32::from_bits(b[lane]));
                    reference_squares[lane] = self.mac(y, y, reference_squares[lane]);
                    // By vectors: infinity - infinity counts beside a lane that differs.
                    if a != b {
                        sum[lane] += relative(a[lane], b[lane]);
                        squares[lane] = self.mac(x - y, x - y, squares[lane]);
                        farthest = farthest.max(ulps(a[lane], b[lane]));
                        differing += u32::from(a[lane] != b[lane]);
                    }
                }
            }
            let [sum, squares, reference_squares] = [sum, squares, reference_squares].map(|v| lane_sum(v).to_bits());
            for (i, word) in [sum, farthest, differing, squares, reference_squares, 0, 0, 0].into_iter().enumerate() {
                blocks.set_word(at * 8 + i, word);
            }
        }
    }

    fn divergence_tensors(&self) {
        let [blocks, tensors, results] = self.arrays[..] else { unreachable!() };
        for (at, [r, tensor]) in each([self.replicas, self.argument("tensors")]).enumerate() {
            let [first, count, elements] = from_fn(|field| tensors.word(tensor * 4 + field));
            let field = |block, field| (r * self.stride() / 64 + first as usize + block) * 8 + field;
            let take = |part, block| add(part, [0, 3, 4].map(|i| blocks.get(field(block, i))));
            let [sum, squares, reference_squares] = pairwise64(count as usize, [0.0; 3], take, add);
            let farthest = (0..count as usize).map(|block| blocks.word(field(block, 1))).max().unwrap_or(0);
            let differing: u32 = (0..count as usize).map(|block| blocks.word(field(block, 2))).sum();
            let [rel_l1, l2, reference_l2] =
                [sum / elements as f32, squares.sqrt(), reference_squares.sqrt()].map(f32::to_bits);
            for (i, word) in [rel_l1, farthest, differing, l2, reference_l2, 0, 0, 0].into_iter().enumerate() {
                results.set_word(at * 8 + i, word);
            }
        }
    }

    fn fingerprint_blocks(&self) {
        let [parameters, momenta, places, blocks] = self.arrays[..] else { unreachable!() };
        for (at, [_, block]) in each([self.replicas, self.stride() / 64]).enumerate() {
            let [tensor, first, elements] = from_fn(|field| places.word(block * 4 + field));
            for salt in 0..2 {
                let words = (0..elements).map(|i| {
                    let (element, index) = (at * 64 + i as usize, first.wrapping_add(i));
                    let parameter = mix(parameters.word(element), index, tensor, salt);
                    parameter.wrapping_add(mix(momenta.word(element), index, tensor, salt + 2))
                });
                blocks.set_word(at * 2 + salt as usize, words.fold(0, u32::wrapping_add));
            }
        }
    }

    fn fingerprint_sum(&self) {
        let blocks = self.stride() / 64;
        for [r, salt] in each([self.replicas, 2]) {
            let words = (0..blocks).map(|block| self.arrays[0].word((r * blocks + block) * 2 + salt));
            self.arrays[1].set_word(r * 2 + salt, words.fold(0, u32::wrapping_add));
        }
    }

    fn flip_bit(&self) {
        let at = self.argument("replica") * self.stride() + self.argument("element");
        if self.argument("replica") < self.replicas {
            self.arrays[0].set_word(at, self.arrays[0].word(at) ^ 1);
        }
    }

    fn shared_functions(&self) {
        let count = self.argument("count");
        for (r, k) in (0..self.replicas).zip(1_u16..) {
            for i in 0..count {
                let x = self.arrays[0].get(i);
                let result = match self.size("FUNCTION") {
                    0 => x / f32::from(k),
                    1 => self.math.exp_finite(x),
                    2 => self.math.log_positive(x),
                    3 => self.math.sigmoid(x),
                    _ => self.math.log1p_exp_neg_abs(x),
                };
                self.arrays[1].set(r * count + i, result);
            }
        }
    }

    fn running_not_finite(&self) {
        let stride = self.dispatch.job.running_stride as usize;
        for r in 0..self.replicas {
            let first = (0..stride).find(|i| !self.arrays[0].get(r * stride + i).is_finite());
            self.arrays[1].set_word(r, first.unwrap_or(stride) as u32);
        }
    }

    // Differential equations.

    fn heat_steps(&self) {
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

    fn pde_linear_update(&self) {
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

    fn pde_source_dot(&self) {
        let [parameters, source, dots] = self.arrays[..] else { unreachable!() };
        for r in 0..self.replicas {
            let take = |part, e| self.mac(parameters.get(r * self.stride() + e), source.get(e), part);
            dots.set(r, pairwise64(self.size("ELEMENTS"), 0.0, take, |a, b| a + b));
        }
    }

    fn pde_measure(&self) {
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

    // Benchmarks.

    fn copy_rate(&self) {
        for at in 0..self.dispatch.tiles as usize * 64 * 4 {
            self.arrays[1].set_word(at, self.arrays[0].word(at));
        }
    }

    fn fma_rate(&self) {
        for thread in 0..self.dispatch.tiles as usize * 64 {
            let step = thread as f32 * 1e-6;
            let factor = 0.9999 + step * 1e-6;
            let mut total = 0.0;
            for chain in 0..12_u8 {
                let first = step + f32::from(chain);
                total += (0..self.size("ROUNDS") * 4).fold(first, |value, _| self.mac(value, factor, step));
            }
            self.arrays[0].set(thread, total);
        }
    }
}

/// 4 neighbouring pixels of one channel in `images` images from the `first` on.
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

/// The pixels of the 2x2 window that pixel h, w of a max pool's output stands for, in row order.
fn window([r, n, c, h, w]: [usize; 5]) -> [[usize; 5]; 4] {
    [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(below, next)| [r, n, c, 2 * h + below, 2 * w + next])
}

/// The first of the largest. NaN in the first place stays, elsewhere it loses.
fn largest(values: [f32; 4]) -> f32 {
    values.into_iter().reduce(|most, value| if value > most { value } else { most }).unwrap_or(f32::NAN)
}
