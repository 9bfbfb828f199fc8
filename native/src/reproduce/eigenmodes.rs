//! Theory of the linear one-layer equation on the checkerboard. One mode is driven by the image and all others by the
//! weight decay alone, so |w| is known after every step, also before the faster kind of mode dominates.

use lastbit_core::pde::{LinearParams, PdeError};

/// The two kinds of modes.
pub struct Eigenmodes {
    /// Share of the initial |w|² along the patch, which is the driven mode.
    driven: f64,
    /// Eigenvalue of the driven mode, without alpha; the others have 0.
    eigenvalue: f64,
}

impl Eigenmodes {
    /// The modes of an equation whose image is a checkerboard.
    ///
    /// # Errors
    /// [`PdeError::Value`] for an invalid parameter.
    pub fn of(params: &LinearParams) -> Result<Self, PdeError> {
        let [eigenvalue, _] = params.eigenvalues()?;
        let (width, kernel) = (params.image.width() as usize, params.kernel as usize);
        let patch = (0..kernel).flat_map(|y| &params.image.pixels()[y * width..y * width + kernel]);
        let pairs: Vec<[f64; 2]> = patch.zip(&params.initial).map(|(p, w)| [f64::from(*p), f64::from(*w)]).collect();
        let product = |i: usize, j: usize| pairs.iter().map(|pair| pair[i] * pair[j]).sum::<f64>();
        Ok(Self { driven: product(0, 1).powi(2) / (product(0, 0) * product(1, 1)), eigenvalue })
    }

    /// The factor by which |w| changes a step: the geometric mean over the steps between `from` and `to`.
    pub fn growth(&self, alpha: f64, dt: f64, from: u64, to: u64) -> f64 {
        let factors = [1.0 - dt * (alpha + self.eigenvalue), 1.0 - dt * alpha].map(f64::abs);
        let fastest = factors[0].max(factors[1]);
        // Relative to the fastest, so that nothing overflows.
        let squares = |step: u64| {
            let [driven, other] = factors.map(|factor| (factor / fastest).powf(2.0 * step as f64));
            self.driven * driven + (1.0 - self.driven) * other
        };
        fastest * (squares(to) / squares(from)).powf(0.5 / (to - from) as f64)
    }
}

#[cfg(test)]
mod tests {
    use lastbit_core::pde::LinearDouble;

    use super::*;
    use crate::reproduce::pde::transitioning;

    #[test]
    fn theory_is_the_simulation_from_the_first_step_on() {
        let params = transitioning(12, 6, 3).unwrap();
        let modes = Eigenmodes::of(&params).unwrap();
        for alpha in [300.0, 500.0, 7000.0] {
            let mut run = LinearDouble::new(&params, alpha, 3e-4).unwrap();
            for step in 0..60 {
                let before = run.norm();
                run.step(1);
                let [found, theory] = [run.norm() / before, modes.growth(alpha, 3e-4, step, step + 1)];
                assert!((found / theory - 1.0).abs() < 1e-9, "alpha {alpha}, step {step}: {found} and {theory}");
            }
        }
    }
}
