//! Figure 1: the heat equation by explicit Euler, stable below the edge dt = dx^2 / 2 and unstable above it: what an
//! instability looks like where nothing restrains it.

use std::rc::Rc;

use clap::Args;
use lastbit_core::gpu::Fill;
use lastbit_core::pde::{Bracket, Heat, HeatDouble, HeatParams, STOP_ABOVE};
use pollster::block_on;
use serde::{Deserialize, Serialize};

use super::equations::{checked, edge, finite, positive, positives};
use super::figure::{Axis, Figure};
use super::{Agreement, Claim, Experiment, Findings, Forecast, Setup, Study, Table, settings_of};
use crate::failure::Failure;
use crate::report::numbers::{about, number};

/// The paper's times. Above the edge only those up to [`LAST_UNSTABLE`], after which nothing else can be seen.
const TIMES: [f64; 7] = [0.0, 0.8, 2.4, 4.0, 100.0, 200.0, 800.0];
const LAST_UNSTABLE: f64 = 4.0;
/// To the last of the times.
const MOST_STEPS: f64 = 1e6;
/// Steps between which the growth is measured: late enough for the highest mode to be the largest, early enough for float32.
const GROWTH_STEPS: [u32; 2] = [20, 24];
/// An amplitude of the tent's highest mode that is no rounding.
const CLEAR: f64 = 1e-4;
/// How far from theory the edge may be found.
const ALLOWED: f64 = 1e-3;
/// Step sizes of the growth curve, as shares of the edge.
const SHARES: std::ops::RangeInclusive<u32> = 2..=36;

/// Flags of `reproduce fig1`.
#[derive(Debug, Default, Args)]
pub struct Flags {
    /// Points, both ends included [default: 31]
    #[arg(long, value_name = "N")]
    points: Option<u32>,
    /// Distance between points [default: 1]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    dx: Option<f64>,
    /// Time steps, a figure each [default: 0.4,0.8]
    #[arg(long, value_name = "X,X,...", value_delimiter = ',', allow_negative_numbers = true)]
    dt: Option<Vec<f64>>,
}

/// The experiment.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Fig1 {
    points: u32,
    dx: f64,
    dt: Vec<f64>,
    /// Steps after which growth or decay is decided, in the bisection.
    #[serde(skip)]
    steps: u32,
}

impl Setup for Flags {
    fn experiment(&self, is_quick: bool) -> Result<Box<dyn Experiment>, Failure> {
        let points = self.points.unwrap_or(31);
        let dx = positive("--dx", self.dx.unwrap_or(1.0))?;
        checked("--points", HeatParams { points, dx }.checked())?;
        let dt = positives("--dt", self.dt.clone().unwrap_or_else(|| vec![0.4, 0.8]))?;
        if let Some(small) = dt.iter().find(|dt| TIMES[6] / **dt > MOST_STEPS) {
            let least = TIMES[6] / MOST_STEPS;
            return Err(Failure::usage(format!(
                "--dt: must be at least {least}, not {small}: the figure goes to t = 800"
            )));
        }
        // Near the edge a mode grows by 2 (dt / edge - 1) a step or so, from a thousandth of the tent.
        let steps = if is_quick { 20_000 } else { 200_000 };
        Ok(Box::new(Fig1 { points, dx, dt, steps }))
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

/// Growth of the highest mode in one step size.
#[derive(Serialize, Deserialize)]
struct Growth {
    dt: f64,
    /// In the first step. None where it is beyond the format.
    first: Option<f64>,
    /// Per step between [`GROWTH_STEPS`], where it is large enough to be measured and the run has not stopped.
    late: Option<f64>,
    /// By the last of [`GROWTH_STEPS`].
    has_stopped: bool,
}

impl Fig1 {
    fn params(&self) -> HeatParams {
        HeatParams { points: self.points, dx: self.dx }
    }

    fn heat(&self, context: &Rc<lastbit_core::gpu::Context>, dts: &[f64]) -> Result<Heat, Failure> {
        Ok(block_on(Heat::new(Rc::clone(context), self.params(), dts, Fill::Zero))?)
    }

    fn profiles(&self, context: &Rc<lastbit_core::gpu::Context>) -> Result<Vec<Profile>, Failure> {
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
                    // Where the steps lead; 6 times 0.4 is to read 2.4.
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

    fn growth(&self, context: &Rc<lastbit_core::gpu::Context>) -> Result<Vec<Growth>, Failure> {
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
            // Below that it is rounding; what has stopped keeps its values.
            late: (at[2][r].abs() > 1e-2 && !has_stopped[r])
                .then(|| (at[3][r] / at[2][r]).abs().powf(1.0 / f64::from(to - from))),
            has_stopped: has_stopped[r],
        });
        Ok(growth.collect())
    }

    /// The edge by bisection in float32 and in float64: does anything pass the top of the tent?
    fn edges(&self, context: &Rc<lastbit_core::gpu::Context>) -> Result<[f64; 2], Failure> {
        let params = self.params();
        // Anything that is stable on every grid, and anything that is not on any.
        let bracket = Bracket { without: 0.25 * self.dx * self.dx, with: self.dx * self.dx };
        let mut heat = self.heat(context, &[bracket.without])?;
        let single = edge(bracket, 1e-5, |dt| {
            heat.restart(&[dt])?;
            heat.step(self.steps);
            Ok(block_on(heat.values())?[0].iter().any(|u| u.is_nan() || u.abs() > 1.5))
        })?;
        let double = edge(bracket, 1e-5, |dt| {
            let mut heat = HeatDouble::new(params, dt)?;
            heat.step(self.steps.into());
            Ok(heat.values().iter().any(|u| u.is_nan() || u.abs() > 1.5))
        })?;
        Ok([single, double])
    }

    /// Amplitude in the tent of what grows first beyond the edge: the highest mode and those that grow as soon.
    fn seed_of_growth(&self) -> f64 {
        let params = self.params();
        let tent: Vec<f64> = params.tent().into_iter().map(f64::from).collect();
        let edge = |mode: u32| 2.0 / (1.0 - params.factor(mode, 1.0));
        let soon = (1..=params.highest_mode())
            .rev()
            .take_while(|mode| edge(*mode) < (1.0 + ALLOWED / 2.0) * edge(params.highest_mode()));
        soon.map(|mode| params.amplitude(mode, &tent).abs()).fold(0.0, f64::max)
    }

    /// True if in float32 a step this far beyond the edge (a share of it) would be seen: its growth is more than what is
    /// rounded away, and outgrows the tent in time.
    fn is_edge_told(&self, beyond: f64) -> bool {
        let (growth, rounding) = (2.0 * beyond, 1.5 * f64::from(f32::EPSILON) / 2.0);
        let seed = self.seed_of_growth().max(8.0 * rounding);
        seed * growth > rounding && seed * (growth * f64::from(self.steps)).exp() > 10.0
    }

    fn claims(&self, profiles: &[Profile], growth: &[Growth], [single, double]: [f64; 2]) -> Vec<Claim> {
        let params = self.params();
        let mut claims = Vec::new();
        for &dt in &self.dt {
            let of_dt: Vec<&Profile> = profiles.iter().filter(|p| p.dt == dt).collect();
            let Some(last) = of_dt.last() else { continue };
            let largest =
                |values: &[Option<f64>]| values.iter().map(|u| u.map_or(f64::INFINITY, f64::abs)).fold(0.0, f64::max);
            let top = largest(&last.gpu);
            if dt <= params.edge() {
                let error = of_dt.iter().flat_map(|p| p.gpu.iter().zip(&p.exact));
                let error =
                    error.map(|(a, b)| a.zip(*b).map_or(f64::INFINITY, |(a, b)| (a - b).abs())).fold(0.0, f64::max);
                // So few or so small steps change nothing.
                let is_told = largest(&last.exact) < 1.5 * (1.0 - 1e-6);
                claims.push(Claim {
                    about: format!("dt {dt} is stable"),
                    paper: "The tent flattens smoothly towards zero.".into(),
                    found: format!("At t = {} the largest value is {}; nowhere is float32 further than {} from the exact solution of the difference equation.", last.time, about(top), about(error)),
                    agrees: if is_told || error >= 1e-3 { Agreement::of(top < 1.5 && error < 1e-3) } else { Agreement::CannotTell },
                    certainty: "Sure: the solution is known mode by mode.".into(),
                });
            } else {
                let theory = params.factor(params.highest_mode(), dt);
                let of_dt = growth.iter().rev().find(|g| g.dt == dt);
                let tent: Vec<f64> = params.tent().into_iter().map(f64::from).collect();
                let is_clear = params.amplitude(params.highest_mode(), &tent).abs() > CLEAR;
                let (late, when) = match of_dt {
                    Some(g) if g.has_stopped => {
                        (g.first.map(f64::abs).filter(|_| is_clear), " in the first (the run stopped soon)")
                    }
                    _ => (of_dt.and_then(|g| g.late), ""),
                };
                claims.push(Claim {
                    about: format!("dt {dt} is unstable"),
                    paper: "An oscillation from point to point grows without bound.".into(),
                    found: late.map_or("Its growth cannot be measured: the highest mode is too small or beyond float32.".into(), |late| {
                        format!("The highest mode grows by {late:.5} a step{when}; theory says |{theory:.5}|. At t = {} the largest value is {}.", last.time, about(top))
                    }),
                    agrees: late.map_or(Agreement::CannotTell, |late| Agreement::of((late / theory.abs() - 1.0).abs() < 1e-3)),
                    certainty: "Sure: by algebra, 1 - 4 dt/dx² sin²(mode π / (2 (points - 1))).".into(),
                });
            }
        }
        let theory = params.edge();
        let error = [single, double].iter().map(|found| (found / theory - 1.0).abs()).fold(0.0, f64::max);
        let (is_found, is_told) = (error < ALLOWED, self.is_edge_told(error.max(ALLOWED)));
        claims.push(Claim {
            about: "The edge".into(),
            paper:
                "Stable for dt < dx²/2 (on an infinite grid; on 31 points with dx 1 the highest mode gives 0.50137)."
                    .into(),
            found: format!(
                "By bisection {single:.5} in float32 and {double:.5} in float64; theory on {} points {theory:.5}.",
                self.points
            ),
            agrees: if is_found || is_told { Agreement::of(is_found) } else { Agreement::CannotTell },
            certainty: format!(
                "To {} %: {} steps decide whether anything outgrows the tent.{}",
                100.0 * ALLOWED,
                self.steps,
                if is_told {
                    ""
                } else {
                    " On so many points the modes that grow are so small a part of it that rounding hides their growth."
                }
            ),
        });
        claims
    }

    fn figures(&self, profiles: &[Profile], growth: &[Growth]) -> Vec<Figure> {
        let params = self.params();
        let mut figures = Vec::new();
        for &dt in &self.dt {
            let stability = if dt <= params.edge() { "stable" } else { "unstable" };
            let title = format!("Heat equation at dt {dt}: {stability}");
            let mut figure =
                Figure::new(format!("fig1-dt{dt}"), title, Axis::linear("x (length)"), Axis::linear("u (temperature)"));
            for profile in profiles.iter().filter(|p| p.dt == dt) {
                let points = profile.gpu.iter().enumerate().map(|(i, u)| (i as f64 * self.dx, u.unwrap_or(f64::NAN)));
                figure = figure.line(format!("t = {}", profile.time), points.collect());
            }
            figures.push(figure.caption(format!(
                "float32 on the GPU, {} points, both ends fixed at 0. Below the edge dt = {:.5} the tent flattens; above it the mode that \
                 alternates from point to point grows.",
                self.points, params.edge()
            )));
        }
        let mode = params.highest_mode();
        let line = growth.iter().filter(|g| !self.dt.contains(&g.dt));
        let theory = line.clone().map(|g| (g.dt, params.factor(mode, g.dt))).collect();
        figures.push(
            Figure::new("fig1-growth", "Factor of the highest mode in a step", Axis::linear("dt (time)"), Axis::linear("factor (1)"))
                .reference("theory", theory)
                .dots("float32 on the GPU", line.map(|g| (g.dt, g.first.unwrap_or(f64::NAN))).collect())
                .horizontal("-1: beyond it, growth", -1.0)
                .vertical(format!("edge: {:.5}", params.edge()), params.edge())
                .caption("Measured in the first step, from the tent. The theory is 1 - 4 dt/dx² sin²(mode π / (2 (points - 1)))."),
        );
        figures
    }
}

impl Experiment for Fig1 {
    fn name(&self) -> &'static str {
        "fig1"
    }

    fn title(&self) -> String {
        "Figure 1: the heat equation, stable and unstable".to_owned()
    }

    fn settings(&self) -> Result<toml::Table, Failure> {
        settings_of(self)
    }

    fn forecast(&self, study: &Study) -> Result<Forecast, Failure> {
        // Seventeen bisections on each side, of which the GPU's take longer: a few microseconds a step.
        let pieces = ["profiles", "growth", "edges"].iter().filter(|name| !study.is_done(name)).count();
        let seconds = if study.is_done("edges") { 0.5 } else { 17.0 * f64::from(self.steps) * 1e-5 + 1.0 };
        Ok(Forecast { seconds, pieces, ..Forecast::default() })
    }

    fn run(&self, study: &mut Study) -> Result<Findings, Failure> {
        let profiles: Vec<Profile> = study.piece("profiles", |context| self.profiles(context))?;
        let growth: Vec<Growth> = study.piece("growth", |context| self.growth(context))?;
        let edges: [f64; 2] = study.piece("edges", |context| self.edges(context))?;
        let params = self.params();
        let mut data = Table::data("fig1", "u at every point and time", &["dt", "t", "x", "u_float32", "u_exact"]);
        for profile in &profiles {
            for (i, (gpu, exact)) in profile.gpu.iter().zip(&profile.exact).enumerate() {
                let x = i as f64 * self.dx;
                data.row([profile.dt.into(), profile.time.into(), x.into(), (*gpu).into(), (*exact).into()]);
            }
        }
        let mut factors =
            Table::data("fig1-growth", "Factor of the highest mode in a step", &["dt", "float32", "theory"]);
        for g in &growth {
            factors.row([g.dt.into(), g.first.into(), params.factor(params.highest_mode(), g.dt).into()]);
        }
        let mut table = Table::new(
            "fig1-edge",
            "The largest stable step",
            &[("source", ""), ("dt", "dt"), ("error", "from theory")],
        );
        let theory = params.edge();
        for (source, dt) in
            [("theory", theory), ("float32 on the GPU", edges[0]), ("float64 on the processor", edges[1])]
        {
            table.row([source.into(), dt.into(), number(dt / theory - 1.0).into()]);
        }
        Ok(Findings {
            claims: self.claims(&profiles, &growth, edges),
            figures: self.figures(&profiles, &growth),
            tables: vec![table, data, factors],
            methods: vec![
                "Explicit Euler, u[i] ← u[i] + dt/dx² (u[i-1] + u[i+1] - 2 u[i]), both ends fixed at 0, from a tent that rises to 1.5 in the middle. \
                 The equation is linear, so that every sine mode is multiplied by its own number in every step; the largest step for which no \
                 number passes 1 is the edge."
                    .to_owned(),
                "Nothing here depends on the last bit: an instability of a linear equation amplifies everything alike, errors and solution, and is \
                 not restrained. It is what the networks' instability is compared with."
                    .to_owned(),
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_that_rounding_hides_is_no_contradiction() {
        let verdict = |points: u32, error: f64| {
            let figure = Fig1 { points, dx: 1.0, dt: Vec::new(), steps: 20_000 };
            let theory = figure.params().edge();
            figure.claims(&[], &[], [theory * (1.0 + error), theory]).pop().map(|claim| claim.agrees)
        };
        assert_eq!(verdict(31, 5e-4), Some(Agreement::Yes));
        assert_eq!(verdict(31, 2e-3), Some(Agreement::No));
        assert_eq!(verdict(1024, 5e-4), Some(Agreement::Yes));
        // As it was found.
        assert_eq!(verdict(1024, 1.2e-3), Some(Agreement::CannotTell));
        assert_eq!(verdict(1024, 0.1), Some(Agreement::No), "so far beyond the edge anything grows");
    }
}
