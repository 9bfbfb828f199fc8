//! The gradient flow of the one-layer network, linearised (paper, section 4; Tables 2 and 3, Figure 3). Let s be the sum of
//! the image's patches, G the sum of patch times patch transposed, and a = prediction - label a constant:
//!
//! - activated (Swish' = 1): g = (a + <s, w> / 8) s + alpha w, where the sigmoid's slope 1/4 times Swish's slope 1/2
//!   at 0 makes the paper's 1/8;
//! - transitioning (Swish' = 1/2 + beta/2 z): g = a (s + beta G w) / 2 + alpha w;
//! - not activated (Swish' = 0): g = alpha w.
//!
//! Explicit Euler, w <- w - dt g, multiplies each eigenvector of the linear part by 1 - dt (alpha + eigenvalue).

use std::rc::Rc;

use bytemuck::{Pod, Zeroable};

use super::lockstep::{Layout, Lockstep, Setup};
use super::{Image, Patches, PdeError, STOP_ABOVE, Sample, check_dts, check_finite};
use crate::device::{Context, Fill};
use crate::double::{binary_cross_entropy, sigmoid};
use crate::ops::{Activation, workgroups};
use crate::record::{BufferId, Kernel, Recording, Script, Shader, Work};

/// The part of the activation function in which the pre-activations are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Regime {
    /// Pre-activations far above 0.
    Activated,
    /// Pre-activations near 0.
    Transitioning,
    /// Pre-activations far below 0.
    NotActivated,
}

impl Regime {
    /// All regimes.
    pub const ALL: [Self; 3] = [Self::Activated, Self::Transitioning, Self::NotActivated];
}

impl std::fmt::Display for Regime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Activated => "activated",
            Self::Transitioning => "transitioning",
            Self::NotActivated => "not activated",
        })
    }
}

/// Parameters of a linear one-layer equation.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearParams {
    /// The image.
    pub image: Image,
    /// Edge length of the kernel.
    pub kernel: u32,
    /// The regime.
    pub regime: Regime,
    /// prediction - label, a constant; -0.5 in the paper.
    pub a: f64,
    /// Steepness of Swish, positive.
    pub beta: f64,
    /// False to leave out the terms that do not depend on w. Stability does not depend on them, and without them w itself,
    /// rather than its distance from a fixed point, grows or decays by the factors.
    pub source: bool,
    /// Initial kernel, `[kernel][kernel]`.
    pub initial: Vec<f32>,
}

/// Bounds of the weight decays alpha at which the equation is stable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Lower bound: below it a mode grows without changing its sign.
    pub alpha_min: f64,
    /// Upper bound: above it a mode grows with alternating sign.
    pub alpha_max: f64,
}

impl LinearParams {
    fn setup(&self) -> Setup<'_> {
        let activation = Activation::Swish { beta: self.beta as f32 };
        Setup { image: &self.image, kernel: self.kernel, activation, label: 1, initial: &self.initial }
    }

    fn check(&self) -> Result<(), PdeError> {
        check_finite("a", self.a)?;
        if !(self.beta.is_finite() && self.beta > 0.0) {
            return Err(PdeError::value("beta", "a positive number", self.beta));
        }
        self.setup().check()
    }

    /// Smallest and largest eigenvalue of the linear part without alpha.
    ///
    /// # Errors
    /// [`PdeError::Value`] for an invalid parameter.
    pub fn eigenvalues(&self) -> Result<[f64; 2], PdeError> {
        self.check()?;
        let patches = Patches::new(&self.image, self.kernel)?;
        let several = patches.weights() > 1;
        let values = match self.regime {
            Regime::NotActivated => [0.0, 0.0],
            Regime::Activated => {
                let value = patches.sum().iter().map(|s| s * s).sum::<f64>() / 8.0;
                [if several { 0.0 } else { value }, value]
            }
            Regime::Transitioning => {
                let all = patches.gram_eigenvalues();
                let ends = [all[0], all[all.len() - 1]].map(|value| 0.5 * self.a * self.beta * value);
                if ends[0] <= ends[1] { ends } else { [ends[1], ends[0]] }
            }
        };
        Ok(values)
    }

    /// Bounds of stability at step size `dt`, from the result of [`LinearParams::eigenvalues`].
    #[must_use]
    pub fn bounds([least, most]: [f64; 2], dt: f64) -> Bounds {
        Bounds { alpha_min: -least, alpha_max: 2.0 / dt - most }
    }

    /// Factor by which a step multiplies the fastest-growing mode, with its sign.
    #[must_use]
    pub fn factor(eigenvalues: [f64; 2], alpha: f64, dt: f64) -> f64 {
        let [a, b] = eigenvalues.map(|value| 1.0 - dt * (alpha + value));
        if a.abs() > b.abs() { a } else { b }
    }

    /// Factors of G w, s and <s, w> s in the gradient.
    fn coefficients(&self) -> [f64; 3] {
        let source = f64::from(u8::from(self.source));
        match self.regime {
            Regime::Activated => [0.0, self.a * source, 0.125],
            Regime::Transitioning => [0.5 * self.a * self.beta, 0.5 * self.a * source, 0.0],
            Regime::NotActivated => [0.0, 0.0, 0.0],
        }
    }
}

/// One replica of a linear equation, in float64 on the host.
#[derive(Clone, Debug)]
pub struct LinearDouble {
    patches: Patches,
    sum: Vec<f64>,
    coefficients: [f64; 3],
    beta: f64,
    alpha: f64,
    dt: f64,
    w: Vec<f64>,
    step: u64,
    stopped: Option<u64>,
}

impl LinearDouble {
    /// Creates the equation at step 0.
    ///
    /// # Errors
    /// [`PdeError::Value`] for an invalid parameter.
    pub fn new(params: &LinearParams, alpha: f64, dt: f64) -> Result<Self, PdeError> {
        params.check()?;
        let patches = Patches::new(&params.image, params.kernel)?;
        let sum = patches.sum();
        let (coefficients, beta) = (params.coefficients(), params.beta);
        let mut this = Self { patches, sum, coefficients, beta, alpha, dt, w: Vec::new(), step: 0, stopped: None };
        this.restart(&params.initial, alpha, dt)?;
        Ok(this)
    }

    /// Returns to step 0 with another kernel, weight decay and step size. This is cheap: it does not read the image again.
    ///
    /// # Errors
    /// [`PdeError::Value`] for an invalid `alpha` or `dt`.
    pub fn restart(&mut self, initial: &[f32], alpha: f64, dt: f64) -> Result<(), PdeError> {
        check_dts([dt].into_iter())?;
        check_finite("alpha", alpha)?;
        self.w = initial.iter().map(|w| f64::from(*w)).collect();
        (self.alpha, self.dt, self.step, self.stopped) = (alpha, dt, 0, None);
        Ok(())
    }

    /// Runs `steps` steps, or fewer if the run stops.
    pub fn step(&mut self, steps: u64) {
        let [gram, source, dot] = self.coefficients;
        for _ in 0..steps {
            if self.stopped.is_some() {
                return;
            }
            let of_gram = (gram != 0.0).then(|| self.patches.weighted_sum(&self.patches.responses(&self.w)));
            let product: f64 = self.w.iter().zip(&self.sum).map(|(w, s)| w * s).sum();
            let of_sum = source + dot * product;
            let mut largest = 0.0_f64;
            for (i, (w, s)) in self.w.iter_mut().zip(&self.sum).enumerate() {
                let mut g = of_sum * s + self.alpha * *w;
                if let Some(of_gram) = &of_gram {
                    g += gram * of_gram[i];
                }
                *w -= self.dt * g;
                largest = if w.is_nan() { f64::INFINITY } else { largest.max(w.abs()) };
            }
            self.step += 1;
            if largest > f64::from(STOP_ABOVE) {
                self.stopped = Some(self.step);
            }
        }
    }

    /// The current kernel, `[kernel][kernel]`.
    #[must_use]
    pub fn kernel(&self) -> &[f64] {
        &self.w
    }

    /// L2 norm of the kernel, |w|.
    #[must_use]
    pub fn norm(&self) -> f64 {
        self.w.iter().map(|w| w * w).sum::<f64>().sqrt()
    }

    /// Loss of the network with the current kernel and label 1: cross-entropy plus alpha/2 |w|^2.
    #[must_use]
    pub fn loss(&self) -> f64 {
        let swish = |z: f64| z * sigmoid(self.beta * z);
        let responses = self.patches.responses(&self.w);
        let total: f64 = responses.iter().zip(self.patches.multiplicities()).map(|(y, m)| m * swish(*y)).sum();
        let norm = self.norm();
        binary_cross_entropy(total / self.patches.count(), 1.0) + 0.5 * self.alpha * norm * norm
    }

    /// The step after which a value exceeded [`STOP_ABOVE`], if any.
    #[must_use]
    pub fn stopped(&self) -> Option<u64> {
        self.stopped
    }
}

/// Numbers of one replica. They match `Coefficients` in the shader.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Coefficients {
    dt: f32,
    alpha: f32,
    gram: f32,
    source: f32,
    dot: f32,
    unused: [f32; 3],
}

/// A linear equation in float32 on an adapter: one replica for each pair of weight decay and step size, in lockstep.
pub struct Linear {
    lockstep: Lockstep,
    params: LinearParams,
}

impl Linear {
    fn plan(params: &LinearParams, replicas: usize) -> Result<(Layout, Recording), PdeError> {
        params.check()?;
        let words = (size_of::<Coefficients>() / 4) as u32;
        let mut layout = Layout::new(&params.setup(), replicas, [words, 0])?;
        let elements = layout.conv.weights();
        let source = layout.add_cleared("sum of patches", u64::from(elements) * 4);
        let dots = layout.add_cleared("inner products", u64::from(layout.replicas) * 4);
        let mut rec = layout.recording();
        let parameters = layout.table.whole(layout.parameters);
        match params.regime {
            Regime::Transitioning => layout.gradient_by_kernel(&mut rec, layout.y),
            Regime::Activated => {
                let kernel = Kernel::new(Shader::PdeSourceDot, &[("ELEMENTS", elements.into())]);
                let work = Work::new(u64::from(elements) * 2, u64::from(elements) * 8);
                rec.dispatch("inner product", kernel, &[parameters, source, dots], 1, work);
            }
            Regime::NotActivated => {}
        }
        let kernel = Kernel::new(Shader::PdeLinearUpdate, &[("ELEMENTS", elements.into())]);
        let bindings = [layout.gradients, source, dots, layout.table.whole(layout.rates), parameters];
        let work = Work::new(u64::from(elements) * 8, u64::from(elements) * 16);
        rec.dispatch("update", kernel, &bindings, workgroups(elements.into()), work);
        layout.forward_and_measure(&mut rec);
        Ok((layout, rec))
    }

    /// The recording of a step, for tests of every kernel.
    ///
    /// # Errors
    /// [`PdeError::Value`] for an invalid parameter.
    pub fn recording(params: &LinearParams, replicas: usize) -> Result<Recording, PdeError> {
        Ok(Self::plan(params, replicas)?.1)
    }

    /// The sum of the image's patches, with padded rows. Its buffer is written once and never cleared.
    fn source(params: &LinearParams, layout: &mut Layout) -> Result<(BufferId, Vec<u8>), PdeError> {
        let source = layout.cleared.remove(layout.cleared.len() - 2);
        let row = params.kernel.next_multiple_of(4) as usize;
        let mut padded = vec![0.0_f32; layout.conv.weights() as usize];
        let sum = Patches::new(&params.image, params.kernel)?.sum();
        for (to, from) in padded.chunks_mut(row).zip(sum.chunks(params.kernel as usize)) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from as f32);
        }
        Ok((source, bytemuck::cast_slice(&padded).to_vec()))
    }

    /// The `rates` of these (alpha, dt).
    fn coefficients(params: &LinearParams, replicas: &[(f64, f64)]) -> Vec<u8> {
        let [gram, source, dot] = params.coefficients().map(|value| value as f32);
        let coefficients = replicas.iter().map(|(alpha, dt)| {
            let (alpha, dt) = (*alpha as f32, *dt as f32);
            Coefficients { dt, alpha, gram, source, dot, unused: [0.0; 3] }
        });
        bytemuck::cast_slice(&coefficients.collect::<Vec<_>>()).to_vec()
    }

    /// The script of a run of a few steps, with one replica for each (alpha, dt).
    ///
    /// # Errors
    /// [`PdeError::Value`] for an invalid parameter.
    pub(crate) fn script(params: &LinearParams, replicas: &[(f64, f64)]) -> Result<Script, PdeError> {
        let (mut layout, step) = Self::plan(params, replicas.len())?;
        let source = Self::source(params, &mut layout)?;
        let rates = (layout.rates, Self::coefficients(params, replicas));
        let kernels = vec![params.initial.clone(); replicas.len()];
        Ok(layout.script((&params.image, 1), &kernels, vec![source, rates], &step))
    }

    /// Creates the equation at step 0, with one replica for each (alpha, dt).
    ///
    /// # Errors
    /// [`PdeError::Value`] for an invalid parameter, [`PdeError::TooLarge`] if a buffer exceeds the adapter's largest binding,
    /// and [`PdeError::Gpu`] if the device fails.
    pub async fn new(
        context: Rc<Context>,
        params: LinearParams,
        replicas: &[(f64, f64)],
        fill: Fill,
    ) -> Result<Self, PdeError> {
        let (mut layout, rec) = Self::plan(&params, replicas.len())?;
        let (source, bytes) = Self::source(&params, &mut layout)?;
        let lockstep = Lockstep::new(context, layout, &params.image, 1, &rec, fill).await?;
        lockstep.write(source, &bytes);
        let mut this = Self { lockstep, params };
        this.restart(replicas).await?;
        Ok(this)
    }

    /// Returns to step 0 with other (alpha, dt) for the same number of replicas. Buffers and programs are reused.
    ///
    /// # Errors
    /// [`PdeError::Value`] for an invalid value or another number of replicas, and [`PdeError::Gpu`] if the device fails.
    pub async fn restart(&mut self, replicas: &[(f64, f64)]) -> Result<(), PdeError> {
        check_dts(replicas.iter().map(|(_, dt)| *dt))?;
        replicas.iter().try_for_each(|(alpha, _)| check_finite("alpha", *alpha))?;
        let n = self.lockstep.stopped().len();
        if replicas.len() != n {
            return Err(PdeError::value("number of replicas", format!("{n}, as before"), replicas.len()));
        }
        let kernels = vec![self.params.initial.clone(); n];
        self.lockstep.rewind(&kernels, vec![0; n]);
        self.lockstep.write(self.lockstep.rates(), &Self::coefficients(&self.params, replicas));
        self.lockstep.begin().await
    }

    /// Runs up to `steps` steps in few submits; fewer if all replicas stop.
    ///
    /// # Errors
    /// [`PdeError::Gpu`] if the device fails.
    pub async fn step(&mut self, steps: u32) -> Result<(), PdeError> {
        self.lockstep.step(steps).await
    }

    /// Number of steps done.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.lockstep.steps()
    }

    /// Samples of a replica, from step 0 to the last step or to the step at which it stopped.
    #[must_use]
    pub fn history(&self, replica: usize) -> &[Sample] {
        self.lockstep.history(replica)
    }

    /// For each replica, the step after which a value exceeded [`STOP_ABOVE`], if any.
    #[must_use]
    pub fn stopped(&self) -> &[Option<u64>] {
        self.lockstep.stopped()
    }

    /// Kernels of all replicas, `[R][kernel^2]`.
    ///
    /// # Errors
    /// [`PdeError::Gpu`] if the device fails.
    pub async fn kernels(&self) -> Result<Vec<Vec<f32>>, PdeError> {
        self.lockstep.kernels().await
    }
}
