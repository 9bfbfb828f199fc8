//! The nonlinear one-layer network (paper, section 4; Figure 4): valid convolution, activation, mean, sigmoid, binary
//! cross-entropy plus alpha/2 |w|^2. Gradient descent with learning rate dt is explicit Euler for its gradient flow. The
//! update is perturbed as in training: divided by k, then multiplied by dt k.

use std::rc::Rc;

use super::lockstep::{Layout, Lockstep, Setup};
use super::{Image, PdeError, Sample, check_dts};
use crate::device::{Context, Fill};
use crate::ops::sgd::{self, Perturbation, ReplicaValues, StepValues};
use crate::ops::{Activation, activation, pool};
use crate::record::{BufferId, Recording, Script};
use crate::train::MAX_K;

/// Bounds that keep the update of a stopped replica finite.
const MAX_ALPHA: f64 = 1e10;
const MAX_DT: f64 = 1e3;

/// Parameters of a nonlinear one-layer equation.
#[derive(Clone, Debug, PartialEq)]
pub struct NonlinearParams {
    /// The image.
    pub image: Image,
    /// Edge length of the kernel.
    pub kernel: u32,
    /// Activation; Swish with beta 1 in the paper.
    pub activation: Activation,
    /// Label of the image, 0 or 1.
    pub label: u32,
    /// Weight decay, 0 to 1e10.
    pub alpha: f64,
    /// How k enters the update.
    pub perturbation: Perturbation,
    /// Initial kernel, `[kernel][kernel]`.
    pub initial: Vec<f32>,
}

/// One replica of a [`Nonlinear`] run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Replica {
    /// Divisor, 1 to 63.
    pub k: u32,
    /// Step size, positive and at most 1000.
    pub dt: f64,
    /// Index of the replica with which this one is compared.
    pub reference: usize,
}

impl NonlinearParams {
    fn setup(&self) -> Setup<'_> {
        let Self { image, kernel, activation, label, initial, .. } = self;
        Setup { image, kernel: *kernel, activation: *activation, label: *label, initial }
    }

    pub(super) fn check(&self) -> Result<(), PdeError> {
        if !(0.0..=MAX_ALPHA).contains(&self.alpha) {
            return Err(PdeError::value("alpha", format!("0 to {MAX_ALPHA:e}"), self.alpha));
        }
        self.setup().check()
    }

    pub(super) fn check_replicas(replicas: &[Replica]) -> Result<(), PdeError> {
        check_dts(replicas.iter().map(|r| r.dt))?;
        for Replica { k, dt, reference } in replicas {
            if !(1..=MAX_K).contains(k) {
                return Err(PdeError::value("k", format!("1 to {MAX_K}"), k));
            }
            if *dt > MAX_DT {
                return Err(PdeError::value("dt", format!("at most {MAX_DT}"), dt));
            }
            if *reference >= replicas.len() {
                return Err(PdeError::value("reference", format!("below {}", replicas.len()), reference));
            }
        }
        Ok(())
    }

    /// The initial kernel for divisor `k`. It depends on k only with [`Perturbation::Nextafter`].
    pub(super) fn start(&self, k: u32) -> Vec<f32> {
        let mut w = self.initial.clone();
        if self.perturbation == Perturbation::Nextafter && k > 1 {
            let chosen = &mut w[(k as usize - 2) % self.initial.len()];
            *chosen = f32::from_bits(chosen.to_bits() + 1);
        }
        w
    }
}

/// The nonlinear equation in float32 on an adapter: one replica for each divisor and step size, in lockstep.
pub struct Nonlinear {
    lockstep: Lockstep,
    params: NonlinearParams,
    step_values: BufferId,
}

impl Nonlinear {
    fn plan(params: &NonlinearParams, replicas: usize) -> Result<(Layout, BufferId, Recording), PdeError> {
        params.check()?;
        let words = (size_of::<ReplicaValues>() / 4) as u32;
        // The rate is the second word of `ReplicaValues`.
        let mut layout = Layout::new(&params.setup(), replicas, [words, 1])?;
        let step_values = layout.table.add("step", size_of::<StepValues>() as u64);
        let arena = layout.table.spec(layout.parameters).bytes;
        let momenta = layout.add_cleared("momenta", arena);
        let out = layout.conv.output();
        let mut rec = layout.recording();
        pool::backward(&mut rec, "average", out, layout.dlogits, layout.a);
        activation::backward(&mut rec, "activation", out, params.activation, layout.y, layout.a);
        layout.gradient_by_kernel(&mut rec, layout.a);
        let bindings = sgd::Bindings {
            gradients: layout.gradients,
            step: layout.table.whole(step_values),
            replicas: layout.table.whole(layout.rates),
            parameters: layout.table.whole(layout.parameters),
            momenta,
        };
        sgd::update(&mut rec, params.perturbation, bindings);
        layout.forward_and_measure(&mut rec);
        Ok((layout, step_values, rec))
    }

    /// The recording of a step, for tests of every kernel.
    ///
    /// # Errors
    /// [`PdeError::Value`] for an invalid parameter.
    pub fn recording(params: &NonlinearParams, replicas: usize) -> Result<Recording, PdeError> {
        Ok(Self::plan(params, replicas)?.2)
    }

    /// Numbers of a step that all replicas share.
    fn step_values(params: &NonlinearParams) -> Vec<u8> {
        let values = StepValues { weight_decay: params.alpha as f32, momentum: 0.0, keep: 0.0, nesterov: 0.0 };
        bytemuck::bytes_of(&values).to_vec()
    }

    /// The script of a run of a few steps.
    ///
    /// # Errors
    /// [`PdeError::Value`] for an invalid parameter.
    pub(crate) fn script(params: &NonlinearParams, replicas: &[Replica]) -> Result<Script, PdeError> {
        NonlinearParams::check_replicas(replicas)?;
        let (layout, step_values, step) = Self::plan(params, replicas.len())?;
        let rates = replicas.iter().map(|replica| ReplicaValues::new(replica.k, replica.dt, params.perturbation));
        let rates: Vec<_> = rates.collect();
        let rates = (layout.rates, bytemuck::cast_slice(&rates).to_vec());
        let kernels: Vec<_> = replicas.iter().map(|replica| params.start(replica.k)).collect();
        let contents = vec![(step_values, Self::step_values(params)), rates];
        Ok(layout.script((&params.image, params.label), &kernels, contents, &step))
    }

    /// Creates the equation at step 0.
    ///
    /// # Errors
    /// [`PdeError::Value`] for an invalid parameter, [`PdeError::TooLarge`] if a buffer exceeds the adapter's largest binding,
    /// and [`PdeError::Gpu`] if the device fails.
    pub async fn new(
        context: Rc<Context>,
        params: NonlinearParams,
        replicas: &[Replica],
        fill: Fill,
    ) -> Result<Self, PdeError> {
        let (layout, step_values, rec) = Self::plan(&params, replicas.len())?;
        let lockstep = Lockstep::new(context, layout, &params.image, params.label, &rec, fill).await?;
        let mut this = Self { lockstep, params, step_values };
        this.restart(replicas).await?;
        Ok(this)
    }

    /// Returns to step 0 with the same number of other replicas. Buffers and programs are reused.
    ///
    /// # Errors
    /// [`PdeError::Value`] for an invalid value or another number of replicas, and [`PdeError::Gpu`] if the device fails.
    pub async fn restart(&mut self, replicas: &[Replica]) -> Result<(), PdeError> {
        self.check_as_before(replicas)?;
        let kernels: Vec<_> = replicas.iter().map(|r| self.params.start(r.k)).collect();
        self.lockstep.rewind(&kernels, replicas.iter().map(|r| r.reference as u32).collect());
        self.lockstep.write(self.step_values, &Self::step_values(&self.params));
        self.write_rates(replicas);
        self.lockstep.begin().await
    }

    /// Changes the step sizes of replicas that have not stopped, as a slider does. `replicas` must keep divisors and references.
    ///
    /// # Errors
    /// [`PdeError::Value`] for an invalid value or another number of replicas.
    pub fn change_dts(&mut self, replicas: &[Replica]) -> Result<(), PdeError> {
        self.check_as_before(replicas)?;
        self.write_rates(replicas);
        Ok(())
    }

    fn check_as_before(&self, replicas: &[Replica]) -> Result<(), PdeError> {
        NonlinearParams::check_replicas(replicas)?;
        let n = self.lockstep.stopped().len();
        if replicas.len() == n {
            return Ok(());
        }
        Err(PdeError::value("number of replicas", format!("{n}, as before"), replicas.len()))
    }

    fn write_rates(&self, replicas: &[Replica]) {
        let stopped = self.lockstep.stopped();
        let values = replicas.iter().zip(stopped).map(|(Replica { k, dt, .. }, stopped)| {
            let dt = if stopped.is_some() { 0.0 } else { *dt };
            ReplicaValues::new(*k, dt, self.params.perturbation)
        });
        let values: Vec<_> = values.collect();
        self.lockstep.write(self.lockstep.rates(), bytemuck::cast_slice(&values));
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

    /// For each replica, the step after which a value exceeded [`super::STOP_ABOVE`], if any.
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
