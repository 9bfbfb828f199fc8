//! Claims about the linear equation at each weight decay, and whether the steps suffice to decide them.

use lastbit_core::pde::{Bounds, LinearParams};

use super::{Fig3, LAST, Trajectory};
use crate::numbers::about;
use crate::reproduce::eigenmodes::Eigenmodes;
use crate::reproduce::findings::claim;
use crate::reproduce::pde::{LEAST, finite, growth_text};
use crate::reproduce::{Agreement, Claim};

/// Largest deviation of the growth from theory.
const ALLOWED: f64 = 2e-3;

impl Fig3 {
    /// True if by theory only the fastest mode is left where the growth is measured.
    fn has_settled(&self, trajectory: &Trajectory, modes: &Eigenmodes, factor: f64) -> bool {
        let until = if factor < 1.0 { LEAST.ln() / factor.ln() } else { f64::INFINITY };
        let last = (trajectory.loss.len() as u64 - 1).min(until as u64).max(1);
        let growth = modes.growth(trajectory.alpha, self.dt, last.saturating_sub(LAST as u64), last);
        (growth - factor).abs() < ALLOWED / 2.0
    }

    /// All claims.
    pub(super) fn claims(
        &self,
        trajectories: &[Trajectory],
        modes: &Eigenmodes,
        eigenvalues: [f64; 2],
        bounds: Bounds,
    ) -> Vec<Claim> {
        let Bounds { alpha_min, alpha_max } = bounds;
        let mut claims: Vec<Claim> = trajectories
            .iter()
            .map(|trajectory| {
                let factor = LinearParams::factor(eigenvalues, trajectory.alpha, self.dt);
                // Closer to the edge float32 cannot distinguish growth from decay.
                let is_marginal = (factor.abs() - 1.0).abs() < 1e-6;
                let same_side = |growth: f64| is_marginal || (growth > 1.0) == (factor.abs() > 1.0);
                let holds = |growth: f64| (growth - factor.abs()).abs() < ALLOWED && same_side(growth);
                let side = match factor.abs() > 1.0 {
                    _ if is_marginal => "On the edge: |w| neither grows nor decays within these steps.",
                    true if factor < 0.0 => "Explodes, with alternating sign.",
                    true => "Explodes, without changing its sign.",
                    false => "Decays.",
                };
                let has_settled = self.has_settled(trajectory, modes, factor.abs());
                let stopped = trajectory.stopped.map_or(String::new(), |step| format!(" Stopped at step {step}: a weight passed 10¹⁵."));
                claim! {
                    about: format!("alpha {:e}", trajectory.alpha),
                    paper: side.to_owned(),
                    found: format!(
                        "At the end |w| is multiplied by {} a step in float32 and {} in float64; by theory {}.{stopped}",
                        growth_text(trajectory.growth), growth_text(trajectory.growth_double), growth_text(finite(factor.abs()))
                    ),
                    agrees: match trajectory.growth.zip(trajectory.growth_double) {
                        Some((single, double)) if holds(single) && holds(double) => Agreement::Yes,
                        Some(_) if has_settled => Agreement::No,
                        _ => Agreement::CannotTell,
                    },
                    certainty: if has_settled {
                        "Sure: on this image the map has two factors, and at the end only the larger one is left."
                    } else {
                        "Not sure: on this image the map has two factors, and after so few steps the smaller one is still visible."
                    },
                }
            })
            .collect();
        let worst = trajectories.iter().map(|c| relative_difference(&c.loss, &c.loss_double)).fold(0.0, f64::max);
        claims.push(claim! {
            about: "Precision",
            paper: "The authors computed in float64.",
            found: format!(
                "The relative difference between the losses in float32 and float64 is at most {}.",
                about(worst)
            ),
            agrees: Agreement::of(worst < 0.05),
            certainty: format!(
                "Sure: the same equation and start. A linear equation amplifies rounding no faster than its \
                solution. The bounds are {} and {}.",
                about(alpha_min),
                about(alpha_max)
            ),
        });
        claims
    }
}

/// Largest relative difference of two curves where both have values.
fn relative_difference(a: &[Option<f64>], b: &[Option<f64>]) -> f64 {
    let pairs = a.iter().zip(b).filter_map(|(a, b)| a.zip(*b));
    pairs.map(|(a, b)| (a - b).abs() / a.abs().max(b.abs())).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reproduce::pde::transitioning;

    #[test]
    fn too_few_steps_are_no_contradiction() {
        let params = transitioning(12, 6, 1).unwrap();
        let (modes, eigenvalues) = (Eigenmodes::of(&params).unwrap(), params.eigenvalues().unwrap());
        let verdict = |steps: u64, growth: f64| {
            let figure = Fig3 { is_quick: true, alpha: vec![300.0], dt: 3e-4, steps, size: 12, kernel: 6, seed: 1 };
            let loss = vec![Some(1.0); steps as usize + 1];
            let trajectory = Trajectory {
                alpha: 300.0,
                loss: loss.clone(),
                stopped: None,
                growth: Some(growth),
                loss_double: loss,
                growth_double: Some(growth),
            };
            let bounds = LinearParams::bounds(eigenvalues, figure.dt);
            figure.claims(&[trajectory], &modes, eigenvalues, bounds)[0].agrees
        };
        let theory = LinearParams::factor(eigenvalues, 300.0, 3e-4);
        assert_eq!(verdict(100, theory), Agreement::Yes);
        assert_eq!(verdict(100, 0.98), Agreement::No);
        assert_eq!(verdict(20, 0.98), Agreement::CannotTell, "the smaller factor is still visible");
    }
}
