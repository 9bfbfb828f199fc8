//! Table 2: the stability bounds of the linear one-layer equation, found by bisection on the simulation and compared with
//! theory.

use std::rc::Rc;

use lastbit_core::device::{Context, Fill};
use lastbit_core::pde::{Bounds, Bracket, Linear, LinearDouble, LinearParams, Regime};
use pollster::block_on;

use super::checks::{check_between, check_positive, checked};
use super::eigenmodes::Eigenmodes;
use super::findings::{claim, table};
use super::flags::flags;
use super::pde::{self, MOST_STEPS, edge, finite, growth_text};
use super::{Agreement, Claim, Experiment, Findings, Forecast, Study, check_interrupt};
use crate::failure::Failure;
use crate::numbers::number;

/// Width at which a bisection ends, relative to the bound.
const TOLERANCE: f64 = 5e-4;
/// Largest deviation of a bound from theory, relative to the bound.
const ALLOWED: f64 = 5e-3;
/// Relative distance from the theory's bounds at which bisections begin.
const BRACKET: f64 = 0.25;

flags! {
    /// Table 2: stability bounds by bisection, compared with theory
    #[name = "table2"]
    pub struct Table2 {
        /// Time step
        dt: f64 = 1e-8, quick = 1e-8 * to_published(size, kernel),
            shown = "1e-8; --quick: scaled up as the image is smaller";
        /// Steps after which growth or decay is decided
        steps: u64 = 120;
        /// Side of the checkerboard
        size: u32 = 256, quick = 64;
        /// Side of the kernel
        kernel: u32 = 32;
        /// Seed of the initial kernel
        seed: u64 = 1;
    }
}

/// The factor by which dt grows so that dt times the bounds is the same as at the published size.
fn to_published(size: u32, kernel: u32) -> f64 {
    let side = f64::from(size.saturating_add(1).saturating_sub(kernel));
    PUBLISHED_PATCHES * 1024.0 / (side * side * f64::from(kernel).powi(2))
}

/// Number of patches of the published image.
const PUBLISHED_PATCHES: f64 = 225.0 * 225.0;

/// A bound and how to search for it.
struct Search {
    name: &'static str,
    theory: f64,
    /// True if |w| grows above the bound, false if it grows below.
    is_upper: bool,
}

impl Search {
    fn bracket(&self) -> Bracket {
        let (inside, outside) = (1.0 - BRACKET, 1.0 + BRACKET);
        let (without, with) = if self.is_upper { (inside, outside) } else { (outside, inside) };
        Bracket { without: without * self.theory, with: with * self.theory }
    }

    /// Relative deviation of a found bound from theory.
    fn error(&self, found: f64) -> f64 {
        found / self.theory - 1.0
    }
}

impl Table2 {
    fn params(&self) -> Result<LinearParams, Failure> {
        Ok(pde::transitioning(self.size, self.kernel, self.seed)?)
    }

    fn searches(&self) -> Result<[Search; 2], Failure> {
        let bounds = LinearParams::bounds(self.params()?.eigenvalues()?, self.dt);
        Ok([
            Search { name: "alpha_min", theory: bounds.alpha_min, is_upper: false },
            Search { name: "alpha_max", theory: bounds.alpha_max, is_upper: true },
        ])
    }

    /// True if by theory there are enough steps: on both sides of the bound, the last step shows whether |w| grows.
    fn is_decidable(&self, search: &Search, modes: &Eigenmodes) -> bool {
        let grows = |share: f64| modes.growth(share * search.theory, self.dt, self.steps - 1, self.steps) > 1.0;
        grows(1.0 + ALLOWED) == search.is_upper && grows(1.0 - ALLOWED) != search.is_upper
    }

    /// The bound in float32 on the adapter: where |w| begins to grow in the last step.
    fn on_gpu(&self, context: &Rc<Context>, search: &Search) -> Result<f64, Failure> {
        let start = [(search.theory, self.dt)];
        let mut linear = block_on(Linear::new(Rc::clone(context), self.params()?, &start, Fill::Zero))?;
        edge(search.bracket(), TOLERANCE, |alpha| {
            block_on(linear.restart(&[(alpha, self.dt)]))?;
            block_on(linear.step(self.steps as u32))?;
            let history = linear.history(0);
            let [.., before, last] = history else { return Err(Failure::other("too few steps to decide")) };
            Ok(last.squares > before.squares || linear.stopped()[0].is_some())
        })
    }

    /// The bound in float64.
    fn in_double(&self, search: &Search) -> Result<f64, Failure> {
        let params = self.params()?;
        let mut double = LinearDouble::new(&params, search.theory, self.dt)?;
        edge(search.bracket(), TOLERANCE / 10.0, |alpha| {
            double.restart(&params.initial, alpha, self.dt)?;
            double.step(self.steps);
            let before = double.norm();
            double.step(1);
            Ok(double.norm() > before)
        })
    }

    fn claim(&self, search: &Search, modes: &Eigenmodes, [single, double]: [f64; 2]) -> Claim {
        let formula =
            if search.is_upper { "2/dt - (a beta/2) min |Î|², which is 2/dt here" } else { "-(a beta/2) max |Î|²" };
        let is_found = [single, double].iter().all(|found| search.error(*found).abs() < ALLOWED);
        let is_decidable = self.is_decidable(search, modes);
        claim! {
            about: search.name.to_owned(),
            paper: format!("{formula} = {:.4e}.", search.theory),
            found: format!(
                "{single:.4e} by bisection in float32 ({} % off), {double:.4e} in float64.",
                number(100.0 * search.error(single).abs())
            ),
            agrees: Agreement::of_decidable(is_found, is_decidable),
            certainty: format!(
                "Known to {} % of the bound: the last of {} steps decides whether |w| grows.{}",
                100.0 * TOLERANCE,
                self.steps,
                if is_decidable {
                    ""
                } else {
                    " These steps are too few: decaying modes are still visible at the last one."
                }
            ),
        }
    }

    /// Growth a step at `alpha`: 1.05 of the upper bound, as the published 2.1e8. `None` if it is not finite.
    fn growth(&self, context: &Rc<Context>, alpha: f64) -> Result<Option<f64>, Failure> {
        check_interrupt()?;
        let mut linear = block_on(Linear::new(Rc::clone(context), self.params()?, &[(alpha, self.dt)], Fill::Zero))?;
        block_on(linear.step(self.steps as u32))?;
        let [.., before, last] = linear.history(0) else { return Err(Failure::other("too few steps to decide")) };
        Ok(finite((f64::from(last.squares) / f64::from(before.squares)).sqrt()))
    }
}

impl Experiment for Table2 {
    fn title(&self) -> String {
        "Table 2: stability bounds of the linear one-layer equation".to_owned()
    }

    fn check(&self) -> Result<(), Failure> {
        let params = pde::transitioning(self.size, self.kernel, self.seed);
        let eigenvalues = checked("--size, --kernel", params.and_then(|params| params.eigenvalues()))?;
        check_positive("--dt", self.dt)?;
        let Bounds { alpha_min, alpha_max } = LinearParams::bounds(eigenvalues, self.dt);
        if !(alpha_max.is_finite() && alpha_max > alpha_min) {
            return Err(Failure::usage(format!(
                "--dt: no stable interval at {:e}, alpha_min is {alpha_min:.3e} and alpha_max {alpha_max:.3e}: use a smaller step",
                self.dt
            )));
        }
        check_between("--steps", 20, MOST_STEPS, self.steps)
    }

    fn forecast(&self, study: &Study) -> Result<Forecast, Failure> {
        let steps = self.steps as f64;
        let bisection = steps * (2.0 * BRACKET / TOLERANCE).log2().ceil();
        let pieces = [("alpha_min", bisection), ("alpha_max", bisection), ("growth", steps)];
        pde::forecast(study, [self.size, self.kernel], 1, &pieces.map(|(name, steps)| (name.to_owned(), steps)))
    }

    fn run(&self, study: &mut Study) -> Result<Findings, Failure> {
        let mut findings = Findings::default();
        let (searches, modes) = (self.searches()?, Eigenmodes::of(&self.params()?)?);
        let mut bounds: Vec<(&Search, [f64; 2])> = Vec::new();
        for search in &searches {
            let found =
                study.piece(search.name, |context| Ok([self.on_gpu(context, search)?, self.in_double(search)?]))?;
            findings.claims.push(self.claim(search, &modes, found));
            bounds.push((search, found));
        }
        let table = table!("table2", "Bounds in alpha", for (search, [single, double]) in bounds => {
            "bound" = search.name,
            "theory" = search.theory,
            "float32" = single,
            "float32_error" as "from theory" = search.error(single),
            "float64" = double,
            "float64_error" as "from theory" = search.error(double),
        })
        .note(format!(
            "{0} x {0} pixels, kernel {1} x {1}, dt {2:e}. Stable between the two bounds.",
            self.size, self.kernel, self.dt
        ));
        let alpha = 1.05 * searches[1].theory;
        let growth: Option<f64> = study.piece("growth", |context| self.growth(context, alpha))?;
        let theory = LinearParams::factor(self.params()?.eigenvalues()?, alpha, self.dt);
        findings.claims.push(claim! {
            about: format!("Growth at alpha {alpha:.3e}"),
            paper: format!("Explodes. By algebra |w| grows by {:.3} a step, with alternating sign.", theory.abs()),
            found: format!("{} a step in float32.", growth_text(growth)),
            agrees: growth.map_or(Agreement::CannotTell, |growth| Agreement::of((growth - theory.abs()).abs() < 1e-3)),
            certainty: "Sure: the factor is known exactly.",
        });
        let published = LinearParams::bounds(pde::transitioning(256, 32, self.seed)?.eigenvalues()?, 1e-8);
        findings.claims.push(claim! {
            about: "The published size",
            paper: "alpha_min = 0.25 · 225² · 1024 = 12,960,000 and alpha_max = 2/dt = 2 × 10⁸.",
            found: format!(
                "From the eigenvalues of the patch Gram matrix: {:.0} and {:.4e}.",
                published.alpha_min, published.alpha_max
            ),
            agrees: Agreement::of(
                (published.alpha_min / 12_960_000.0 - 1.0).abs() < 1e-9
                    && (published.alpha_max / 2e8 - 1.0).abs() < 1e-9,
            ),
            certainty: "Sure: computed in float64 from the image, without simulation.",
        });
        findings.tables.push(table);
        findings.methods = vec![
            format!(
                "The equation is that of Figure 3 ({}). Bisection over alpha from {} % below to \
                 {} % above the theory's bound; an alpha counts as unstable if |w| is larger after the last step than before it.",
                Regime::Transitioning, 100.0 * BRACKET, 100.0 * BRACKET
            ),
            "|Î|² are the eigenvalues of the Gram matrix of the patches that the valid convolution sees. The Fourier transform of \
             the full image, which a version of the authors' script uses, gives 256⁴/4 = 1.07 × 10⁹ on this image: 83 times the \
             bound that simulation finds."
                .to_owned(),
        ];
        Ok(findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_steps_are_no_contradiction() {
        let verdict = |steps: u64, error: f64| {
            let table = Table2 { is_quick: true, dt: 3e-4, steps, size: 12, kernel: 6, seed: 1 };
            let modes = Eigenmodes::of(&table.params().unwrap()).unwrap();
            table.searches().unwrap().map(|search| {
                let found = search.theory * (1.0 + error);
                table.claim(&search, &modes, [found, found]).agrees
            })
        };
        assert_eq!(verdict(120, 1e-3), [Agreement::Yes; 2]);
        assert_eq!(verdict(120, 0.2), [Agreement::No; 2]);
        // The upper bound is that of all modes but one, and shows at once.
        assert_eq!(verdict(20, 0.2), [Agreement::CannotTell, Agreement::No]);
    }
}
