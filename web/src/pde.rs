//! The page's equations, in rows of numbers: the core's runs on the GPU in float32 or, where the browser has no WebGPU, on
//! the processor in float64, and their theory in closed form.

use std::rc::Rc;

use lastbit_core::device::{AdapterChoice, Context, Fill};
use lastbit_core::double::relative_l1;
use lastbit_core::ops::Activation;
use lastbit_core::ops::sgd::Perturbation;
use lastbit_core::pde::{
    Heat, HeatDouble, HeatParams, Image, Linear, LinearDouble, LinearParams, Nonlinear, NonlinearDouble,
    NonlinearParams, PdeError, Regime, Replica, Sample, initial_kernel, period,
};
use serde_json::json;
use wasm_bindgen::prelude::*;

use crate::fault::Fault;

/// Side of the one-layer network's kernel.
const KERNEL: u32 = 32;
/// Weight decay of the nonlinear equation (the paper's Figure 4).
const ALPHA: f64 = 20.0;
/// Divisors of the nonlinear equation's replicas: the reference, one with another k, and a control.
const KS: [u32; 3] = [1, 3, 2];
/// A step size at which the nonlinear equation settles, and the number of steps until it has.
const SETTLING: (f64, u64) = (0.01, 400);

impl From<PdeError> for Fault {
    fn from(error: PdeError) -> Self {
        match error {
            PdeError::Gpu(error) => error.into(),
            error => Self::config(error),
        }
    }
}

/// Steps after which an orbit no longer depends on its start.
const TRANSIENT: u64 = 600;
/// Steps of the orbit that are examined.
const ORBIT: u64 = 256;
/// The longest period that is distinguished from chaos.
const LONGEST_PERIOD: usize = 32;

enum HeatRun {
    Gpu(Heat),
    Processor(HeatDouble),
}

enum LinearRun {
    Gpu(Box<Linear>),
    Processor(Box<LinearDouble>),
}

enum NonlinearRun {
    Gpu(Box<Nonlinear>),
    Processor(Vec<NonlinearDouble>),
}

/// At most one run of each equation. Opening an equation again is cheap if only its numbers changed.
///
/// Errors have the kinds of [`crate::Lab`].
#[wasm_bindgen]
pub struct Equations {
    /// `None` if the processor computes.
    context: Option<Rc<Context>>,
    heat: Option<HeatRun>,
    linear: Option<(LinearParams, LinearRun)>,
    /// Least and largest eigenvalue of the linear equation, with the parameters that they belong to.
    eigenvalues: Option<(LinearParams, [f64; 2])>,
    nonlinear: Option<(u32, NonlinearRun)>,
    /// The nonlinear equation in float64 at step 0, with the side of its image. It is kept because finding an image's
    /// distinct patches takes longer than an orbit.
    start: Option<(u32, NonlinearDouble)>,
}

#[wasm_bindgen]
impl Equations {
    /// Opens the equations on the GPU, or on the processor if `processor` is true.
    ///
    /// # Errors
    /// A device error if there is no adapter or it refuses a device.
    pub async fn make(processor: bool) -> Result<Self, JsValue> {
        let context = if processor {
            None
        } else {
            Some(Rc::new(Context::new(&AdapterChoice::Best).await.map_err(Fault::from)?))
        };
        Ok(Self { context, heat: None, linear: None, eigenvalues: None, nonlinear: None, start: None })
    }

    /// JSON: the adapter's `name`, and in `software` whether the processor does its work.
    #[must_use]
    pub fn adapter(&self) -> String {
        match &self.context {
            Some(context) => json!({ "name": context.adapter().name, "software": context.adapter().software }),
            None => json!({ "name": "", "software": true }),
        }
        .to_string()
    }

    /// JSON: theory of the heat equation. `edge` is the largest stable step size, `factor` what a step of `dt` multiplies
    /// the highest mode by.
    #[must_use]
    pub fn heat_theory(&self, dt: f64) -> String {
        let params = HeatParams::default();
        let mode = params.highest_mode();
        json!({ "points": params.points, "mode": mode, "edge": params.edge(), "factor": params.factor(mode, dt) })
            .to_string()
    }

    /// Opens the heat equation with a tent as its start and steps of `dt`. Returns a row as [`Equations::heat_step`] does.
    ///
    /// # Errors
    /// `config` if `dt` is invalid; a device error.
    pub async fn heat_open(&mut self, dt: f64) -> Result<Vec<f64>, JsValue> {
        let params = HeatParams::default();
        let run = match (&self.context, self.heat.take()) {
            (Some(_), Some(HeatRun::Gpu(mut heat))) => {
                heat.restart(&[dt]).map_err(Fault::from)?;
                HeatRun::Gpu(heat)
            }
            (Some(context), _) => {
                let heat = Heat::new(Rc::clone(context), params, &[dt], Fill::Zero).await;
                HeatRun::Gpu(heat.map_err(Fault::from)?)
            }
            (None, _) => HeatRun::Processor(HeatDouble::new(params, dt).map_err(Fault::from)?),
        };
        self.heat = Some(run);
        self.heat_step(0).await
    }

    /// Takes `steps` steps. Returns the amplitude of the highest mode, followed by the values of all points.
    ///
    /// # Errors
    /// `config` if the equation is not open; a device error.
    pub async fn heat_step(&mut self, steps: u32) -> Result<Vec<f64>, JsValue> {
        let params = HeatParams::default();
        let values: Vec<f64> = match self.heat.as_mut().ok_or_else(no_run)? {
            HeatRun::Gpu(heat) => {
                heat.step(steps);
                let values = heat.values().await.map_err(Fault::from)?;
                values[0].iter().map(|u| f64::from(*u)).collect()
            }
            HeatRun::Processor(heat) => {
                heat.step(u64::from(steps));
                heat.values().to_vec()
            }
        };
        let amplitude = params.amplitude(params.highest_mode(), &values);
        Ok(std::iter::once(amplitude).chain(values).collect())
    }

    /// Bounds of stability of the linear equation: lowest and highest stable weight decay for each of `dts`, in pairs.
    ///
    /// # Errors
    /// `config` if `side` or `regime` is invalid.
    pub fn linear_bounds(&mut self, side: u32, regime: u32, dts: &[f64]) -> Result<Vec<f64>, JsValue> {
        let eigenvalues = self.linear_eigenvalues(&linear_params(side, regime)?)?;
        let bounds = dts.iter().map(|dt| LinearParams::bounds(eigenvalues, *dt));
        Ok(bounds.flat_map(|bounds| [bounds.alpha_min, bounds.alpha_max]).collect())
    }

    /// The factor by which a step multiplies the fastest-growing mode of the linear equation.
    ///
    /// # Errors
    /// `config` if `side` or `regime` is invalid.
    pub fn linear_factor(&mut self, side: u32, regime: u32, alpha: f64, dt: f64) -> Result<f64, JsValue> {
        Ok(LinearParams::factor(self.linear_eigenvalues(&linear_params(side, regime)?)?, alpha, dt))
    }

    /// Opens the linear equation at step 0. Returns |w|.
    ///
    /// # Errors
    /// `config` if a value is invalid; a device error.
    pub async fn linear_open(&mut self, side: u32, regime: u32, alpha: f64, dt: f64) -> Result<Vec<f64>, JsValue> {
        let params = linear_params(side, regime)?;
        let run = match (&self.context, self.linear.take()) {
            (_, Some((of, mut run))) if of == params => {
                match &mut run {
                    LinearRun::Gpu(run) => run.restart(&[(alpha, dt)]).await.map_err(Fault::from)?,
                    LinearRun::Processor(run) => run.restart(&params.initial, alpha, dt).map_err(Fault::from)?,
                }
                run
            }
            (Some(context), _) => {
                let run = Linear::new(Rc::clone(context), params.clone(), &[(alpha, dt)], Fill::Zero).await;
                LinearRun::Gpu(Box::new(run.map_err(Fault::from)?))
            }
            (None, _) => LinearRun::Processor(Box::new(LinearDouble::new(&params, alpha, dt).map_err(Fault::from)?)),
        };
        self.linear = Some((params, run));
        self.linear_step(0).await
    }

    /// Takes `steps` steps. Returns |w| after each of them, up to the one at which the run stops; for 0 steps, |w| so far
    /// on the GPU and |w| now on the processor.
    ///
    /// # Errors
    /// `config` if the equation is not open; a device error.
    pub async fn linear_step(&mut self, steps: u32) -> Result<Vec<f64>, JsValue> {
        match &mut self.linear.as_mut().ok_or_else(no_run)?.1 {
            LinearRun::Gpu(run) => {
                let known = run.history(0).len();
                run.step(steps).await.map_err(Fault::from)?;
                let from = if steps == 0 { 0 } else { known };
                Ok(run.history(0)[from..].iter().map(|sample| f64::from(sample.squares).sqrt()).collect())
            }
            LinearRun::Processor(run) if steps == 0 => Ok(vec![run.norm()]),
            LinearRun::Processor(run) => Ok((0..steps)
                .map_while(|_| {
                    let is_alive = run.stopped().is_none();
                    run.step(1);
                    is_alive.then(|| run.norm())
                })
                .collect()),
        }
    }

    /// JSON: the `loss` at which the nonlinear equation settles, and `edge`, the step size up to which it does (2 over the
    /// sharpness there); beside them `alpha` and `ks`.
    ///
    /// # Errors
    /// `config` if `side` is invalid.
    pub fn nonlinear_theory(&mut self, side: u32) -> Result<String, JsValue> {
        let mut run = self.nonlinear_double(side, SETTLING.0)?;
        run.step(SETTLING.1);
        Ok(json!({ "loss": run.loss(), "edge": 2.0 / run.sharpness(), "alpha": ALPHA, "ks": KS }).to_string())
    }

    /// Losses of `steps` steps of the nonlinear equation at `dt`, after `transient` steps, in float64; empty if it blows up.
    ///
    /// # Errors
    /// `config` if `side` or `dt` is invalid.
    pub fn nonlinear_orbit(&mut self, side: u32, dt: f64, transient: u32, steps: u32) -> Result<Vec<f64>, JsValue> {
        let mut run = self.nonlinear_double(side, dt)?;
        run.step(u64::from(transient));
        let losses = (0..steps).map(|_| {
            run.step(1);
            run.stopped().is_none().then(|| run.loss())
        });
        Ok(losses.collect::<Option<Vec<f64>>>().unwrap_or_default())
    }

    /// JSON: how the nonlinear equation ends at `dt`, in float64. The `kind` is `blows-up`, `period` with its length (1: it
    /// settles) or `chaos`; unless it blows up, `exponent` is the Lyapunov exponent, the growth of a small difference per
    /// step.
    ///
    /// # Errors
    /// `config` if `side` or `dt` is invalid.
    pub fn nonlinear_behaviour(&mut self, side: u32, dt: f64) -> Result<String, JsValue> {
        let mut run = self.nonlinear_double(side, dt)?;
        run.step(TRANSIENT);
        let losses: Vec<f64> = (0..ORBIT).map(|_| (run.step(1), run.loss()).1).collect();
        let exponent = run.lyapunov(ORBIT);
        let (Some(exponent), None) = (exponent.filter(|e| !e.is_nan()), run.stopped()) else {
            return Ok(json!({ "kind": "blows-up" }).to_string());
        };
        Ok(match period(&losses, LONGEST_PERIOD, 1e-9) {
            Some(period) => json!({ "kind": "period", "period": period, "exponent": exponent }),
            None => json!({ "kind": "chaos", "exponent": exponent }),
        }
        .to_string())
    }

    /// Opens the nonlinear equation at step 0. Returns a row as [`Equations::nonlinear_step`] does.
    ///
    /// # Errors
    /// `config` if `side` or `dt` is invalid; a device error.
    pub async fn nonlinear_open(&mut self, side: u32, dt: f64) -> Result<Vec<f64>, JsValue> {
        let params = nonlinear_params(side)?;
        let run = match (&self.context, self.nonlinear.take()) {
            (Some(_), Some((of, NonlinearRun::Gpu(mut run)))) if of == side => {
                run.restart(&replicas(dt)).await.map_err(Fault::from)?;
                NonlinearRun::Gpu(run)
            }
            (Some(context), _) => {
                let run = Nonlinear::new(Rc::clone(context), params, &replicas(dt), Fill::Zero).await;
                NonlinearRun::Gpu(Box::new(run.map_err(Fault::from)?))
            }
            (None, _) => {
                let runs = KS.iter().map(|k| NonlinearDouble::new(&params, *k, dt));
                NonlinearRun::Processor(runs.collect::<Result<_, _>>().map_err(Fault::from)?)
            }
        };
        self.nonlinear = Some((side, run));
        self.nonlinear_step(0).await
    }

    /// Changes the step size of the following steps.
    ///
    /// # Errors
    /// `config` if the equation is not open or `dt` is invalid.
    pub fn nonlinear_change(&mut self, dt: f64) -> Result<(), JsValue> {
        match &mut self.nonlinear.as_mut().ok_or_else(no_run)?.1 {
            NonlinearRun::Gpu(run) => run.change_dts(&replicas(dt)).map_err(Fault::from)?,
            NonlinearRun::Processor(runs) => {
                let changed = runs.iter().map(|run| run.clone().with_dt(dt));
                *runs = changed.collect::<Result<_, _>>().map_err(Fault::from)?;
            }
        }
        Ok(())
    }

    /// Takes `steps` steps. Returns a row for each (for 0 steps, the row of step 0): the loss of every replica, then the
    /// relative L1 of every replica from the first. The values of a replica are NaN from the step at which it blows up.
    ///
    /// # Errors
    /// `config` if the equation is not open; a device error.
    pub async fn nonlinear_step(&mut self, steps: u32) -> Result<Vec<f64>, JsValue> {
        match &mut self.nonlinear.as_mut().ok_or_else(no_run)?.1 {
            NonlinearRun::Gpu(run) => {
                let known = run.steps() as usize + 1;
                run.step(steps).await.map_err(Fault::from)?;
                let rows = if steps == 0 { 0..1 } else { known..run.steps() as usize + 1 };
                let at = |r: usize, step: usize| run.history(r).get(step).copied();
                Ok(rows
                    .flat_map(|step| {
                        let samples: Vec<Option<Sample>> = (0..KS.len()).map(|r| at(r, step)).collect();
                        let losses = samples.iter().map(|s| s.map_or(f64::NAN, |s| s.loss(ALPHA)));
                        let apart = samples.iter().map(|s| s.map_or(f64::NAN, |s| f64::from(s.rel_l1)));
                        losses.chain(apart).collect::<Vec<f64>>()
                    })
                    .collect())
            }
            NonlinearRun::Processor(runs) => {
                let mut rows = Vec::new();
                for _ in 0..steps.max(1) {
                    runs.iter_mut().for_each(|run| run.step(u64::from(steps.min(1))));
                    let alive = |run: &NonlinearDouble| run.stopped().is_none();
                    rows.extend(runs.iter().map(|run| if alive(run) { run.loss() } else { f64::NAN }));
                    let first = runs[0].kernel();
                    let both = |run: &NonlinearDouble| alive(run) && alive(&runs[0]);
                    rows.extend(
                        runs.iter().map(|run| if both(run) { relative_l1(run.kernel(), first) } else { f64::NAN }),
                    );
                }
                Ok(rows)
            }
        }
    }
}

impl Equations {
    fn nonlinear_double(&mut self, side: u32, dt: f64) -> Result<NonlinearDouble, Fault> {
        let start = match self.start.take() {
            Some((of, start)) if of == side => start,
            _ => NonlinearDouble::new(&nonlinear_params(side)?, 1, dt)?,
        };
        let run = start.clone().with_dt(dt)?;
        self.start = Some((side, start));
        Ok(run)
    }

    fn linear_eigenvalues(&mut self, params: &LinearParams) -> Result<[f64; 2], Fault> {
        match &self.eigenvalues {
            Some((of, values)) if of == params => Ok(*values),
            _ => {
                let values = params.eigenvalues()?;
                self.eigenvalues = Some((params.clone(), values));
                Ok(values)
            }
        }
    }
}

fn no_run() -> Fault {
    Fault::config("the equation is not open")
}

fn replicas(dt: f64) -> [Replica; 3] {
    KS.map(|k| Replica { k, dt, reference: 0 })
}

fn linear_params(side: u32, regime: u32) -> Result<LinearParams, Fault> {
    let regime = Regime::ALL.get(regime as usize).copied().ok_or_else(|| Fault::config("regime must be 0, 1 or 2"))?;
    Ok(LinearParams {
        image: Image::checkerboard(side, side)?,
        kernel: KERNEL,
        regime,
        a: -0.5,
        beta: 1.0,
        source: false,
        initial: initial_kernel(KERNEL, None, 1),
    })
}

fn nonlinear_params(side: u32) -> Result<NonlinearParams, Fault> {
    Ok(NonlinearParams {
        image: Image::checkerboard(side, side)?,
        kernel: KERNEL,
        activation: Activation::Swish { beta: 1.0 },
        label: 1,
        alpha: ALPHA,
        perturbation: Perturbation::Divide,
        initial: initial_kernel(KERNEL, None, 1),
    })
}
