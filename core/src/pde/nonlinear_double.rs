//! The nonlinear one-layer network in float64 on the host, with its gradient, Hessian and Lyapunov exponent.

use super::{NonlinearParams, Patches, PdeError, Replica, STOP_ABOVE, check_dts};
use crate::double::{PerturbedStep, activate, binary_cross_entropy, sigmoid};
use crate::ops::Activation;
use crate::ops::sgd::Perturbation;
use crate::rng::{Purpose, Stream};

/// A random direction, the same in every run.
fn direction(n: usize) -> Vec<f64> {
    let mut stream = Stream::new(0, Purpose::Noise, 1);
    (0..n).map(|_| stream.normal()).collect()
}

/// Scales `v` to length 1 and returns its former length.
fn normalise(v: &mut [f64]) -> f64 {
    let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
    v.iter_mut().for_each(|x| *x /= norm);
    norm
}

/// One replica of the nonlinear equation, in float64 on the host. The update is d / k times dt k, as in float32, but rounded at
/// 2^-53 instead of 2^-24.
#[derive(Clone, Debug)]
pub struct NonlinearDouble {
    patches: Patches,
    activation: Activation,
    label: f64,
    alpha: f64,
    perturbation: Perturbation,
    k: u32,
    dt: f64,
    w: Vec<f64>,
    step: u64,
    stopped: Option<u64>,
}

impl NonlinearDouble {
    /// Creates the equation at step 0.
    ///
    /// # Errors
    /// [`PdeError::Value`] for an invalid parameter.
    pub fn new(params: &NonlinearParams, k: u32, dt: f64) -> Result<Self, PdeError> {
        params.check()?;
        NonlinearParams::check_replicas(&[Replica { k, dt, reference: 0 }])?;
        Ok(Self {
            patches: Patches::new(&params.image, params.kernel)?,
            activation: params.activation,
            label: f64::from(params.label),
            alpha: params.alpha,
            perturbation: params.perturbation,
            k,
            dt,
            w: params.start(k).iter().map(|w| f64::from(*w)).collect(),
            step: 0,
            stopped: None,
        })
    }

    /// Changes the step size.
    ///
    /// # Errors
    /// [`PdeError::Value`] if `dt` is not positive and finite.
    pub fn with_dt(mut self, dt: f64) -> Result<Self, PdeError> {
        check_dts([dt].into_iter())?;
        self.dt = dt;
        Ok(self)
    }

    /// Mean activation and its gradient by the kernel.
    fn mean_activation(&self) -> (f64, Vec<f64>) {
        let n = self.patches.count();
        let (mut total, mut slopes) = (0.0, self.patches.responses(&self.w));
        for (y, times) in slopes.iter_mut().zip(self.patches.multiplicities()) {
            let [value, slope, _] = activate(self.activation, *y);
            total += times * value;
            *y = slope / n;
        }
        (total / n, self.patches.weighted_sum(&slopes))
    }

    /// Runs `steps` steps, or fewer if the run stops.
    pub fn step(&mut self, steps: u64) {
        for _ in 0..steps {
            if self.stopped.is_some() {
                return;
            }
            let (u, slope) = self.mean_activation();
            let a = sigmoid(u) - self.label;
            let perturbed = PerturbedStep::new(self.perturbation, self.k, self.dt);
            let mut largest = 0.0_f64;
            for (w, q) in self.w.iter_mut().zip(&slope) {
                *w = perturbed.apply(*w, a * q + self.alpha * *w);
                largest = if w.is_nan() { f64::INFINITY } else { largest.max(w.abs()) };
            }
            self.step += 1;
            if largest > f64::from(STOP_ABOVE) {
                self.stopped = Some(self.step);
            }
        }
    }

    /// Cross-entropy of the network with the current kernel.
    #[must_use]
    pub fn cross_entropy(&self) -> f64 {
        binary_cross_entropy(self.mean_activation().0, self.label)
    }

    /// Cross-entropy plus alpha/2 |w|^2.
    #[must_use]
    pub fn loss(&self) -> f64 {
        self.cross_entropy() + 0.5 * self.alpha * self.w.iter().map(|w| w * w).sum::<f64>()
    }

    /// Gradient of the loss, `[kernel][kernel]`.
    #[must_use]
    pub fn gradient(&self) -> Vec<f64> {
        let (u, slope) = self.mean_activation();
        let a = sigmoid(u) - self.label;
        slope.iter().zip(&self.w).map(|(q, w)| a * q + self.alpha * w).collect()
    }

    /// The current kernel, `[kernel][kernel]`.
    #[must_use]
    pub fn kernel(&self) -> &[f64] {
        &self.w
    }

    /// Response of the image's first patch, a single number that traces the orbit.
    #[must_use]
    pub fn response(&self) -> f64 {
        self.patches.responses(&self.w)[0]
    }

    /// Number of steps done.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// The step after which a value exceeded [`STOP_ABOVE`], if any.
    #[must_use]
    pub fn stopped(&self) -> Option<u64> {
        self.stopped
    }

    /// Hessian of the loss at the current kernel, times `v`.
    #[must_use]
    pub fn hessian_times(&self, v: &[f64]) -> Vec<f64> {
        let n = self.patches.count();
        let responses = self.patches.responses(&self.w);
        let (u, slope) = self.mean_activation();
        let s = sigmoid(u);
        let along: f64 = slope.iter().zip(v).map(|(q, v)| q * v).sum();
        let mut curvature = self.patches.responses(v);
        for (c, y) in curvature.iter_mut().zip(responses) {
            *c *= activate(self.activation, y)[2] / n;
        }
        let bent = self.patches.weighted_sum(&curvature);
        let of_sigmoid = s * (1.0 - s) * along;
        let terms = slope.iter().zip(bent).zip(v);
        terms.map(|((q, b), v)| of_sigmoid * q + (s - self.label) * b + self.alpha * v).collect()
    }

    /// Sharpness: the largest eigenvalue of the Hessian at the current kernel, by power iteration. Gradient descent near a
    /// minimum is stable for dt < 2 / sharpness, and the first period doubling is at that bound.
    #[must_use]
    pub fn sharpness(&self) -> f64 {
        let mut v = direction(self.w.len());
        normalise(&mut v);
        let mut last = 0.0;
        for _ in 0..1000 {
            let mut next = self.hessian_times(&v);
            let value: f64 = next.iter().zip(&v).map(|(a, b)| a * b).sum();
            normalise(&mut next);
            v = next;
            if (value - last).abs() <= 1e-13 * value.abs() {
                return value;
            }
            last = value;
        }
        last
    }

    /// Lyapunov exponent per step: the mean growth of ln |distance| between neighbouring orbits over `steps` steps, from the
    /// derivative of the map along this orbit. A positive exponent means chaos. `None` if the run stops. This advances the
    /// orbit; let transients decay first.
    pub fn lyapunov(&mut self, steps: u64) -> Option<f64> {
        let mut v = direction(self.w.len());
        normalise(&mut v);
        let mut total = 0.0;
        // First let the direction turn into the fastest-growing one.
        let turning = steps / 10;
        for i in 0..steps + turning {
            let bent = self.hessian_times(&v);
            v.iter_mut().zip(bent).for_each(|(v, h)| *v -= self.dt * h);
            let growth = normalise(&mut v);
            if growth == 0.0 {
                // A superstable orbit: neighbouring points reach it in one step.
                return Some(f64::NEG_INFINITY);
            }
            if i >= turning {
                total += libm::log(growth);
            }
            self.step(1);
            if self.stopped.is_some() {
                return None;
            }
        }
        Some(total / steps as f64)
    }
}
