//! The claim about a regime: growth on both sides of its bounds, and whether the steps suffice to decide.

use super::{MARGIN, Point, RegimeResult, formulas};
use crate::numbers::{about, number};
use crate::reproduce::findings::claim;
use crate::reproduce::pde::growth_text;
use crate::reproduce::{Agreement, Claim};

/// Largest deviation of a measured growth from theory: other modes have not died away completely.
const ALLOWED: f64 = 1e-2;

impl RegimeResult {
    /// The claim about the regime.
    pub(super) fn claim(&self) -> Claim {
        let [inside_low, below, inside_high, above] = &self.near_bounds[..] else { unreachable!("four sides") };
        // A dt that float32 rounds to zero changes nothing.
        let is_decidable =
            (self.dt as f32).is_normal() && self.near_bounds.iter().all(|p| p.float32.is_some() && p.float64.is_some());
        // |w| must grow outside the bounds and decay inside, by the factor of theory.
        let is_off = |p: &&Point| {
            let growth = [p.float32, p.float64].into_iter().flatten();
            growth.into_iter().any(|g| (g - p.theory).abs() >= ALLOWED || (g > 1.0) != (p.theory > 1.0))
        };
        // If the growth approaches theory, alike in both formats, other modes have not died away yet.
        let comes_nearer = |p: &Point| {
            let [single, end, half] = [p.float32, p.float64, p.halfway].map(|g| g.unwrap_or(f64::NAN) - p.theory);
            end.abs() < 0.95 * half.abs() && (single - end).abs() < ALLOWED
        };
        let off: Vec<&Point> = self.near_bounds.iter().filter(is_off).collect();
        let agrees = match off.as_slice() {
            _ if !is_decidable => Agreement::CannotTell,
            [] => Agreement::Yes,
            off if off.iter().all(|p| comes_nearer(p)) => Agreement::CannotTell,
            _ => Agreement::No,
        };
        let error = self
            .near_bounds
            .iter()
            .flat_map(|p| [p.float32, p.float64].into_iter().flatten().map(|growth| (growth - p.theory).abs()))
            .fold(0.0, f64::max);
        claim! {
            about: format!("{}{}", self.regime.to_string()[..1].to_uppercase(), &self.regime.to_string()[1..]),
            paper: format!(
                "Stable for {}: here {} to {}.",
                formulas(self.regime),
                number(self.bounds.alpha_min),
                number(self.bounds.alpha_max)
            ),
            found: format!(
                "Growth a step in float32: {} just below and {} just above the lower bound, {} below and {} above the upper one; \
                 at most {} from theory.",
                growth_text(below.float32),
                growth_text(inside_low.float32),
                growth_text(inside_high.float32),
                growth_text(above.float32),
                about(error)
            ),
            agrees: agrees,
            certainty: format!(
                "{}: measured {} % of the stable interval to either side of each bound, in float32 and float64.",
                if agrees == Agreement::CannotTell {
                    "Not sure, because other modes have not died away in so few steps or growth is not finite"
                } else {
                    "Sure"
                },
                100.0 * MARGIN
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use lastbit_core::pde::{Bounds, Regime};

    use super::*;

    #[test]
    fn too_few_steps_are_no_contradiction() {
        let verdict = |off: f64, halfway: f64| {
            let point = |theory: f64| Point {
                alpha: 0.0,
                theory,
                float32: Some(theory - off),
                float64: Some(theory - off),
                halfway: Some(theory - halfway),
            };
            let near_bounds = [0.9, 1.1, 0.9, 1.1].map(point).into();
            let bounds = Bounds { alpha_min: 0.0, alpha_max: 1.0 };
            RegimeResult {
                regime: Regime::Activated,
                dt: 1e-3,
                eigenvalues: [0.0, 1.0],
                bounds,
                points: Vec::new(),
                near_bounds,
            }
            .claim()
            .agrees
        };
        assert_eq!(verdict(1e-3, 1e-3), Agreement::Yes);
        assert_eq!(verdict(0.03, 0.06), Agreement::CannotTell, "still approaching theory");
        assert_eq!(verdict(0.03, 0.03), Agreement::No, "no longer approaching it");
    }
}
