//! Figure 4: the nonlinear one-layer network. As dt grows its loss settles, oscillates, wanders, explodes (left); where it
//! wanders, k = 3 leaves k = 1 (right). Added to the paper's figure: the bifurcation diagram over dt, the Lyapunov exponent,
//! and null controls.

mod orbits;
mod verdict;

use std::rc::Rc;

use lastbit_core::device::{Context, Fill};
use lastbit_core::double::relative_l1;
use lastbit_core::pde::{Nonlinear, NonlinearDouble, NonlinearParams, PdeError, Replica};
use pollster::block_on;
use serde::{Deserialize, Serialize};

use self::orbits::Orbits;
use super::checks::{check_all_positive, check_between, check_positive, checked};
use super::findings::{table, with_lines};
use super::flags::flags;
use super::pde::{self, MOST_STEPS, curve, finite, take_steps};
use super::{Experiment, Findings, Forecast, Study};
use crate::failure::Failure;
use crate::plot::{Axis, Figure};

/// The paper's step sizes.
const DTS: [f64; 8] = [0.01, 0.03, 0.05, 0.07, 0.09, 0.1, 0.11, 0.13];
/// Replicas of each step size: the pair that is compared, and two null controls.
const KS: [u32; 4] = [1, 3, 2, 1];
/// Index of the perturbed replica in [`KS`].
const PERTURBED: usize = 1;
/// Steps of the moving mean, as published.
const WINDOW: usize = 100;

flags! {
    /// Figure 4: the nonlinear one-layer network, from a fixed point to chaos
    #[name = "fig4"]
    pub struct Fig4 {
        /// Step sizes
        dt: Vec<f64> = DTS.to_vec();
        /// Steps
        steps: u64 = 1000;
        /// Weight decay
        alpha: f64 = 20.0;
        /// Step sizes of the bifurcation diagram
        points: u64 = 600, quick = 200;
        /// Side of the checkerboard
        size: u32 = 256, quick = 64;
        /// Side of the kernel
        kernel: u32 = 32;
        /// Seed of the initial kernel
        seed: u64 = 1;
    }
}

/// The pair of one step size, with its controls.
#[derive(Serialize, Deserialize)]
struct Trajectory {
    dt: f64,
    /// Cross-entropy + alpha/2 |w|^2 of k = 1 in float32, from step 0 on.
    loss: Vec<Option<f64>>,
    /// The same in float64.
    loss_double: Vec<Option<f64>>,
    /// Relative L1 of k = 3 from k = 1 in float32, from step 0 on.
    distance: Vec<f64>,
    /// The same in float64.
    distance_double: Vec<f64>,
    /// Largest number of weights in which a control differs.
    control: u32,
    stopped: Option<u64>,
}

impl Trajectory {
    /// Mean of the last [`WINDOW`] distances at every step, or of all of them at the beginning.
    fn moving_mean(distance: &[f64]) -> Vec<(f64, f64)> {
        let mean = |end: usize| {
            let window = &distance[(end + 1).saturating_sub(WINDOW)..=end];
            window.iter().sum::<f64>() / window.len() as f64
        };
        (0..distance.len()).map(|step| (step as f64, mean(step))).collect()
    }

    /// The first step at which the copies are more than 0.1 apart.
    fn leaves(distance: &[f64]) -> Option<usize> {
        distance.iter().position(|d| *d > 0.1)
    }

    fn end(distance: &[f64]) -> f64 {
        Self::moving_mean(distance).last().map_or(f64::NAN, |(_, mean)| *mean)
    }
}

impl Fig4 {
    fn params(&self) -> Result<NonlinearParams, PdeError> {
        pde::nonlinear(self.size, self.kernel, self.alpha, self.seed)
    }

    fn trajectory(&self, context: &Rc<Context>, dt: f64) -> Result<Trajectory, Failure> {
        let params = self.params()?;
        let replicas = KS.map(|k| Replica { k, dt, reference: 0 });
        let mut run = block_on(Nonlinear::new(Rc::clone(context), params.clone(), &replicas, Fill::Zero))?;
        take_steps(self.steps, |n| block_on(run.step(n)))?;
        let [mut one, mut three] =
            [NonlinearDouble::new(&params, 1, dt)?, NonlinearDouble::new(&params, KS[PERTURBED], dt)?];
        let (mut loss_double, mut distance_double) = (vec![finite(one.loss())], vec![0.0]);
        for _ in 0..self.steps {
            one.step(1);
            three.step(1);
            loss_double.push(finite(one.loss()));
            distance_double.push(relative_l1(one.kernel(), three.kernel()));
            if one.stopped().is_some() {
                break;
            }
        }
        let controls = (2..KS.len()).flat_map(|r| run.history(r)).map(|sample| sample.differing);
        Ok(Trajectory {
            dt,
            loss: run.history(0).iter().map(|sample| finite(sample.loss(self.alpha))).collect(),
            loss_double,
            distance: run.history(PERTURBED).iter().map(|sample| sample.rel_l1.into()).collect(),
            distance_double,
            control: controls.max().unwrap_or(0),
            stopped: run.stopped()[0],
        })
    }

    fn figures(&self, trajectories: &[Trajectory], orbits: &Orbits) -> Vec<Figure> {
        let settled = orbits.fixed_point_loss;
        let stays: Vec<&Trajectory> = trajectories.iter().filter(|trajectory| trajectory.stopped.is_none()).collect();
        // On the edge the weights off the patch are not damped: they stay large for long.
        let restrained: Vec<&Trajectory> =
            stays.iter().copied().filter(|trajectory| trajectory.dt < 0.999 * orbits.explosion).collect();
        let ceiling = restrained
            .iter()
            .flat_map(|trajectory| trajectory.loss.iter().skip(100))
            .flatten()
            .fold(settled, |most, loss| loss.max(most));
        let label = |trajectory: &Trajectory| format!("dt {}", trajectory.dt);
        let fixed_point = |figure: Figure| figure.horizontal(format!("fixed point: {settled:.4}"), settled);
        let all = Figure::new(
            "fig4-loss",
            "Loss against the step",
            Axis::linear("step (1)"),
            Axis::log("loss (nats)").between(0.1, 1e4),
        );
        // Draw the widest oscillations first, below the others.
        let all = fixed_point(with_lines(all, trajectories.iter().rev().map(|t| (label(t), curve(&t.loss))))).caption(
            "float32 on the adapter, k = 1: cross-entropy + alpha/2 |w|². An exploding loss is cut off at 10⁴; its run continues \
             until a weight passes 10¹⁵.",
        );
        let close = Figure::new(
            "fig4-loss-first",
            "The first steps, where the loss is restrained",
            Axis::linear("step (1)").between(0.0, self.steps.min(120) as f64),
            Axis::linear("loss (nats)").between(0.25, (1.05 * ceiling).max(settled + 0.01)),
        );
        let close = fixed_point(with_lines(close, restrained.iter().map(|t| (label(t), curve(&t.loss))))).caption(
            "The same on a linear axis. The loss goes to the fixed point for small dt, alternates between two or more \
                values above the first doubling, and has no period in chaos.",
        );
        let apart = Figure::new(
            "fig4-distance",
            "Distance of k = 3 from k = 1, mean of 100 steps",
            Axis::linear("step (1)"),
            Axis::log("relative L1 (0 to 2)"),
        );
        let apart = with_lines(apart, stays.iter().map(|t| (label(t), Trajectory::moving_mean(&t.distance))))
            .horizontal("0.1: the copies have left each other", 0.1)
            .caption(
                "float32 on the adapter. In chaos a difference in the last bit grows to the size of the weights; where the \
                loss settles, the copies come together again.",
            );
        let parted: Vec<&Trajectory> =
            restrained.into_iter().filter(|t| Trajectory::leaves(&t.distance).is_some()).collect();
        let precise = Figure::new(
            "fig4-precision",
            "Distance of k = 3 from k = 1 in float32 and float64",
            Axis::linear("step (1)").between(0.0, self.steps.min(150) as f64),
            Axis::log("relative L1 (0 to 2)"),
        );
        let formats = parted.iter().flat_map(|t| {
            [("float32", &t.distance), ("float64", &t.distance_double)].map(|(format, distance)| {
                (format!("dt {}, {format}", t.dt), (0..).map(f64::from).zip(distance.iter().copied()).collect())
            })
        });
        let precise = with_lines(precise, formats).caption(
            "float64 begins 9 decades lower and grows at the same rate: more bits postpone the parting \
            but do not prevent it.",
        );
        let mut figures = vec![all, close, apart];
        figures.extend((!parted.is_empty()).then_some(precise));
        figures.extend(orbits.figures());
        figures
    }
}

impl Experiment for Fig4 {
    fn check(&self) -> Result<(), Failure> {
        check_all_positive("--dt", &self.dt)?;
        check_between("--steps", 20, MOST_STEPS, self.steps)?;
        check_positive("--alpha", self.alpha)?;
        check_between("--points", 2, 100_000, self.points)?;
        let params = checked("--size, --kernel", self.params())?;
        // The step size at which the orbits of the diagrams start.
        checked("--alpha", NonlinearDouble::new(&params, 1, 0.1 / self.alpha))?;
        self.dt.iter().try_for_each(|dt| {
            checked("--dt, --alpha, --size, --kernel", NonlinearDouble::new(&params, 1, *dt)).map(drop)
        })
    }

    fn forecast(&self, study: &Study) -> Result<Forecast, Failure> {
        let trajectories: Vec<_> = self.dt.iter().map(|dt| (format!("dt{dt}"), self.steps as f64)).collect();
        let trajectories = pde::forecast(study, [self.size, self.kernel], KS.len(), &trajectories)?;
        Ok(trajectories.and(study.forecast_pieces([("orbits", Orbits::seconds(self.points))])))
    }

    fn run(&self, study: &mut Study) -> Result<Findings, Failure> {
        let orbits: Orbits = study.piece("orbits", |_| Orbits::find(&self.params()?, self.points, &self.dt))?;
        let mut trajectories = Vec::new();
        for &dt in &self.dt {
            trajectories.push(study.piece::<Trajectory>(&format!("dt{dt}"), |context| self.trajectory(context, dt))?);
        }
        let table = table!("fig4-steps", "By step size", for trajectory in &trajectories => {
            "dt" = trajectory.dt,
            "loss" as "loss at the end" = trajectory.loss.last().copied().flatten(),
            "leaves" as "k = 3 leaves at step" = Trajectory::leaves(&trajectory.distance),
            "end" as "distance at the end" = Trajectory::end(&trajectory.distance),
            "leaves_float64" as "in float64 at step" = Trajectory::leaves(&trajectory.distance_double),
            "control" as "controls differ in" = format!("{} weights", trajectory.control),
            "stopped" as "stopped at step" = trajectory.stopped,
        })
        .note("Leaves: relative L1 above 0.1. End: mean of the last 100 steps. Controls: a second k = 1, and k = 2.");
        let steps =
            trajectories.iter().flat_map(|trajectory| (0..trajectory.loss.len()).map(move |step| (trajectory, step)));
        let data = table!("fig4", "Loss of k = 1 and distance of k = 3 at every step", for (trajectory, step) in steps => {
            "dt" = trajectory.dt,
            "step" = step,
            "loss_float32" = trajectory.loss[step],
            "loss_float64" = trajectory.loss_double.get(step).copied().flatten(),
            "rel_l1_float32" = trajectory.distance.get(step),
            "rel_l1_float64" = trajectory.distance_double.get(step),
        });
        let mut tables = vec![table, data.not_shown()];
        tables.extend(orbits.tables());
        Ok(Findings {
            claims: self.claims(&trajectories, &orbits),
            figures: self.figures(&trajectories, &orbits),
            tables,
            methods: self.methods(),
        })
    }
}

impl Fig4 {
    fn methods(&self) -> Vec<String> {
        vec![
            format!(
                "Checkerboard of {0} x {0} pixels, valid convolution with one {1} x {1} kernel, Swish (beta 1), mean, sigmoid, \
                 cross-entropy with label 1, weight decay alpha = {2}; plain gradient descent, whose learning rate is the time \
                 step dt. The losses of all replicas of a step size come from one lockstep run: k = 1, k = 3, and the controls k = \
                 2 and k = 1.",
                self.size, self.kernel, self.alpha
            ),
            "A checkerboard has only two distinct patches. The float64 runs and the diagrams count each as often as it occurs: the \
             sums over pixels are exact up to rounding. The Lyapunov exponent is the mean growth of ln |difference| along an \
             orbit, by the derivative of the map. The first doubling is where dt times the largest eigenvalue of the Hessian at \
             the fixed point is 2."
                .to_owned(),
            "On the checkerboard only the component along the patch is driven; all others are multiplied by 1 - dt alpha in every \
             step. At dt = 2/alpha = 0.1 that is -1: beyond it nothing restrains them and the run explodes."
                .to_owned(),
            "The authors computed in float64, from a kernel with standard deviation 1; here it is that of the network, √2/32. The \
             orbits end on the same attractor."
                .to_owned(),
        ]
    }
}
