//! Claims about the heat equation, and whether the grid is too fine or too coarse to decide them.

use super::{Fig1, Growth, Profile};
use crate::numbers::about;
use crate::reproduce::findings::claim;
use crate::reproduce::{Agreement, Claim};

/// Amplitudes of the tent's highest mode above this are not rounding.
const CLEAR: f64 = 1e-4;
/// Largest deviation of the edge from theory, relative to the edge.
const ALLOWED: f64 = 1e-3;

impl Fig1 {
    /// Largest amplitude in the tent of a mode that grows first beyond the edge: the highest mode and those with almost the
    /// same edge.
    fn seed_of_growth(&self) -> f64 {
        let params = self.params();
        let tent: Vec<f64> = params.tent().into_iter().map(f64::from).collect();
        let edge = |mode: u32| 2.0 / (1.0 - params.factor(mode, 1.0));
        let soon = (1..=params.highest_mode())
            .rev()
            .take_while(|mode| edge(*mode) < (1.0 + ALLOWED / 2.0) * edge(params.highest_mode()));
        soon.map(|mode| params.amplitude(mode, &tent).abs()).fold(0.0, f64::max)
    }

    /// True if float32 shows growth at a step this far beyond the edge (as a share of it): the growth is more than what is
    /// rounded away, and it outgrows the tent within the steps.
    fn is_edge_decidable(&self, beyond: f64) -> bool {
        let (growth, rounding) = (2.0 * beyond, 1.5 * f64::from(f32::EPSILON) / 2.0);
        let seed = self.seed_of_growth().max(8.0 * rounding);
        seed * growth > rounding && seed * (growth * f64::from(self.steps())).exp() > 10.0
    }

    /// All claims.
    pub(super) fn claims(&self, profiles: &[Profile], growth: &[Growth], [single, double]: [f64; 2]) -> Vec<Claim> {
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
                // Too few or too small steps change nothing.
                let is_decidable = largest(&last.exact) < 1.5 * (1.0 - 1e-6);
                claims.push(claim! {
                    about: format!("dt {dt} is stable"),
                    paper: "The tent flattens smoothly towards zero.",
                    found: format!(
                        "At t = {} the largest value is {}; float32 differs by at most {} from the exact solution of \
                        the difference equation.",
                        last.time,
                        about(top),
                        about(error)
                    ),
                    agrees: if is_decidable || error >= 1e-3 {
                        Agreement::of(top < 1.5 && error < 1e-3)
                    } else {
                        Agreement::CannotTell
                    },
                    certainty: "Sure: the solution is known mode by mode.",
                });
            } else {
                let theory = params.factor(params.highest_mode(), dt);
                let of_dt = growth.iter().rev().find(|g| g.dt == dt);
                let tent: Vec<f64> = params.tent().into_iter().map(f64::from).collect();
                let is_clear = params.amplitude(params.highest_mode(), &tent).abs() > CLEAR;
                let (late, when) = match of_dt {
                    Some(g) if g.has_stopped => (
                        g.first.map(f64::abs).filter(|_| is_clear),
                        ", measured at the first one (the run stopped early)",
                    ),
                    _ => (of_dt.and_then(|g| g.late), ""),
                };
                claims.push(claim! {
                    about: format!("dt {dt} is unstable"),
                    paper: "An oscillation from point to point grows without bound.",
                    found: late.map_or("Its growth cannot be measured: the highest mode is too small or beyond float32.".into(), |late| {
                        format!("Each step multiplies the highest mode by {late:.5} in magnitude{when}; theory gives {:.5}. At t = {} the \
                            largest value is {}.", theory.abs(), last.time, about(top))
                    }),
                    agrees: late.map_or(Agreement::CannotTell, |late| Agreement::of((late / theory.abs() - 1.0).abs() < 1e-3)),
                    certainty: "Sure: by algebra, 1 - 4 dt/dx² sin²(mode π / (2 (points - 1))).",
                });
            }
        }
        let theory = params.edge();
        let error = [single, double].iter().map(|found| (found / theory - 1.0).abs()).fold(0.0, f64::max);
        let (is_found, is_decidable) = (error < ALLOWED, self.is_edge_decidable(error.max(ALLOWED)));
        claims.push(claim! {
            about: "The edge",
            paper: "Stable for dt < dx²/2 (on an infinite grid; on 31 points with dx 1 the highest mode gives 0.50137).",
            found: format!(
                "By bisection {single:.5} in float32 and {double:.5} in float64; theory on {} points {theory:.5}.",
                self.points
            ),
            agrees: Agreement::of_decidable(is_found, is_decidable),
            certainty: format!(
                "Known to {} %: {} steps decide whether a value outgrows the tent.{}",
                100.0 * ALLOWED,
                self.steps(),
                if is_decidable {
                    ""
                } else {
                    " On so many points the growing modes are so small a part of the tent that rounding hides their growth."
                }
            ),
        });
        claims
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_that_rounding_hides_is_no_contradiction() {
        let verdict = |points: u32, error: f64| {
            let figure = Fig1 { is_quick: true, points, dx: 1.0, dt: Vec::new() };
            let theory = figure.params().edge();
            figure.claims(&[], &[], [theory * (1.0 + error), theory]).pop().map(|claim| claim.agrees)
        };
        assert_eq!(verdict(31, 5e-4), Some(Agreement::Yes));
        assert_eq!(verdict(31, 2e-3), Some(Agreement::No));
        assert_eq!(verdict(1024, 5e-4), Some(Agreement::Yes));
        // The edge as a real run found it.
        assert_eq!(verdict(1024, 1.2e-3), Some(Agreement::CannotTell));
        assert_eq!(verdict(1024, 0.1), Some(Agreement::No), "so far beyond the edge every mode grows");
    }
}
