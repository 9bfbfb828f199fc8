//! Where the nonlinear network's orbits end, over dt, in float64: bifurcation diagram, periods, Lyapunov exponent.

use lastbit_core::pde::{Bracket, NonlinearDouble, NonlinearParams, period};
use serde::{Deserialize, Serialize};

use super::super::Table;
use super::super::findings::table;
use super::super::pde::edge;
use crate::failure::Failure;
use crate::plot::{Axis, Figure};
use crate::reproduce::check_interrupt;

/// Steps before an orbit is recorded.
const TRANSIENT: u64 = 2000;
/// Steps of an orbit that are drawn.
const DRAWN: usize = 120;
/// Steps over which the Lyapunov exponent is averaged.
const LYAPUNOV: u64 = 2000;
/// Largest period that is searched for.
const MOST: usize = 16;
/// Largest step size times alpha: beyond 2 the run explodes.
const LAST: f64 = 2.1;

/// The end of the orbit at one step size.
#[derive(Serialize, Deserialize)]
pub struct Orbit {
    pub dt: f64,
    /// Response of the first patch, step by step; empty where the run stopped.
    pub values: Vec<f64>,
    /// Period in steps; `None` if there is none up to [`MOST`].
    pub period: Option<usize>,
    /// Lyapunov exponent a step; `None` where the run stopped.
    pub lyapunov: Option<f64>,
}

/// The orbits of the diagrams, and the values of theory.
#[derive(Serialize, Deserialize)]
pub struct Orbits {
    pub orbits: Vec<Orbit>,
    /// Loss at the fixed point.
    pub fixed_point_loss: f64,
    /// 2 / largest eigenvalue of the Hessian at the fixed point: the first doubling by theory.
    pub doubling: f64,
    /// The first doubling by bisection on the period; `None` if no orbit doubles before 2 / alpha.
    pub doubling_found: Option<f64>,
    /// 2 / alpha: beyond it the undriven weights explode.
    pub explosion: f64,
}

/// Responses of the first patch over [`DRAWN`] steps after `transient` steps.
fn settle(run: &mut NonlinearDouble, transient: u64) -> Vec<f64> {
    run.step(transient);
    let next = |_| {
        run.step(1);
        run.response()
    };
    (0..DRAWN).map(next).collect()
}

impl Orbits {
    /// A rough estimate of the time in seconds.
    pub fn seconds(points: u64) -> f64 {
        points as f64 * (TRANSIENT + 3 * LYAPUNOV) as f64 * 4e-6
    }

    /// Orbits at `points` step sizes, and at those of `others` that lie in their range.
    pub fn find(params: &NonlinearParams, points: u64, others: &[f64]) -> Result<Self, Failure> {
        let explosion = 2.0 / params.alpha;
        let start = NonlinearDouble::new(params, 1, explosion / 20.0)?;
        // The fixed point is the same for every dt; a small one reaches it.
        let mut calm = start.clone();
        calm.step(10 * TRANSIENT);
        let doubling = 2.0 / calm.sharpness();
        // Near a doubling orbits settle slowly: within 0.1 % the distance from the fixed point falls by 0.4 % a step.
        let doubled = |dt: f64| -> Result<bool, Failure> {
            let values = settle(&mut start.clone().with_dt(dt)?, 2 * TRANSIENT);
            Ok(period(&values, MOST, 1e-4) != Some(1))
        };
        let bracket = Bracket { without: 0.9 * doubling, with: (1.1 * doubling).min(0.98 * explosion) };
        let doubling_found = if doubled(bracket.with)? { Some(edge(bracket, 1e-4, doubled)?) } else { None };
        let mut orbits = Vec::new();
        let last = explosion * LAST / 2.0;
        let mut dts: Vec<f64> = (1..=points).map(|i| last * i as f64 / points as f64).collect();
        dts.extend(others.iter().filter(|dt| **dt < last));
        dts.sort_by(f64::total_cmp);
        dts.dedup();
        for dt in dts {
            check_interrupt()?;
            let mut run = start.clone().with_dt(dt)?;
            let values = settle(&mut run, TRANSIENT);
            let lyapunov = if run.stopped().is_some() { None } else { run.lyapunov(LYAPUNOV) };
            let is_kept = lyapunov.is_some() && dt < explosion;
            let period = if is_kept { period(&values, MOST, 1e-6) } else { None };
            orbits.push(Orbit {
                dt,
                values: if is_kept { values } else { Vec::new() },
                period,
                // The exponent of a superstable orbit is minus infinity, which JSON does not have.
                lyapunov: lyapunov.filter(|_| is_kept).map(|exponent| exponent.max(-50.0)),
            });
        }
        Ok(Self { orbits, fixed_point_loss: calm.loss(), doubling, doubling_found, explosion })
    }

    /// Distance between the diagram's step sizes.
    pub fn spacing(&self, points: u64) -> f64 {
        self.explosion * LAST / 2.0 / points as f64
    }

    /// The first step size with a positive exponent.
    pub fn onset_of_chaos(&self) -> Option<f64> {
        self.orbits.iter().find(|orbit| orbit.lyapunov.is_some_and(|exponent| exponent > 0.005)).map(|orbit| orbit.dt)
    }

    /// The exponent at one of the step sizes; `None` where the run stopped.
    pub fn exponent_at(&self, dt: f64) -> Option<f64> {
        self.orbits.iter().find(|orbit| orbit.dt == dt).and_then(|orbit| orbit.lyapunov)
    }

    /// The bifurcation diagram, and the exponent below it on the same axis.
    pub fn figures(&self) -> Vec<Figure> {
        let ends = |axis: Axis| axis.between(0.0, LAST / 2.0 * self.explosion);
        let points = self.orbits.iter().flat_map(|orbit| orbit.values.iter().map(|value| (orbit.dt, *value)));
        let exponents: Vec<(f64, f64)> =
            self.orbits.iter().map(|orbit| (orbit.dt, orbit.lyapunov.unwrap_or(f64::NAN))).collect();
        let marks = |figure: Figure| {
            let figure = figure.vertical(format!("first doubling {:.4}", self.doubling), self.doubling);
            let figure = match self.onset_of_chaos() {
                Some(dt) => figure.vertical(format!("chaos from {dt:.4}"), dt),
                None => figure,
            };
            figure.vertical(format!("2/alpha = {}", self.explosion), self.explosion)
        };
        let diagram = Figure::new(
            "fig4-bifurcation",
            "Where orbits end: bifurcation diagram",
            ends(Axis::linear("dt (time)")),
            Axis::linear("response of a patch (1)"),
        )
        .scatter("", points.collect())
        .caption(format!(
            "float64, {DRAWN} steps after a transient of {TRANSIENT}. One value: a fixed point; 2, 4, ...: cycles; a \
            smear: chaos. Not in the paper."
        ));
        let exponent = Figure::new(
            "fig4-lyapunov",
            "Lyapunov exponent",
            ends(Axis::linear("dt (time)")),
            Axis::linear("exponent (1/step)").between(-1.5, 1.0),
        )
        .line("", exponents)
        .horizontal("0: above it chaos", 0.0)
        .caption("float64. Where it is positive, a difference in the last bit grows by this exponent a step; where it is negative, \
            the copies come together again. Not in the paper.");
        vec![marks(diagram), marks(exponent)]
    }

    /// The diagrams' data.
    pub fn tables(&self) -> Vec<Table> {
        let responses = self.orbits.iter().flat_map(|orbit| orbit.values.iter().map(|value| (orbit.dt, value)));
        let values = table!("fig4-bifurcation", "Responses at the end of orbits", for (dt, value) in responses => {
            "dt" = dt,
            "response" = value,
        });
        let exponents = table!("fig4-lyapunov", "Period and Lyapunov exponent", for orbit in &self.orbits => {
            "dt" = orbit.dt,
            "period" = orbit.period,
            "exponent" = orbit.lyapunov,
        });
        vec![values.not_shown(), exponents.not_shown()]
    }
}
