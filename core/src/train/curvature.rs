//! The curvature of the loss at a replica's weights: the largest eigenvalue of the Hessian on a fixed subset of the training images, and
//! Batch Sharpness on batches of the run. Both come from products of a Hessian with a vector v, as central differences of the gradient:
//!
//! ```text
//! H v = (g(theta + h v) - g(theta - h v)) / 2h
//! ```
//!
//! The gradients are those of lockstep replicas on the same images ([`Probe`]); the first replica has theta itself and switches the ReLUs
//! of the others, so that H is the Hessian that automatic differentiation computes. Vectors are kept in float64 on the host.

use std::ops::Range;

use super::error::TrainError;
use super::lanczos::{Estimate, Lanczos, dot, norm};
use super::probe::{Gradient, Probe, ProbeBatch, Switches};
use crate::rng::{Purpose, Stream};

/// Steps h that are tried, relative to the norm of all weights. A product has two errors: the third derivative times h^2, and the rounding
/// of the gradients divided by h. The two neighbouring steps whose products differ least enclose the best one.
pub const STEPS: [f64; 6] = [3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2];
/// Batches over which Batch Sharpness is averaged.
pub const SHARPNESS_BATCHES: u64 = 8;
/// Most products of Lanczos' iteration.
pub const MOST_PRODUCTS: usize = 48;
/// The iteration ends when the residual is this part of the eigenvalue. The error of the eigenvalue is then far smaller: it is quadratic
/// in the residual, where the eigenvalue is isolated.
const RESIDUAL: f64 = 0.02;
/// Fewest products: a start that lies close to another eigenvector has a small residual, too.
const FEWEST_PRODUCTS: usize = 6;

/// The curvature at one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Curvature {
    /// Largest eigenvalue of the Hessian of the mean loss on the subset.
    pub lambda_max: f64,
    /// Norm of H x - lambda x for the unit vector that belongs to it.
    pub residual: f64,
    /// Number of products with the Hessian that it took.
    pub products: usize,
    /// The step of the differences, in the Euclidean norm of all weights.
    pub h: f64,
    /// Relative difference between the products of two steps that enclose h: an estimate of the error of a product, from above.
    pub product_error: f64,
    /// Mean over batches of g^T H g / g^T g, with gradient g and Hessian H of the same batch (arXiv 2412.20553).
    pub batch_sharpness: f64,
    /// Standard error of this mean; 0 for one batch.
    pub batch_sharpness_error: f64,
    /// Mean loss on the subset.
    pub loss: f64,
    /// Norm of the gradient of the mean loss on the subset.
    pub gradient_norm: f64,
}

/// A measurement in progress, one gradient of lockstep replicas at a time.
pub struct Measurement {
    point: Vec<f32>,
    /// Norm of the point.
    length: f64,
    h: f64,
    /// Training steps whose batches Batch Sharpness uses.
    steps: Vec<u64>,
    subset: Vec<Range<usize>>,
    stage: Stage,
    lanczos: Option<Lanczos>,
    ratios: Vec<f64>,
    product_error: f64,
    loss: f64,
    gradient_norm: f64,
}

enum Stage {
    /// The gradient on the subset.
    SubsetGradient(Sum),
    /// Products with the first vector of Lanczos' iteration, on the first batch of the subset, one for each step so far.
    Steps(Vec<f64>, Vec<Vec<f64>>),
    /// The gradient of a batch, by its number.
    BatchGradient(usize),
    /// The product of its Hessian with the unit vector of this gradient.
    BatchProduct(usize, Vec<f64>),
    /// A product of the subset's Hessian for Lanczos' iteration.
    Product(Sum),
}

/// A mean over the batches of the subset.
struct Sum {
    batches: usize,
    values: Vec<f64>,
    loss: f64,
}

impl Sum {
    fn new(len: usize) -> Self {
        Self { batches: 0, values: vec![0.0; len], loss: 0.0 }
    }

    fn add(&mut self, values: impl Iterator<Item = f64>) {
        self.values.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        self.batches += 1;
    }

    fn mean(mut self) -> Vec<f64> {
        let n = self.batches as f64;
        self.values.iter_mut().for_each(|sum| *sum /= n);
        self.values
    }
}

/// theta + h v, rounded to float32.
fn displaced(point: &[f32], h: f64, v: &[f64]) -> Vec<f32> {
    point.iter().zip(v).map(|(p, v)| (f64::from(*p) + h * v) as f32).collect()
}

/// The gradients at theta + h v and theta - h v. Theta itself goes first through the network, to switch its ReLUs.
async fn pair(
    probe: &mut Probe,
    point: &[f32],
    h: f64,
    v: &[f64],
    batch: &ProbeBatch,
) -> Result<[Gradient; 2], TrainError> {
    let points = [h, -h].map(|h| displaced(point, h, v));
    let mut gradients = probe.gradients_from(1, &[point, &points[0], &points[1]], batch).await?.into_iter();
    let mut next = || gradients.next().unwrap_or_else(|| unreachable!("one gradient for each point"));
    Ok([next(), next()])
}

/// (a - b) / 2h, elementwise.
fn quotient<'a>([a, b]: &'a [Gradient; 2], h: f64) -> impl Iterator<Item = f64> + 'a {
    a.values.iter().zip(&b.values).map(move |(a, b)| (f64::from(*a) - f64::from(*b)) / (2.0 * h))
}

fn is_done(lanczos: &Lanczos) -> bool {
    let found = lanczos.largest();
    // Written so that NaN, from weights that are not finite, ends it as well.
    let is_rough = found.residual > RESIDUAL * found.value.abs() || lanczos.products() < FEWEST_PRODUCTS;
    let can_go_on = lanczos.products() < MOST_PRODUCTS && found.residual > 0.0;
    !(is_rough && can_go_on)
}

impl Measurement {
    /// Slots and switches of the probe that a measurement needs.
    pub const PROBE: (usize, Switches) = (3, Switches::First);

    /// A measurement at `point`, a parameter arena, after `step` steps. Batch Sharpness uses the next training batches, at most
    /// `per_epoch`; the subset is the first `images` training images, in whole batches of `batch_size`, at least one.
    pub fn new(probe: &Probe, point: Vec<f32>, step: u64, per_epoch: u64, images: usize, batch_size: u32) -> Self {
        let batch = batch_size as usize;
        let batches = (images.min(probe.train_images()) / batch).max(1);
        let values: Vec<f64> = point.iter().map(|p| f64::from(*p)).collect();
        Self {
            stage: Stage::SubsetGradient(Sum::new(point.len())),
            length: norm(&values),
            h: 0.0,
            steps: (step + 1..=step + SHARPNESS_BATCHES.min(per_epoch)).collect(),
            subset: (0..batches).map(|i| i * batch..(i + 1) * batch).collect(),
            point,
            lanczos: None,
            ratios: Vec::new(),
            product_error: 0.0,
            loss: 0.0,
            gradient_norm: 0.0,
        }
    }

    /// Computes the next gradient. Returns the curvature after the last one.
    pub async fn advance(&mut self, probe: &mut Probe) -> Result<Option<Curvature>, TrainError> {
        let len = self.point.len();
        if !self.length.is_finite() {
            // The network has blown up: nothing can be measured.
            let nothing = Estimate { value: f64::NAN, residual: f64::NAN };
            (self.loss, self.gradient_norm) = (f64::NAN, f64::NAN);
            return Ok(Some(self.result((nothing, 0))));
        }
        let stage = std::mem::replace(&mut self.stage, Stage::BatchGradient(0));
        self.stage = match stage {
            Stage::SubsetGradient(mut sum) => {
                let batch = ProbeBatch::Images(self.subset[sum.batches].clone());
                let gradient = probe.gradients(&[&self.point], &batch).await?.swap_remove(0);
                sum.loss += f64::from(gradient.loss);
                sum.add(gradient.values.iter().map(|g| f64::from(*g)));
                if sum.batches < self.subset.len() {
                    Stage::SubsetGradient(sum)
                } else {
                    self.loss = sum.loss / sum.batches as f64;
                    let gradient = sum.mean();
                    self.gradient_norm = norm(&gradient);
                    let lanczos = Lanczos::new(self.start(probe, gradient));
                    let first = lanczos.vector().to_vec();
                    self.lanczos = Some(lanczos);
                    Stage::Steps(first, Vec::new())
                }
            }
            Stage::Steps(first, mut products) => {
                let h = STEPS[products.len()] * self.length;
                let gradients =
                    pair(probe, &self.point, h, &first, &ProbeBatch::Images(self.subset[0].clone())).await?;
                products.push(quotient(&gradients, h).collect());
                if products.len() < STEPS.len() {
                    Stage::Steps(first, products)
                } else {
                    self.choose_step(&products);
                    Stage::BatchGradient(0)
                }
            }
            Stage::BatchGradient(index) => {
                let mut gradients = probe.gradients(&[&self.point], &ProbeBatch::Step(self.steps[index])).await?;
                let mut v: Vec<f64> = gradients.swap_remove(0).values.into_iter().map(f64::from).collect();
                let length = norm(&v);
                v.iter_mut().for_each(|v| *v /= length);
                Stage::BatchProduct(index, v)
            }
            Stage::BatchProduct(index, v) => {
                let gradients = pair(probe, &self.point, self.h, &v, &ProbeBatch::Step(self.steps[index])).await?;
                self.ratios.push(quotient(&gradients, self.h).zip(&v).map(|(p, v)| p * v).sum());
                match index + 1 {
                    next if next < self.steps.len() => Stage::BatchGradient(next),
                    _ => Stage::Product(Sum::new(len)),
                }
            }
            Stage::Product(mut sum) => {
                let Some(lanczos) = &mut self.lanczos else { unreachable!("the iteration begins with the gradient") };
                let batch = ProbeBatch::Images(self.subset[sum.batches].clone());
                let gradients = pair(probe, &self.point, self.h, lanczos.vector(), &batch).await?;
                sum.add(quotient(&gradients, self.h));
                if sum.batches < self.subset.len() {
                    Stage::Product(sum)
                } else {
                    lanczos.push(sum.mean());
                    if is_done(lanczos) {
                        let found = (lanczos.largest(), lanczos.products());
                        return Ok(Some(self.result(found)));
                    }
                    Stage::Product(Sum::new(len))
                }
            }
        };
        Ok(None)
    }

    /// Chooses h between the two neighbouring steps whose products differ least.
    fn choose_step(&mut self, products: &[Vec<f64>]) {
        let difference = |pair: &[Vec<f64>]| {
            let difference: Vec<f64> = pair[0].iter().zip(&pair[1]).map(|(a, b)| a - b).collect();
            norm(&difference) / norm(&pair[1])
        };
        let differences = products.windows(2).map(difference).enumerate();
        let best = differences.min_by(|(_, a), (_, b)| a.total_cmp(b));
        let Some((index, difference)) = best else { unreachable!("there are several steps") };
        self.h = (STEPS[index] * STEPS[index + 1]).sqrt() * self.length;
        self.product_error = difference;
    }

    /// The unit vector of the gradient plus a random unit vector: the gradient lies mostly along the largest eigenvectors, and the random
    /// part sees them where the gradient does not.
    fn start(&self, probe: &Probe, mut gradient: Vec<f64>) -> Vec<f64> {
        let mut random = vec![0.0; gradient.len()];
        for (index, parameter) in probe.network().parameters.iter().enumerate() {
            // The same vector for every run: a measurement has no seed.
            let mut stream = Stream::new(0, Purpose::Curvature, index as u64);
            random[parameter.offset as usize..][..parameter.elements() as usize].fill_with(|| stream.normal());
        }
        let lengths = [norm(&gradient), norm(&random)].map(|length| if length > 0.0 { length } else { 1.0 });
        gradient.iter_mut().zip(&random).for_each(|(g, r)| *g = *g / lengths[0] + r / lengths[1]);
        gradient
    }

    fn result(&self, (found, products): (Estimate, usize)) -> Curvature {
        let n = self.ratios.len() as f64;
        let mean = self.ratios.iter().sum::<f64>() / n;
        let deviations: Vec<f64> = self.ratios.iter().map(|ratio| ratio - mean).collect();
        Curvature {
            lambda_max: found.value,
            residual: found.residual,
            products,
            h: self.h,
            product_error: self.product_error,
            batch_sharpness: mean,
            batch_sharpness_error: if n > 1.0 { (dot(&deviations, &deviations) / (n - 1.0) / n).sqrt() } else { 0.0 },
            loss: self.loss,
            gradient_norm: self.gradient_norm,
        }
    }
}
