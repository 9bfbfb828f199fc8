//! Table 3: the stability bounds of the linear one-layer equation in its three regimes, and the growth on both sides of each.
//! The image is noise around a mean that is not zero: on the checkerboard the eigenvalue of the activated regime is zero.

mod verdict;

use std::rc::Rc;

use lastbit_core::device::{Context, Fill};
use lastbit_core::pde::{Bounds, Image, Linear, LinearDouble, LinearParams, PdeError, Regime};
use pollster::block_on;
use serde::{Deserialize, Serialize};

use super::checks::{check_between, checked};
use super::findings::table;
use super::flags::flags;
use super::pde::{self, MOST_STEPS, finite, growth_at_end, last_measurable};
use super::{Experiment, Findings, Forecast, Study, check_interrupt};
use crate::failure::Failure;
use crate::numbers::number;
use crate::plot::{Axis, Figure};

/// dt times the largest eigenvalue. The stable interval is then three times as wide as the eigenvalue.
const SPREAD: f64 = 0.5;
/// Distance from a bound at which growth is measured on both sides, as a share of the stable interval.
const MARGIN: f64 = 0.05;

flags! {
    /// Table 3: stability in three regimes, growth on both sides of each bound
    #[name = "table3"]
    pub struct Table3 {
        /// Weight decays of each curve
        points: u64 = 60, quick = 24;
        /// Steps after which the growth is measured
        steps: u64 = 400;
        /// Mean of the image
        mean: f64 = 0.5;
        /// Standard deviation of the image's noise
        noise: f64 = 1.0;
        /// Side of the image
        size: u32 = 64, quick = 32;
        /// Side of the kernel
        kernel: u32 = 8, quick = 5;
        /// Seed of image and initial kernel
        seed: u64 = 1;
    }
}

/// Growth a step at one weight decay. `None` if it is not finite.
#[derive(Serialize, Deserialize)]
struct Point {
    alpha: f64,
    theory: f64,
    float32: Option<f64>,
    float64: Option<f64>,
    /// Growth in float64 after half as many steps.
    halfway: Option<f64>,
}

/// Results of one regime.
struct RegimeResult {
    regime: Regime,
    dt: f64,
    eigenvalues: [f64; 2],
    bounds: Bounds,
    points: Vec<Point>,
    /// Just inside and just outside the lower bound, then the upper one.
    near_bounds: Vec<Point>,
}

impl Table3 {
    fn params(&self, regime: Regime) -> Result<LinearParams, PdeError> {
        let image = Image::noise(self.size, self.size, self.mean, self.noise, self.seed)?;
        Ok(pde::linear(image, self.kernel, regime, self.seed))
    }

    /// The step size of a regime, from the largest magnitude of its eigenvalues, so that both bounds show.
    fn dt(&self, regime: Regime) -> Result<f64, Failure> {
        let [low, high] = self.params(regime)?.eigenvalues()?;
        let widest = low.abs().max(high.abs());
        Ok(if widest > 0.0 { SPREAD / widest } else { SPREAD })
    }

    /// Weight decays from a fifth below to a fifth above the stable interval.
    fn decays(&self, regime: Regime, dt: f64) -> Result<Vec<f64>, Failure> {
        let bounds = LinearParams::bounds(self.params(regime)?.eigenvalues()?, dt);
        let at = |share: f64| bounds.alpha_min + share * (bounds.alpha_max - bounds.alpha_min);
        Ok((0..self.points).map(|i| at(-0.2 + 1.4 * i as f64 / (self.points - 1) as f64)).collect())
    }

    /// Growth at all of `alphas`: on the adapter in lockstep, in float64 one by one.
    fn growth(&self, context: &Rc<Context>, regime: Regime, dt: f64, alphas: &[f64]) -> Result<Vec<Point>, Failure> {
        let params = self.params(regime)?;
        let eigenvalues = params.eigenvalues()?;
        let replicas: Vec<_> = alphas.iter().map(|alpha| (*alpha, dt)).collect();
        let mut linear = block_on(Linear::new(Rc::clone(context), params.clone(), &replicas, Fill::Zero))?;
        block_on(linear.step(self.steps as u32))?;
        let mut double = LinearDouble::new(&params, 0.0, dt)?;
        let mut points = Vec::new();
        for (r, &alpha) in alphas.iter().enumerate() {
            check_interrupt()?;
            let norms: Vec<f64> = linear.history(r).iter().map(|sample| f64::from(sample.squares).sqrt()).collect();
            let last = last_measurable(&norms);
            double.restart(&params.initial, alpha, dt)?;
            let mut growth_after = |steps: u64| {
                double.step(steps - 1);
                let before = double.norm();
                double.step(1);
                finite(double.norm() / before)
            };
            let half = (last as u64 / 2).max(1);
            let halfway = growth_after(half);
            let float64 = if last as u64 > half { growth_after(last as u64 - half) } else { halfway };
            points.push(Point {
                alpha,
                theory: LinearParams::factor(eigenvalues, alpha, dt).abs(),
                float32: growth_at_end(&norms, 1),
                float64,
                halfway,
            });
        }
        Ok(points)
    }

    fn result(&self, study: &mut Study, regime: Regime) -> Result<RegimeResult, Failure> {
        let dt = self.dt(regime)?;
        let eigenvalues = self.params(regime)?.eigenvalues()?;
        let bounds = LinearParams::bounds(eigenvalues, dt);
        let width = bounds.alpha_max - bounds.alpha_min;
        let at = |share: f64| bounds.alpha_min + share * width;
        let alphas = self.decays(regime, dt)?;
        let name = piece_name(regime);
        let points = study.piece(&format!("{name}.curve"), |context| self.growth(context, regime, dt, &alphas))?;
        let alphas = [MARGIN, -MARGIN, 1.0 - MARGIN, 1.0 + MARGIN].map(at);
        let near_bounds = study.piece(&format!("{name}.sides"), |context| self.growth(context, regime, dt, &alphas))?;
        Ok(RegimeResult { regime, dt, eigenvalues, bounds, points, near_bounds })
    }

    fn figure(result: &RegimeResult) -> Figure {
        let name = format!("table3-{}", piece_name(result.regime));
        let curve = |of: fn(&Point) -> f64| result.points.iter().map(|p| (p.alpha, of(p))).collect::<Vec<_>>();
        Figure::new(
            name,
            format!("Growth of |w| a step, {}", result.regime),
            Axis::linear("alpha (1/time)"),
            Axis::linear("growth a step (1)").between(0.0, 1.5),
        )
        .reference("theory", curve(|p| p.theory))
        .dots("float32 on the adapter", curve(|p| p.float32.unwrap_or(f64::NAN)))
        .horizontal("1: neither grows nor decays", 1.0)
        .vertical(format!("alpha_min {}", number(result.bounds.alpha_min)), result.bounds.alpha_min)
        .vertical(format!("alpha_max {}", number(result.bounds.alpha_max)), result.bounds.alpha_max)
        .caption("Stable between the two bounds. Theory: the largest |1 - dt (alpha + eigenvalue)|.")
    }
}

/// The regime as a part of a file's name.
fn piece_name(regime: Regime) -> String {
    regime.to_string().replace(' ', "-")
}

/// The stable interval by the paper's table.
fn formulas(regime: Regime) -> &'static str {
    match regime {
        Regime::Activated => "alpha < 2/dt - Ī²/8",
        Regime::Transitioning => "-(a beta/2) max |Î|² < alpha < 2/dt - (a beta/2) min |Î|²",
        Regime::NotActivated => "alpha < 2/dt",
    }
}

impl Experiment for Table3 {
    fn title(&self) -> String {
        "Table 3: stability of the linear one-layer equation in three regimes".to_owned()
    }

    fn check(&self) -> Result<(), Failure> {
        check_between("--points", 4, 1000, self.points)?;
        check_between("--steps", 20, MOST_STEPS, self.steps)?;
        if self.mean == 0.0 || !self.mean.is_finite() {
            return Err(Failure::usage(
                "--mean: must be finite and not 0: at 0 the activated regime has no eigenvalue to measure",
            ));
        }
        checked(
            "--size, --kernel, --mean, --noise",
            self.params(Regime::NotActivated).and_then(|params| params.eigenvalues()),
        )?;
        for regime in Regime::ALL {
            let decays = self.decays(regime, self.dt(regime)?)?;
            if decays.iter().any(|alpha| !(*alpha as f32).is_finite()) {
                return Err(Failure::usage(
                    "--mean, --noise: the bounds need weight decays above 3.4e38, the largest float32: give smaller values",
                ));
            }
        }
        Ok(())
    }

    fn forecast(&self, study: &Study) -> Result<Forecast, Failure> {
        // float64 takes as long again: on noise no two patches are equal.
        let steps = 2.0 * self.steps as f64;
        let pieces = Regime::ALL.map(piece_name).into_iter();
        let pieces = pieces.flat_map(|name| [(format!("{name}.curve"), steps), (format!("{name}.sides"), 0.0)]);
        pde::forecast(study, [self.size, self.kernel], self.points as usize, &pieces.collect::<Vec<_>>())
    }

    fn run(&self, study: &mut Study) -> Result<Findings, Failure> {
        let mut results = Vec::new();
        for regime in Regime::ALL {
            results.push(self.result(study, regime)?);
        }
        let table = table!("table3", "Stability bounds", for result in &results => {
            let [least, most] = result.eigenvalues;
            "regime" = result.regime.to_string(),
            "stable" as "stable for" = formulas(result.regime),
            "dt" = result.dt,
            "eigenvalue_min" as "smallest eigenvalue" = least,
            "eigenvalue_max" as "largest eigenvalue" = most,
            "alpha_min" = result.bounds.alpha_min,
            "alpha_max" = result.bounds.alpha_max,
        })
        .note(
            "Eigenvalues of the linear part without alpha: Ī²/8 and 0 activated, (a beta/2) |Î|² transitioning, 0 not activated. \
             The paper gives a lower bound for the transitioning regime only; in the others it is 0, from the modes that the image \
             does not affect.",
        );
        let points = results
            .iter()
            .flat_map(|result| result.points.iter().chain(&result.near_bounds).map(move |point| (result, point)));
        let data = table!("table3-growth", "Growth a step against alpha", for (result, point) in points => {
            "regime" = result.regime.to_string(),
            "alpha" = point.alpha,
            "theory" = point.theory,
            "float32" = point.float32,
            "float64" = point.float64,
        });
        Ok(Findings {
            claims: results.iter().map(RegimeResult::claim).collect(),
            figures: results.iter().map(Self::figure).collect(),
            tables: vec![table, data.not_shown()],
            methods: vec![
                format!(
                    "An image of {0} x {0} pixels of normal noise (standard deviation {1}) around {2}, a kernel of {3} x {3}. \
                     Explicit Euler without the constant term, so that |w| grows and decays by the factors. Growth is measured at \
                     the last of {4} steps, or at the last before a weight passes 10¹⁵.",
                    self.size, self.noise, self.mean, self.kernel, self.steps
                ),
                "Activated: g = <s, w> s/8 + alpha w with s the sum of the image's patches and Ī² = |s|², where the sigmoid's \
                 slope 1/4 times Swish's slope 1/2 at 0 makes the 1/8. Transitioning: g = (a beta/2) G w + alpha w with G the \
                 patches' Gram matrix and |Î|² its eigenvalues. Not activated: g = alpha w."
                    .to_owned(),
                "Near the middle of the stable interval the two extreme modes decay about equally fast and the others have not \
                 died away, so the measured growth is a little below that of theory."
                    .to_owned(),
            ],
        })
    }
}
