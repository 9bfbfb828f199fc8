//! Operations on float64 tensors `[N][C][H][W]`, forward and backward side by side. Sums are plain loops;
//! only [`dot`] has several accumulators.

use super::functions;
use crate::ops::batch_norm::{BatchNorm, EPSILON};
use crate::ops::bias::Bias;
use crate::ops::conv_valid::ConvValid;
use crate::ops::group_norm::GroupNorm;
use crate::ops::max_pool::MaxPool;
use crate::ops::{Activation, Conv, Conv1x1, ConvDown, Shape};

/// A convolution over square kernels, padded or not.
#[derive(Clone, Copy)]
pub struct Geometry {
    input: Shape,
    output: Shape,
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl From<&Conv> for Geometry {
    fn from(conv: &Conv) -> Self {
        Self { input: conv.input, output: conv.output(), kernel: 3, stride: 1, padding: 1 }
    }
}

impl From<&Conv1x1> for Geometry {
    fn from(conv: &Conv1x1) -> Self {
        Self { input: conv.input, output: conv.output(), kernel: 1, stride: 1, padding: 0 }
    }
}

impl From<&ConvValid> for Geometry {
    fn from(conv: &ConvValid) -> Self {
        Self { input: conv.input, output: conv.output(), kernel: conv.kernel as usize, stride: 1, padding: 0 }
    }
}

impl Geometry {
    /// The 3x3 and the 1x1 convolution of a pair.
    pub fn pair(conv: &ConvDown) -> [Self; 2] {
        [3, 1].map(|kernel| Self { input: conv.input, output: conv.output(), kernel, stride: 2, padding: kernel / 2 })
    }

    /// Calls `run` with (index of the weight, range of output elements, first input element) for every run of pixels in a row
    /// that one tap connects. Output elements are adjacent, input elements `stride` apart.
    fn each_run(&self, samples: usize, mut run: impl FnMut(usize, std::ops::Range<usize>, usize)) {
        let (channels, height, width) = sizes(self.input);
        let (outputs, rows, columns) = sizes(self.output);
        let (kernel, stride, padding) = (self.kernel, self.stride, self.padding);
        // The range of outputs whose input at this tap lies inside the image.
        let inside = |tap: usize, size: usize, most: usize| {
            let first = padding.saturating_sub(tap).div_ceil(stride);
            let last = (size + padding).saturating_sub(tap).div_ceil(stride).min(most);
            first..last.max(first)
        };
        for n in 0..samples {
            for k in 0..outputs {
                for c in 0..channels {
                    let weights = (k * channels + c) * kernel * kernel;
                    for (kh, kw) in (0..kernel).flat_map(|kh| (0..kernel).map(move |kw| (kh, kw))) {
                        let across = inside(kw, width, columns);
                        for y in inside(kh, height, rows) {
                            let to = ((n * outputs + k) * rows + y) * columns;
                            let from = ((n * channels + c) * height + y * stride + kh - padding) * width;
                            let first = from + across.start * stride + kw - padding;
                            run(weights + kh * kernel + kw, to + across.start..to + across.end, first);
                        }
                    }
                }
            }
        }
    }

    /// `y = conv(x, w)`
    pub fn forward(&self, samples: usize, x: &[f64], w: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; samples * self.output.elements() as usize];
        let stride = self.stride;
        self.each_run(samples, |weight, to, from| {
            let w = w[weight];
            // The compiler vectorises only loops over adjacent elements.
            if stride == 1 {
                let x = &x[from..from + to.len()];
                y[to].iter_mut().zip(x).for_each(|(y, x)| *y += w * x);
            } else {
                y[to].iter_mut().zip(x[from..].iter().step_by(stride)).for_each(|(y, x)| *y += w * x);
            }
        });
        y
    }

    /// Adds the gradient with respect to x to `dx`, if given. Returns the gradient with respect to w.
    pub fn backward(&self, samples: usize, [x, w, dy]: [&[f64]; 3], mut dx: Option<&mut [f64]>) -> Vec<f64> {
        let mut dw = vec![0.0; w.len()];
        let stride = self.stride;
        self.each_run(samples, |weight, to, from| {
            let dy = &dy[to];
            if stride == 1 {
                let x = &x[from..from + dy.len()];
                dw[weight] += dot(dy, x);
            } else {
                dw[weight] += dy.iter().zip(x[from..].iter().step_by(stride)).map(|(d, x)| d * x).sum::<f64>();
            }
            if let Some(dx) = dx.as_deref_mut() {
                let w = w[weight];
                if stride == 1 {
                    dx[from..from + dy.len()].iter_mut().zip(dy).for_each(|(x, d)| *x += w * d);
                } else {
                    dx[from..].iter_mut().step_by(stride).zip(dy).for_each(|(x, d)| *x += w * d);
                }
            }
        });
        dw
    }
}

/// Dot product. With four accumulators, an addition does not wait for the one before.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (a, b) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for lane in 0..4 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    ((sums[0] + sums[1]) + (sums[2] + sums[3])) + rest
}

fn sizes(shape: Shape) -> (usize, usize, usize) {
    (shape.channels as usize, shape.height as usize, shape.width as usize)
}

/// An activation, if there is one, and its derivative at z.
pub fn activate(activation: Option<Activation>, z: f64) -> [f64; 2] {
    activation.map_or([z, 1.0], |activation| {
        let [value, slope, _] = functions::activate(activation, z);
        [value, slope]
    })
}

/// Mean and 1 / sqrt(variance + eps) of each channel (batch norm) or of each group of each sample (group norm), for the backward pass.
pub type Moments = Vec<[f64; 2]>;

/// Batch norm with the shortcut and the activation after it.
pub struct Norm<'a> {
    pub norm: &'a BatchNorm,
    pub scale: &'a [f64],
    pub shift: &'a [f64],
}

impl Norm<'_> {
    fn pixels(&self) -> usize {
        (self.norm.shape.height * self.norm.shape.width) as usize
    }

    /// Ranges of the elements of channel `c` in each sample.
    fn planes(&self, samples: usize, c: usize) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let (channels, pixels) = (self.norm.shape.channels as usize, self.pixels());
        (0..samples).map(move |n| (n * channels + c) * pixels..(n * channels + c + 1) * pixels)
    }

    /// Computes mean and variance over the batch, then normalisation, shortcut and activation.
    pub fn forward(&self, samples: usize, y: &[f64], shortcut: Option<&[f64]>) -> (Vec<f64>, Moments) {
        let count = (samples * self.pixels()) as f64;
        let mut a = vec![0.0; y.len()];
        let mut moments = Moments::new();
        for c in 0..self.scale.len() {
            let over = |of: &dyn Fn(f64) -> f64| {
                let sums = self.planes(samples, c).map(|plane| y[plane].iter().map(|v| of(*v)).sum::<f64>());
                sums.sum::<f64>() / count
            };
            let mean = over(&|v| v);
            let variance = over(&|v| (v - mean) * (v - mean));
            let moment = [mean, 1.0 / (variance + f64::from(EPSILON)).sqrt()];
            for i in self.planes(samples, c).flatten() {
                a[i] = activate(self.norm.activation, self.before(c, moment, y[i], shortcut.map(|s| s[i])))[0];
            }
            moments.push(moment);
        }
        (a, moments)
    }

    /// The value before the activation.
    fn before(&self, c: usize, [mean, inverse]: [f64; 2], y: f64, shortcut: Option<f64>) -> f64 {
        self.scale[c] * ((y - mean) * inverse) + self.shift[c] + shortcut.unwrap_or(0.0)
    }

    /// Turns `g` into the gradient before the activation, which is also the shortcut's. Returns the gradients with respect to y,
    /// scale and shift.
    pub fn backward(
        &self,
        samples: usize,
        y: &[f64],
        shortcut: Option<&[f64]>,
        moments: &Moments,
        g: &mut [f64],
    ) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let count = (samples * self.pixels()) as f64;
        let mut dy = vec![0.0; y.len()];
        let (mut dscale, mut dshift) = (Vec::new(), Vec::new());
        for (c, &[mean, inverse]) in moments.iter().enumerate() {
            let (mut sum, mut product) = (0.0, 0.0);
            for i in self.planes(samples, c).flatten() {
                let z = self.before(c, [mean, inverse], y[i], shortcut.map(|s| s[i]));
                g[i] *= activate(self.norm.activation, z)[1];
                sum += g[i];
                product += g[i] * (y[i] - mean) * inverse;
            }
            for i in self.planes(samples, c).flatten() {
                let normalized = (y[i] - mean) * inverse;
                dy[i] = self.scale[c] * inverse * (g[i] - sum / count - normalized * (product / count));
            }
            dscale.push(product);
            dshift.push(sum);
        }
        (dy, dscale, dshift)
    }
}

/// Group norm with the shortcut and the activation after it.
pub struct Groups<'a> {
    pub norm: &'a GroupNorm,
    pub scale: &'a [f64],
    pub shift: &'a [f64],
}

impl Groups<'_> {
    /// Elements of a group of one sample.
    fn count(&self) -> usize {
        (self.norm.group() * self.norm.shape.height * self.norm.shape.width) as usize
    }

    /// The channel of element `i`.
    fn channel(&self, i: usize) -> usize {
        i / (self.norm.shape.height * self.norm.shape.width) as usize % self.scale.len()
    }

    /// The value before the activation of element `i`, from the normalised one.
    fn before(&self, i: usize, normalized: f64, shortcut: Option<&[f64]>) -> f64 {
        let c = self.channel(i);
        self.scale[c] * normalized + self.shift[c] + shortcut.map_or(0.0, |s| s[i])
    }

    /// Computes mean and variance of each sample's groups, then normalisation, shortcut and activation.
    pub fn forward(&self, y: &[f64], shortcut: Option<&[f64]>) -> (Vec<f64>, Moments) {
        let count = self.count();
        let moment = |y: &[f64]| {
            let mean = y.iter().sum::<f64>() / count as f64;
            let variance = y.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count as f64;
            [mean, 1.0 / (variance + f64::from(EPSILON)).sqrt()]
        };
        let moments: Moments = y.chunks_exact(count).map(moment).collect();
        let value = |i: usize| {
            let [mean, inverse] = moments[i / count];
            activate(self.norm.activation, self.before(i, (y[i] - mean) * inverse, shortcut))[0]
        };
        ((0..y.len()).map(value).collect(), moments)
    }

    /// Turns `g` into the gradient before the activation, which is also the shortcut's. Returns the gradients with respect to y,
    /// scale and shift.
    pub fn backward(
        &self,
        y: &[f64],
        shortcut: Option<&[f64]>,
        moments: &Moments,
        g: &mut [f64],
    ) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let count = self.count();
        let [mut dscale, mut dshift] = [(); 2].map(|()| vec![0.0; self.scale.len()]);
        let mut dy = vec![0.0; y.len()];
        for (group, &[mean, inverse]) in moments.iter().enumerate() {
            let (mut sum, mut product) = (0.0, 0.0);
            for i in group * count..(group + 1) * count {
                let (c, normalized) = (self.channel(i), (y[i] - mean) * inverse);
                g[i] *= activate(self.norm.activation, self.before(i, normalized, shortcut))[1];
                dscale[c] += g[i] * normalized;
                dshift[c] += g[i];
                sum += self.scale[c] * g[i];
                product += self.scale[c] * g[i] * normalized;
            }
            let (sum, product) = (sum / count as f64, product / count as f64);
            for i in group * count..(group + 1) * count {
                let normalized = (y[i] - mean) * inverse;
                dy[i] = inverse * (self.scale[self.channel(i)] * g[i] - sum - normalized * product);
            }
        }
        (dy, dscale, dshift)
    }
}

/// A bias for each channel, with the shortcut and the activation after it.
pub struct Biases<'a> {
    pub layer: &'a Bias,
    pub bias: &'a [f64],
}

impl Biases<'_> {
    /// The channel of element `i`.
    fn channel(&self, i: usize) -> usize {
        i / (self.layer.shape.height * self.layer.shape.width) as usize % self.bias.len()
    }

    /// The value before the activation of element `i`.
    fn before(&self, i: usize, y: &[f64], shortcut: Option<&[f64]>) -> f64 {
        y[i] + self.bias[self.channel(i)] + shortcut.map_or(0.0, |s| s[i])
    }

    /// Computes addition, shortcut and activation.
    pub fn forward(&self, y: &[f64], shortcut: Option<&[f64]>) -> Vec<f64> {
        (0..y.len()).map(|i| activate(self.layer.activation, self.before(i, y, shortcut))[0]).collect()
    }

    /// Turns `g` into the gradient before the activation, which is that of y and of the shortcut. Returns the gradient with respect to
    /// the biases.
    pub fn backward(&self, y: &[f64], shortcut: Option<&[f64]>, g: &mut [f64]) -> Vec<f64> {
        let mut dbias = vec![0.0; self.bias.len()];
        for (i, g) in g.iter_mut().enumerate() {
            *g *= activate(self.layer.activation, self.before(i, y, shortcut))[1];
            dbias[self.channel(i)] += *g;
        }
        dbias
    }
}

/// The largest value of each 2x2 window, and its index in x. A tie goes to the first in row order.
pub fn max_pool(pool: &MaxPool, samples: usize, x: &[f64]) -> (Vec<f64>, Vec<usize>) {
    let (channels, height, width) = sizes(pool.input);
    let (mut y, mut from) = (Vec::new(), Vec::new());
    for plane in 0..samples * channels {
        for at in (0..height).step_by(2).flat_map(|h| (0..width).step_by(2).map(move |w| h * width + w)) {
            let first = plane * height * width + at;
            let window = [first, first + 1, first + width, first + width + 1];
            let best = window.into_iter().fold(first, |best, i| if x[i] > x[best] { i } else { best });
            y.push(x[best]);
            from.push(best);
        }
    }
    (y, from)
}
