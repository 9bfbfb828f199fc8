//! What the paper says about the nonlinear network, and what this run found.

use super::super::findings::claim;
use super::super::{Agreement, Claim};
use super::orbits::Orbits;
use super::{Fig4, Trajectory, WINDOW};
use crate::numbers::{about, list};

/// Steps within which k = 3 must have left k = 1, by step size.
const LEAVES: [(f64, usize); 3] = [(0.05, 400), (0.07, 60), (0.09, 60)];
/// The first doubling with the published kernel and weight decay.
const DOUBLING: f64 = 0.0323;
/// Step sizes between which chaos begins with the published kernel and weight decay.
const ONSET: std::ops::RangeInclusive<f64> = 0.0475..=0.0505;
/// Steps after which the verdict says whether the copies have parted and stayed apart, as published.
const LONG: usize = 1000;
/// Two orbits have surely left each other if the Lyapunov exponent times the steps is this large. From one ulp to 1 takes
/// half of it.
const SURELY: f64 = 40.0;
/// Largest ratio of the first difference in float64 to that in float32. It is 2⁻²⁹, up to how many weights a rounding moves.
const LOWER: f64 = 1e-5;
/// Bits that the significand of float64 has more than that of float32.
const BITS: f64 = 29.0;

impl Fig4 {
    /// All claims.
    pub(super) fn claims(&self, trajectories: &[Trajectory], orbits: &Orbits) -> Vec<Claim> {
        let mut claims: Vec<Claim> = trajectories.iter().map(|trajectory| one(self, trajectory, orbits)).collect();
        claims.extend(parting(self, trajectories));
        claims.push(doubling(self, orbits));
        claims.push(chaos(self, trajectories, orbits));
        claims.extend(precision(trajectories, orbits));
        claims.push(controls(trajectories));
        claims
    }
}

fn has_published_map(figure: &Fig4) -> bool {
    figure.kernel == 32 && figure.alpha == 20.0
}

/// The claim about a step size, which theory places below the first doubling, up to 2/alpha, or beyond.
fn one(figure: &Fig4, trajectory: &Trajectory, orbits: &Orbits) -> Claim {
    let dt = trajectory.dt;
    let end = trajectory.loss.last().copied().flatten();
    let last = WINDOW.min(figure.steps as usize);
    let tail: Vec<f64> = trajectory.loss.iter().rev().take(last).flatten().copied().collect();
    let (low, high) = (tail.iter().copied().fold(f64::INFINITY, f64::min), tail.iter().copied().fold(0.0, f64::max));
    let is_published = figure.size == 256 && has_published_map(figure);
    let settled = orbits.fixed_point_loss;
    let target = if is_published { 0.2915 } else { settled };
    let about_it = format!("dt {dt}");
    if dt < orbits.doubling {
        let has_settled = end.is_some_and(|end| (end - target).abs() < 1e-4);
        // The slower of two factors, that of the steepest direction and that of the undriven weights. After enough steps it leaves
        // less than a millionth.
        let slowest = (1.0 - 2.0 * dt / orbits.doubling).abs().max((1.0 - dt * figure.alpha).abs());
        let has_time = slowest.powf(figure.steps as f64) < 1e-6;
        return claim! {
            about: about_it,
            paper: format!(
                "The loss settles ({target:.4}{}).",
                if is_published { "" } else { ", the float64 fixed point at this size" }
            ),
            found: format!("The loss ends at {:.5}; the fixed point has {settled:.5}.", end.unwrap_or(f64::NAN)),
            agrees: Agreement::of_decidable(has_settled, has_time),
            certainty: "Sure: the fixed point is known in float64, and its loss does not depend on dt.",
        };
    }
    if dt < orbits.explosion * 0.999 {
        return claim! {
            about: about_it,
            paper: "The loss neither settles nor explodes: a restrained instability.",
            found: format!(
                "Over the last {last} steps the loss lies between {low:.4} and {high:.4}; the fixed point has {settled:.4}."
            ),
            agrees: match trajectory.stopped.is_none() && high > low + 1e-4 && high < 1e3 {
                // Fewer steps are all transient, and just above the doubling the cycle is small.
                true if trajectory.loss.len() > WINDOW => Agreement::Yes,
                false if trajectory.stopped.is_some() || dt > 1.02 * orbits.doubling => Agreement::No,
                _ => Agreement::CannotTell,
            },
            certainty: "Sure for this run. In chaos another adapter gives another orbit of the same kind.",
        };
    }
    if dt <= orbits.explosion * 1.001 {
        return claim! {
            about: about_it,
            paper: "The last step size before the loss explodes.",
            found: match trajectory.stopped {
                None => format!(
                    "On the edge, 2/alpha: over the last {last} steps the loss lies between {low:.4} and {high:.4}."
                ),
                Some(step) => format!("Stopped at step {step}: a weight passed 10¹⁵."),
            },
            agrees: if trajectory.stopped.is_none() { Agreement::Yes } else { Agreement::CannotTell },
            certainty: "The undriven weights are multiplied by -1 in every step: rounding alone decides, and slowly.",
        };
    }
    let factor = 1.0 - dt * figure.alpha;
    let has_exploded = trajectory.stopped.is_some() || end.is_none_or(|end| end > 1e2 * settled);
    // The undriven weights' share of the loss, alpha/2 |w|², begins at about alpha.
    let has_time = figure.alpha * factor.powi(2).powf(figure.steps as f64) > 1e4 * settled;
    claim! {
        about: about_it,
        paper: "The loss explodes.",
        found: match trajectory.stopped {
            Some(step) => format!("Stopped at step {step}: a weight passed 10¹⁵."),
            None => {
                format!("The loss has reached {} after {} steps.", about(end.unwrap_or(f64::INFINITY)), figure.steps)
            }
        },
        agrees: Agreement::of_decidable(has_exploded, has_time),
        certainty: format!("Sure: weights off the patch are multiplied by 1 - dt alpha = {factor:.2} in every step."),
    }
}

/// Where k = 3 leaves k = 1, and where it does not: known for the published weight decay only.
fn parting(figure: &Fig4, trajectories: &[Trajectory]) -> Vec<Claim> {
    let mut claims = Vec::new();
    if figure.alpha != 20.0 {
        return claims;
    }
    // From another kernel, or on another image, the copies may leave some steps later.
    let is_known = figure.size == 256 && figure.kernel == 32 && figure.seed == 1;
    for trajectory in trajectories {
        let most = trajectory.distance.iter().copied().fold(0.0, f64::max);
        let (leaves, end) = (Trajectory::leaves(&trajectory.distance), Trajectory::end(&trajectory.distance));
        let text = match leaves {
            Some(step) => format!(
                "The copies are first more than 0.1 apart at step {step}; their mean distance over the last {WINDOW} steps is {}.",
                about(end)
            ),
            None => format!("The copies are never more than {} apart.", about(most)),
        };
        if trajectory.dt <= 0.03 {
            claims.push(claim! {
                about: format!("k = 3 against 1 at dt {}", trajectory.dt),
                paper: "The distance stays at the level of rounding.",
                found: text,
                agrees: Agreement::of(most < 1e-3),
                certainty: "Sure: every weight is compared after every step.",
            });
        } else if let Some((_, within)) = LEAVES.iter().find(|(dt, _)| *dt == trajectory.dt) {
            let (length, least) = (trajectory.distance.len(), if trajectory.dt == 0.05 { 0.5 } else { 0.1 });
            let stays = length < LONG || end > least;
            let has_come_back = length >= LONG && end < 1e-3;
            let has_time = length > if is_known { *within } else { LONG };
            claims.push(claim! {
                about: format!("k = 3 against 1 at dt {}", trajectory.dt),
                paper: format!("The copies leave each other within {within} steps and stay apart."),
                found: text,
                agrees: match leaves {
                    Some(step) if step <= *within && stays => Agreement::Yes,
                    Some(_) if is_known || has_come_back => Agreement::No,
                    None if has_time => Agreement::No,
                    _ => Agreement::CannotTell,
                },
                certainty: "Sure for this run; on another adapter the step can differ by tens.",
            });
        }
    }
    claims
}

fn doubling(figure: &Fig4, orbits: &Orbits) -> Claim {
    let theory = orbits.doubling;
    let holds = |found: f64| {
        (found / theory - 1.0).abs() < 0.01 && (!has_published_map(figure) || (found / DOUBLING - 1.0).abs() < 0.01)
    };
    claim! {
        about: "First period doubling",
        paper: "Not in the paper: by algebra at dt = 2 / (largest eigenvalue of the Hessian).",
        found: match orbits.doubling_found {
            Some(found) => format!("By theory {theory:.5}, by bisection on the period of float64 orbits {found:.5}."),
            None => {
                format!("By theory {theory:.5}; no float64 orbit doubles before 2/alpha = {:.5}.", orbits.explosion)
            }
        },
        agrees: orbits.doubling_found.map_or(Agreement::CannotTell, |found| Agreement::of(holds(found))),
        certainty: "To 1 %: near the doubling orbits settle slowly.",
    }
}

fn chaos(figure: &Fig4, trajectories: &[Trajectory], orbits: &Orbits) -> Claim {
    let chaotic: Vec<&Trajectory> = trajectories
        .iter()
        .filter(|trajectory| orbits.exponent_at(trajectory.dt).is_some_and(|exponent| exponent > 0.005))
        .collect();
    let text = |trajectory: &&Trajectory| {
        format!("{:.3} at dt {}", orbits.exponent_at(trajectory.dt).unwrap_or(f64::NAN), trajectory.dt)
    };
    let has_parted = |trajectory: &&&Trajectory| Trajectory::leaves(&trajectory.distance).is_some();
    let parted = chaotic.iter().filter(has_parted).count();
    let are_overdue = chaotic.iter().filter(|trajectory| !has_parted(trajectory)).any(|trajectory| {
        let exponent = orbits.exponent_at(trajectory.dt).unwrap_or(0.0);
        trajectory.stopped.is_none() && exponent * trajectory.distance.len() as f64 > SURELY
    });
    // A diagram that is too coarse does not locate the onset.
    let is_known = has_published_map(figure) && orbits.spacing(figure.points) < 1e-3;
    let onset_holds = !is_known || orbits.onset_of_chaos().is_some_and(|dt| ONSET.contains(&dt));
    claim! {
        about: "Chaos",
        paper: "Not in the paper. The instability is restrained: the loss stays bounded although neighbouring orbits part.",
        found: match orbits.onset_of_chaos() {
            None => "The Lyapunov exponent is nowhere positive.".into(),
            Some(onset) if chaotic.is_empty() => {
                format!("The Lyapunov exponent is positive from dt {onset:.4} on, but at none of these step sizes.")
            }
            Some(onset) => format!(
                "The Lyapunov exponent is positive from dt {onset:.4} on: {}. At {parted} of these {} step sizes k = 3 left k = 1.",
                list(&chaotic.iter().map(text).collect::<Vec<_>>()),
                chaotic.len(),
            ),
        },
        agrees: match (onset_holds, parted == chaotic.len()) {
            (false, _) => Agreement::No,
            (true, true) if !chaotic.is_empty() => Agreement::Yes,
            (true, false) if are_overdue => Agreement::No,
            _ => Agreement::CannotTell,
        },
        certainty: "The exponent is a mean of 2,000 steps, good to about 0.02; inside chaos there are windows of periodic orbits.",
    }
}

/// The claim that more bits change only the start.
fn precision(trajectories: &[Trajectory], orbits: &Orbits) -> Option<Claim> {
    let both =
        |trajectory: &&Trajectory| Trajectory::leaves(&trajectory.distance).is_some() && trajectory.stopped.is_none();
    let parted: Vec<&Trajectory> = trajectories.iter().filter(both).collect();
    if parted.is_empty() {
        return None;
    }
    let later = |trajectory: &&Trajectory| {
        let step = |distance: &[f64]| Trajectory::leaves(distance).map_or("never".to_owned(), |step| step.to_string());
        format!(
            "dt {}: step {} in float32, {} in float64",
            trajectory.dt,
            step(&trajectory.distance),
            step(&trajectory.distance_double)
        )
    };
    let all_later = parted.iter().all(|trajectory| {
        let double = Trajectory::leaves(&trajectory.distance_double).unwrap_or(usize::MAX);
        double > Trajectory::leaves(&trajectory.distance).unwrap_or(0)
    });
    let has_parted = parted.iter().all(|trajectory| Trajectory::leaves(&trajectory.distance_double).is_some());
    // True if float64 has not parted so long after float32 that more bits cannot be the reason.
    let are_overdue = parted.iter().any(|trajectory| {
        let exponent = orbits.exponent_at(trajectory.dt).unwrap_or(0.0);
        let left =
            trajectory.distance_double.len().saturating_sub(Trajectory::leaves(&trajectory.distance).unwrap_or(0));
        Trajectory::leaves(&trajectory.distance_double).is_none()
            && exponent * left as f64 > SURELY + BITS * f64::ln(2.0)
    });
    let first = |distance: &[f64]| distance.iter().copied().find(|d| *d > 0.0);
    let begins_lower = parted.iter().all(|trajectory| {
        first(&trajectory.distance)
            .zip(first(&trajectory.distance_double))
            .is_none_or(|(single, double)| double < LOWER * single)
    });
    let text = match (all_later, has_parted) {
        (true, true) => "In float64 the copies leave each other too, but later",
        (_, false) => "In float64 not all of these copies have left each other by the end",
        (false, true) => {
            "In float64 the copies leave each other too, but not always later, because in float32 they can first become equal again"
        }
    };
    Some(claim! {
        about: "Precision",
        paper: "The authors saw it in float64: float32 is not the cause.",
        found: format!("{text}: {}.", list(&parted.iter().map(later).collect::<Vec<_>>())),
        agrees: match has_parted {
            _ if are_overdue || !begins_lower => Agreement::No,
            true => Agreement::Yes,
            false => Agreement::CannotTell,
        },
        certainty: format!(
            "{BITS} more bits make the first difference smaller, and postpone the parting by {BITS} ln 2 divided by the Lyapunov \
             exponent, unless the copies become equal on the way.{}",
            if begins_lower { "" } else { " Here the first difference is not smaller." }
        ),
    })
}

fn controls(trajectories: &[Trajectory]) -> Claim {
    let most = trajectories.iter().map(|trajectory| trajectory.control).max().unwrap_or(0);
    claim! {
        about: "Null controls",
        paper: "k = 2 and a second k = 1 equal k = 1 bit for bit.",
        found: format!("Over all steps and step sizes they differ from it in at most {most} weights."),
        agrees: Agreement::of(most == 0),
        certainty: "Sure: compared bit by bit on the adapter. So k alone separates k = 3 from k = 1.",
    }
}

#[cfg(test)]
mod tests;
