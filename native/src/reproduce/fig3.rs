//! Figure 3: the linear one-layer equation in the transitioning regime on the checkerboard. Between two bounds in the
//! weight decay alpha the loss falls; below the lower and above the upper one it explodes, because nothing restrains a
//! linear equation.

mod verdict;

use std::rc::Rc;

use lastbit_core::device::{Context, Fill};
use lastbit_core::pde::{Bounds, Linear, LinearDouble, LinearParams, PdeError};
use pollster::block_on;
use serde::{Deserialize, Serialize};

use super::checks::{check_all_positive, check_between, check_positive, checked};
use super::eigenmodes::Eigenmodes;
use super::findings::{table, with_lines};
use super::flags::flags;
use super::pde::{self, MOST_STEPS, curve, finite, growth_at_end, take_steps};
use super::{Experiment, Findings, Forecast, Study};
use crate::failure::Failure;
use crate::plot::{Axis, Figure};

/// The paper's weight decays.
const ALPHAS: [f64; 7] = [1.1e7, 1.2e7, 1.3e7, 1.9e8, 2.0e8, 2.1e8, 2.2e8];
/// Steps over which the growth at the end is measured.
const LAST: usize = 10;

flags! {
    /// Figure 3: the linear one-layer equation near its stability bounds
    #[name = "fig3"]
    pub struct Fig3 {
        /// Weight decays
        alpha: Vec<f64> = ALPHAS.to_vec();
        /// Time step
        dt: f64 = 1e-8;
        /// Steps
        steps: u64 = 1000, quick = 150;
        /// Side of the checkerboard
        size: u32 = 256;
        /// Side of the kernel
        kernel: u32 = 32;
        /// Seed of the initial kernel
        seed: u64 = 1;
    }
}

/// Results at one weight decay.
#[derive(Serialize, Deserialize)]
struct Trajectory {
    alpha: f64,
    /// Loss in float32 on the adapter, from step 0 on. `None` if it is not finite.
    loss: Vec<Option<f64>>,
    stopped: Option<u64>,
    /// Factor of |w| a step over the last steps, in float32. `None` if it is not finite.
    growth: Option<f64>,
    /// Loss in float64 on the host.
    loss_double: Vec<Option<f64>>,
    growth_double: Option<f64>,
}

impl Fig3 {
    fn params(&self) -> Result<LinearParams, PdeError> {
        pde::transitioning(self.size, self.kernel, self.seed)
    }

    fn trajectories(&self, context: &Rc<Context>) -> Result<Vec<Trajectory>, Failure> {
        let params = self.params()?;
        let replicas: Vec<_> = self.alpha.iter().map(|alpha| (*alpha, self.dt)).collect();
        let mut linear = block_on(Linear::new(Rc::clone(context), params.clone(), &replicas, Fill::Zero))?;
        take_steps(self.steps, |n| block_on(linear.step(n)))?;
        let mut trajectories = Vec::new();
        for (r, &alpha) in self.alpha.iter().enumerate() {
            let history = linear.history(r);
            let norms: Vec<f64> = history.iter().map(|sample| f64::from(sample.squares).sqrt()).collect();
            let mut double = LinearDouble::new(&params, alpha, self.dt)?;
            let (mut loss_double, mut norms_double) = (vec![finite(double.loss())], vec![double.norm()]);
            for _ in 0..self.steps {
                double.step(1);
                loss_double.push(finite(double.loss()));
                norms_double.push(double.norm());
                if double.stopped().is_some() {
                    break;
                }
            }
            trajectories.push(Trajectory {
                alpha,
                loss: history.iter().map(|sample| finite(sample.loss(alpha))).collect(),
                stopped: linear.stopped()[r],
                growth: growth_at_end(&norms, LAST),
                loss_double,
                growth_double: growth_at_end(&norms_double, LAST),
            });
        }
        Ok(trajectories)
    }

    fn figures(&self, trajectories: &[Trajectory], eigenvalues: [f64; 2], bounds: Bounds) -> Vec<Figure> {
        let low: Vec<&Trajectory> =
            trajectories.iter().filter(|c| c.alpha < (bounds.alpha_min * bounds.alpha_max).sqrt()).collect();
        let high: Vec<&Trajectory> = trajectories.iter().filter(|c| !low.iter().any(|l| l.alpha == c.alpha)).collect();
        let sides = [("fig3-low", "lower", bounds.alpha_min, low), ("fig3-high", "upper", bounds.alpha_max, high)];
        let sides = sides.into_iter().filter(|(.., of_side)| !of_side.is_empty());
        sides
            .map(|(name, side, bound, of_side)| {
                let title = format!("Loss near the {side} bound, alpha = {bound:.4e}");
                let figure = Figure::new(name, title, Axis::linear("step (1)"), Axis::log("loss (nats)"));
                let lines = of_side.iter().map(|t| (format!("alpha {:e}", t.alpha), curve(&t.loss)));
                let mut figure = with_lines(figure, lines);
                for (i, trajectory) in of_side.iter().enumerate() {
                    let label = if i == 0 { "theory: factor² a step" } else { "" };
                    figure = figure.theory(label, self.theory(trajectory, eigenvalues));
                }
                figure.caption(format!(
                    "float32 on the adapter. Loss: cross-entropy + alpha/2 |w|². Dashed: the fastest mode alone, |1 - dt (alpha + \
                     eigenvalue)|² a step. Stable between {:.4e} and {:.4e}.",
                    bounds.alpha_min, bounds.alpha_max
                ))
            })
            .collect()
    }

    /// The asymptote: the loss of the fastest mode alone, back to the start, through the last point whose loss is above 100
    /// and so not mainly cross-entropy.
    fn theory(&self, trajectory: &Trajectory, eigenvalues: [f64; 2]) -> Vec<(f64, f64)> {
        let square = LinearParams::factor(eigenvalues, trajectory.alpha, self.dt).powi(2);
        let Some((anchor, loss)) = trajectory
            .loss
            .iter()
            .enumerate()
            .rev()
            .find_map(|(i, loss)| Some((i, (*loss)?)).filter(|(_, l)| *l > 100.0))
        else {
            return Vec::new();
        };
        let points =
            (0..trajectory.loss.len()).map(|step| (step as f64, loss * square.powi(step as i32 - anchor as i32)));
        points.filter(|(_, loss)| *loss > 0.1).collect()
    }
}

impl Experiment for Fig3 {
    fn check(&self) -> Result<(), Failure> {
        check_all_positive("--alpha", &self.alpha)?;
        check_positive("--dt", self.dt)?;
        check_between("--steps", 20, MOST_STEPS, self.steps)?;
        checked("--size, --kernel", self.params().and_then(|params| params.eigenvalues())).map(drop)
    }

    fn forecast(&self, study: &Study) -> Result<Forecast, Failure> {
        let pieces = [("courses".to_owned(), self.steps as f64)];
        pde::forecast(study, [self.size, self.kernel], self.alpha.len(), &pieces)
    }

    fn run(&self, study: &mut Study) -> Result<Findings, Failure> {
        let params = self.params()?;
        let (modes, eigenvalues) = (Eigenmodes::of(&params)?, params.eigenvalues()?);
        let bounds = LinearParams::bounds(eigenvalues, self.dt);
        let trajectories: Vec<Trajectory> = study.piece("courses", |context| self.trajectories(context))?;
        let table = table!("fig3-growth", "Growth of |w| a step at the end", for trajectory in &trajectories => {
            "alpha" = trajectory.alpha,
            "theory" = LinearParams::factor(eigenvalues, trajectory.alpha, self.dt),
            "float32" = trajectory.growth,
            "float64" = trajectory.growth_double,
            "stopped" as "stopped at step" = trajectory.stopped,
        });
        let table =
            table.note("A negative factor means that the mode alternates in sign. Stopped: a weight passed 10¹⁵.");
        let steps =
            trajectories.iter().flat_map(|trajectory| (0..trajectory.loss.len()).map(move |step| (trajectory, step)));
        let losses = table!("fig3", "Loss at every step", for (trajectory, step) in steps => {
            "alpha" = trajectory.alpha,
            "step" = step,
            "loss_float32" = trajectory.loss[step],
            "loss_float64" = trajectory.loss_double.get(step).copied().flatten(),
        });
        Ok(Findings {
            claims: self.claims(&trajectories, &modes, eigenvalues, bounds),
            figures: self.figures(&trajectories, eigenvalues, bounds),
            tables: vec![table, losses.not_shown()],
            methods: vec![
                format!(
                    "w ← w - dt g with g = (a beta/2) G w + alpha w, a = -0.5 and beta = 1: the gradient flow of the one-layer \
                     network near z = 0, with the prediction error a held constant. G is the sum over all {0} x {0} patches of \
                     patch times patch transposed. The constant term is the image's mean, which is 0. The loss is that of the \
                     nonlinear network with these weights.",
                    self.size - self.kernel + 1
                ),
                "On the checkerboard all patches are plus or minus the same vector, so G has one eigenvalue that is not zero: the \
                 number of patches times the number of the kernel's elements, 225² · 1024 as published. A mode is multiplied by 1 \
                 - dt (alpha + a beta/2 · eigenvalue) in every step."
                    .to_owned(),
                "The initial kernel is that of the network, normal with standard deviation √2/32; the authors' script draws it \
                 with standard deviation 1. In a linear equation this scales the weights and does not move the bounds."
                    .to_owned(),
            ],
        })
    }
}
