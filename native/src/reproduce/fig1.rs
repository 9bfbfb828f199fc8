//! Figure 1: the heat equation by explicit Euler, stable below the edge dt = dx^2 / 2 and unstable above it. It shows an
//! instability that nothing restrains.

mod verdict;

use std::rc::Rc;

use lastbit_core::device::{Context, Fill};
use lastbit_core::pde::{Bracket, Heat, HeatDouble, HeatParams, STOP_ABOVE};
use pollster::block_on;
use serde::{Deserialize, Serialize};

use super::checks::{check_all_positive, check_positive, checked};
use super::findings::{table, with_lines};
use super::flags::flags;
use super::pde::{edge, finite};
use super::{Experiment, Findings, Forecast, Study};
use crate::failure::Failure;
use crate::numbers::number;
use crate::plot::{Axis, Figure};

/// The paper's times. Above the edge only those up to [`LAST_UNSTABLE`] are used; later, growth hides everything else.
const TIMES: [f64; 7] = [0.0, 0.8, 2.4, 4.0, 100.0, 200.0, 800.0];
const LAST_UNSTABLE: f64 = 4.0;
/// Largest number of steps to the last of the times.
const MOST_STEPS: f64 = 1e6;
/// Steps between which the growth is measured: late enough for the highest mode to be the largest, early enough for float32.
const GROWTH_STEPS: [u32; 2] = [20, 24];
/// Step sizes of the growth curve, in twentieths of the edge.
const SHARES: std::ops::RangeInclusive<u32> = 2..=36;

flags! {
    /// Figure 1: the heat equation, stable and unstable
    #[name = "fig1"]
    pub struct Fig1 {
        /// Points, both ends included
        points: u32 = 31;
        /// Distance between points
        dx: f64 = 1.0;
        /// Time steps, one figure each
        dt: Vec<f64> = vec![0.4, 0.8];
    }
}

/// u at one time.
#[derive(Serialize, Deserialize)]
struct Profile {
    dt: f64,
    time: f64,
    gpu: Vec<Option<f64>>,
    exact: Vec<Option<f64>>,
}

/// Growth of the highest mode at one step size.
#[derive(Serialize, Deserialize)]
struct Growth {
    dt: f64,
    /// Factor in the first step. `None` if it is not finite.
    first: Option<f64>,
    /// Factor a step between [`GROWTH_STEPS`], if it is large enough to be measured and the run has not stopped.
    late: Option<f64>,
    /// True if the run stopped by the last of [`GROWTH_STEPS`].
    has_stopped: bool,
}

impl Fig1 {
    fn params(&self) -> HeatParams {
        HeatParams { points: self.points, dx: self.dx }
    }

    /// Steps after which the bisection decides between growth and decay. Near the edge a mode grows by about
    /// 2 (dt / edge - 1) a step, from a thousandth of the tent.
    fn steps(&self) -> u32 {
        if self.is_quick { 20_000 } else { 200_000 }
    }

    fn heat(&self, context: &Rc<Context>, dts: &[f64]) -> Result<Heat, Failure> {
        Ok(block_on(Heat::new(Rc::clone(context), self.params(), dts, Fill::Zero))?)
    }

    fn profiles(&self, context: &Rc<Context>) -> Result<Vec<Profile>, Failure> {
        let params = self.params();
        let start: Vec<f64> = params.tent().into_iter().map(f64::from).collect();
        let mut profiles = Vec::new();
        for &dt in &self.dt {
            let mut heat = self.heat(context, &[dt])?;
            let last = if dt <= params.edge() { f64::INFINITY } else { LAST_UNSTABLE };
            let times = TIMES.into_iter().filter(|time| *time <= last);
            let mut steps: Vec<u32> = times.map(|time| (time / dt).round() as u32).collect();
            steps.dedup();
            for steps in steps {
                heat.step(steps - heat.steps() as u32);
                let gpu = block_on(heat.values())?.concat();
                profiles.push(Profile {
                    dt,
                    // The time that the steps reach, rounded so that 6 times 0.4 reads 2.4.
                    time: (f64::from(steps) * dt * 1e9).round() / 1e9,
                    gpu: gpu.into_iter().map(|u| finite(u.into())).collect(),
                    exact: params.solution(&start, dt, steps).into_iter().map(finite).collect(),
                });
            }
        }
        Ok(profiles)
    }

    /// Amplitude of the highest mode in each replica.
    fn amplitudes(&self, heat: &Heat) -> Result<Vec<f64>, Failure> {
        let params = self.params();
        let values = block_on(heat.values())?;
        let wide = values.iter().map(|u| u.iter().map(|v| f64::from(*v)).collect::<Vec<_>>());
        Ok(wide.map(|u| params.amplitude(params.highest_mode(), &u)).collect())
    }

    fn growth(&self, context: &Rc<Context>) -> Result<Vec<Growth>, Failure> {
        let edge = self.params().edge();
        let mut dts: Vec<f64> = SHARES.map(|share| f64::from(share) * edge / 20.0).collect();
        dts.extend(&self.dt);
        let mut heat = self.heat(context, &dts)?;
        let mut at = Vec::new();
        for steps in [0, 1, GROWTH_STEPS[0], GROWTH_STEPS[1]] {
            heat.step(steps - heat.steps() as u32);
            at.push(self.amplitudes(&heat)?);
        }
        let is_beyond = |u: &Vec<f32>| u.iter().any(|v| v.is_nan() || v.abs() > STOP_ABOVE);
        let has_stopped: Vec<bool> = block_on(heat.values())?.iter().map(is_beyond).collect();
        let [from, to] = GROWTH_STEPS;
        let growth = dts.iter().enumerate().map(|(r, &dt)| Growth {
            dt,
            first: finite(at[1][r] / at[0][r]),
            // A smaller amplitude is rounding; a run that has stopped keeps its values.
            late: (at[2][r].abs() > 1e-2 && !has_stopped[r])
                .then(|| (at[3][r] / at[2][r]).abs().powf(1.0 / f64::from(to - from))),
            has_stopped: has_stopped[r],
        });
        Ok(growth.collect())
    }

    /// The edge by bisection in float32 and in float64: the step at which a value begins to pass the top of the tent.
    fn edges(&self, context: &Rc<Context>) -> Result<[f64; 2], Failure> {
        let params = self.params();
        // A step that is stable on every grid, and one that is stable on none.
        let bracket = Bracket { without: 0.25 * self.dx * self.dx, with: self.dx * self.dx };
        let mut heat = self.heat(context, &[bracket.without])?;
        let single = edge(bracket, 1e-5, |dt| {
            heat.restart(&[dt])?;
            heat.step(self.steps());
            Ok(block_on(heat.values())?[0].iter().any(|u| u.is_nan() || u.abs() > 1.5))
        })?;
        let double = edge(bracket, 1e-5, |dt| {
            let mut heat = HeatDouble::new(params, dt)?;
            heat.step(self.steps().into());
            Ok(heat.values().iter().any(|u| u.is_nan() || u.abs() > 1.5))
        })?;
        Ok([single, double])
    }

    fn figures(&self, profiles: &[Profile], growth: &[Growth]) -> Vec<Figure> {
        let params = self.params();
        let mut figures = Vec::new();
        for &dt in &self.dt {
            let stability = if dt <= params.edge() { "stable" } else { "unstable" };
            let title = format!("Heat equation at dt {dt}: {stability}");
            let figure =
                Figure::new(format!("fig1-dt{dt}"), title, Axis::linear("x (length)"), Axis::linear("u (temperature)"));
            let lines = profiles.iter().filter(|p| p.dt == dt).map(|profile| {
                let points = profile.gpu.iter().enumerate().map(|(i, u)| (i as f64 * self.dx, u.unwrap_or(f64::NAN)));
                (format!("t = {}", profile.time), points.collect())
            });
            figures.push(with_lines(figure, lines).caption(format!(
                "float32 on the adapter, {} points, both ends fixed at 0. Below the edge dt = {:.5} the tent flattens; above it \
                 the mode that alternates from point to point grows.",
                self.points, params.edge()
            )));
        }
        let mode = params.highest_mode();
        let line = growth.iter().filter(|g| !self.dt.contains(&g.dt));
        let theory = line.clone().map(|g| (g.dt, params.factor(mode, g.dt))).collect();
        figures.push(
            Figure::new("fig1-growth", "Factor of the highest mode in a step", Axis::linear("dt (time)"), Axis::linear("factor (1)"))
                .reference("theory", theory)
                .dots("float32 on the adapter", line.map(|g| (g.dt, g.first.unwrap_or(f64::NAN))).collect())
                .horizontal("-1: beyond it, growth", -1.0)
                .vertical(format!("edge: {:.5}", params.edge()), params.edge())
                .caption("Measured in the first step, from the tent. The theory is 1 - 4 dt/dx² sin²(mode π / (2 (points - 1)))."),
        );
        figures
    }
}

impl Experiment for Fig1 {
    fn check(&self) -> Result<(), Failure> {
        check_positive("--dx", self.dx)?;
        checked("--points", self.params().checked())?;
        check_all_positive("--dt", &self.dt)?;
        match self.dt.iter().find(|dt| TIMES[6] / **dt > MOST_STEPS) {
            None => Ok(()),
            Some(small) => Err(Failure::usage(format!(
                "--dt: must be at least {}, not {small}: the figure goes to t = 800",
                TIMES[6] / MOST_STEPS
            ))),
        }
    }

    fn forecast(&self, study: &Study) -> Result<Forecast, Failure> {
        // Seventeen halvings in each format; those on the adapter take longer, a few microseconds a step.
        let edges = 17.0 * f64::from(self.steps()) * 1e-5;
        Ok(study.forecast_pieces([("profiles", 0.0), ("growth", 0.0), ("edges", edges)]))
    }

    fn run(&self, study: &mut Study) -> Result<Findings, Failure> {
        let profiles: Vec<Profile> = study.piece("profiles", |context| self.profiles(context))?;
        let growth: Vec<Growth> = study.piece("growth", |context| self.growth(context))?;
        let edges: [f64; 2] = study.piece("edges", |context| self.edges(context))?;
        let params = self.params();
        let theory = params.edge();
        let sources = [("theory", theory), ("float32 on the adapter", edges[0]), ("float64 on the host", edges[1])];
        let table = table!("fig1-edge", "The largest stable step", for (source, dt) in sources => {
            "source" as "" = source,
            "dt" = dt,
            "error" as "from theory" = number(dt / theory - 1.0),
        });
        let points = profiles.iter().flat_map(|profile| (0..profile.gpu.len()).map(move |i| (profile, i)));
        let data = table!("fig1", "u at every point and time", for (profile, i) in points => {
            "dt" = profile.dt,
            "t" = profile.time,
            "x" = i as f64 * self.dx,
            "u_float32" = profile.gpu[i],
            "u_exact" = profile.exact[i],
        });
        let factors = table!("fig1-growth", "Factor of the highest mode in a step", for g in &growth => {
            "dt" = g.dt,
            "float32" = g.first,
            "theory" = params.factor(params.highest_mode(), g.dt),
        });
        Ok(Findings {
            claims: self.claims(&profiles, &growth, edges),
            figures: self.figures(&profiles, &growth),
            tables: vec![table, data.not_shown(), factors.not_shown()],
            methods: vec![
                "Explicit Euler, u[i] ← u[i] + dt/dx² (u[i-1] + u[i+1] - 2 u[i]), both ends fixed at 0, from a tent that rises to \
                 1.5 in the middle. The equation is linear, so every sine mode is multiplied by its own factor in every step. The \
                 edge is the largest step at which no factor exceeds 1 in magnitude."
                    .to_owned(),
                "Nothing here depends on the last bit: a linear equation beyond its edge amplifies errors and solution alike, and nothing \
                 stops the growth. In the networks the growth stops after a while."
                    .to_owned(),
            ],
        })
    }
}
