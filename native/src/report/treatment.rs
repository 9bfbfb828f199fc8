//! What was done to the copies of a run, in words: k, perturbations of weights (`--perturb`), displacements (`--lyapunov`). A difference
//! between copies can be attributed to this, and to nothing else.

use lastbit_core::ops::sgd::Perturbation;
use lastbit_core::train::{Poke, PokeKind, TrainConfig};

use super::data::{MANY, RunData};
use crate::numbers::{list, number, thousands};

/// The name of a replica, which no other replica of the run has: its label in the core, followed by its position if an earlier replica
/// has the same label, as in `k = 1 (r3)` and `undisturbed (r2)`.
pub fn name(config: &TrainConfig, replica: usize) -> String {
    let label = config.label(replica);
    let is_known = (0..replica).any(|earlier| config.label(earlier) == label);
    if is_known { format!("{label} (r{replica})") } else { label }
}

/// What distinguishes the copies of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Treatment {
    /// A copy has a k that changes bits.
    pub by_k: bool,
    /// A copy has another perturbation than the first one.
    pub by_perturbation: bool,
    /// Copies are displaced from the first one and return to their distances.
    pub by_displacement: bool,
    /// Exactly one copy is perturbed.
    is_single: bool,
}

impl Treatment {
    /// What distinguishes the copies of a run of `config`.
    pub fn of(config: &TrainConfig) -> Self {
        let replicas = 0..config.ks.len();
        let perturbed = replicas.clone().filter(|&r| config.perturb(r).is_some()).count();
        let by_perturbation = replicas.clone().any(|r| config.perturb(r) != config.perturb(0));
        let by_displacement = config.lyapunov.is_some();
        let equal_k = TrainConfig { perturb: Vec::new(), lyapunov: None, ..config.clone() }.controls();
        let is_plain = !by_perturbation && !by_displacement;
        Self {
            by_k: is_plain || equal_k.len() + 1 < config.ks.len(),
            by_perturbation,
            by_displacement,
            is_single: perturbed == 1,
        }
    }

    /// `k`, `the perturbations`, `k and the perturbations`, and so on.
    pub fn cause(self) -> String {
        let perturbations = if self.is_single { "the perturbation" } else { "the perturbations" };
        let causes =
            [(self.by_k, "k"), (self.by_perturbation, perturbations), (self.by_displacement, "the displacements")];
        list(&causes.into_iter().filter_map(|(is_one, cause)| is_one.then_some(cause)).collect::<Vec<_>>())
    }

    /// True if the cause is one, and not a plural.
    pub fn is_singular(self) -> bool {
        let causes = [self.by_k, self.by_perturbation, self.by_displacement];
        causes.into_iter().filter(|is_one| *is_one).count() == 1
            && (self.by_k || (self.by_perturbation && self.is_single))
    }

    /// The cause and its verb: `k is`, `the perturbations are`.
    pub fn cause_is(self) -> String {
        format!("{} {}", self.cause(), if self.is_singular() { "is" } else { "are" })
    }

    /// To what a difference in a run with a green control can be attributed, as a sentence.
    pub fn reason(self) -> String {
        match self.by_k && self.by_perturbation {
            true => "Whatever else differs here, what was done to that copy is the reason: its k, its perturbation, or both.".to_owned(),
            false => format!("Whatever else differs here, {} the reason.", self.cause_is()),
        }
    }

    /// True if a copy other than the first differs from it both in k and in its perturbation.
    pub fn mixes(self, config: &TrainConfig) -> bool {
        let equal_k = TrainConfig { perturb: Vec::new(), lyapunov: None, ..config.clone() }.controls();
        let differs_in_both = |r: usize| !equal_k.contains(&r) && config.perturb(r) != config.perturb(0);
        (1..config.ks.len()).any(differs_in_both)
    }
}

/// Which copies were perturbed, as a sentence; `None` if none was.
pub fn perturbed(run: &RunData) -> Option<String> {
    let config = &run.config.train;
    let pokes: Vec<(usize, &Poke)> =
        (0..run.ks().len()).filter_map(|r| config.perturb(r).map(|poke| (r, poke))).collect();
    let mut words: Vec<String> = pokes.iter().map(|(_, poke)| poke.label()).collect();
    words.dedup();
    Some(match pokes.as_slice() {
        [] => return None,
        [(_, poke)] => format!("One copy was perturbed: {}.", poke.label()),
        more if words.len() > MANY => {
            let steps = || more.iter().map(|(_, poke)| poke.step);
            let (first, last) = (steps().min().unwrap_or(0), steps().max().unwrap_or(0));
            let when = match first == last {
                true => format!("step {}", thousands(first)),
                false => format!("a step from {} to {}", thousands(first), thousands(last)),
            };
            format!("{} copies were perturbed, each once, before {when}: their names say how.", more.len())
        }
        more => format!("{} copies were perturbed, each once: {}.", more.len(), words.join("; ")),
    })
}

/// How copies were displaced, as a sentence; `None` if none was.
pub fn displaced(run: &RunData) -> Option<String> {
    let config = &run.config.train;
    let every = config.lyapunov?;
    let after = if every == 1 { "every step".to_owned() } else { format!("every {} steps", thousands(every)) };
    let distances = &config.lyapunov_distances;
    let (who, its, at) = match distances.as_slice() {
        [one] => ("The second copy was", "that distance", format!("by {}", distance(*one))),
        all if all.len() > MANY => ("Every copy but the first was", "its distance", span(all)),
        all => {
            let each: Vec<String> = all.iter().copied().map(distance).collect();
            ("Every copy but the first was", "its distance", format!("by {}", list(&each)))
        }
    };
    Some(format!("{who} displaced from the first one {at} before the first step, and returned to {its} after {after}."))
}

/// The range of distances.
fn span(distances: &[f64]) -> String {
    let (low, high) = crate::statistics::ends(distances.iter().copied());
    format!("by {} to {}", distance(low), distance(high))
}

/// A distance as a user gives it.
fn distance(value: f64) -> String {
    if (1e-4..1e4).contains(&value) { value.to_string() } else { number(value) }
}

/// What the kinds of perturbation in a run do: name and meaning of each.
pub fn kinds(config: &TrainConfig) -> Vec<(&'static str, &'static str)> {
    let has = |kind: PokeKind| (0..config.ks.len()).filter_map(|r| config.perturb(r)).any(|poke| poke.kind == kind);
    let meaning = |kind: PokeKind| match kind {
        PokeKind::Ulp => "One weight moves by so many ulps away from zero.",
        PokeKind::Scale => "One weight is multiplied by a number close to 1.",
        PokeKind::Gaussian => {
            "Every weight gets a normal random number of this size times the standard deviation of its tensor's initial values. \
             Scales and shifts of norms stay."
        }
        PokeKind::Gradient => {
            "The weights move along the gradient of the step's batch, as far as with gaussian on average: uphill for a positive size."
        }
    };
    PokeKind::ALL.into_iter().filter(|kind| has(*kind)).map(|kind| (kind.name(), meaning(kind))).collect()
}

/// What k does in this run; `None` if it distinguishes no copies.
pub fn meaning_of_k(config: &TrainConfig) -> Option<&'static str> {
    let meaning = match config.perturbation {
        Perturbation::Divide => {
            "Each update d of a weight is divided by k, correctly rounded, and the learning rate is multiplied by k: p ← p − (lr · \
             k) · (d / k). On paper the two k cancel. In float32 the quotient and lr · k are rounded: the update changes in its \
             last bit, which can be several ulps of a small weight. Dividing by a power of two is exact and changes nothing: such \
             copies are the controls."
        }
        Perturbation::Reciprocal => {
            "Each update d of a weight is multiplied by 1/k, rounded to float32, and the learning rate is multiplied by k: \
             p ← p − (lr · k) · (d · fl(1/k)). On paper the two cancel. In float32 both roundings move the last bits. For a power of \
             two they are exact: such copies are the controls. This is the form of the paper's own code."
        }
        Perturbation::Nextafter => {
            "Before the first step one weight is moved to the next float32; k selects the weight, and k = 1 moves none (as in Summers & \
             Dinneen 2021). The updates are the same in all copies. A second copy with the same k is a control."
        }
    };
    Treatment::of(config).by_k.then_some(meaning)
}
