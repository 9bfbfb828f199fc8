//! A finished run whose copies are compared with each other and with those of other seeds.

use lastbit_core::ops::sgd::Perturbation;

use super::divergence;
use super::findings::Agreement;
use super::growth::{VISIBLE, first_bit, reaches};
use super::run::Run;
use crate::numbers::{count, list};
use crate::statistics::mean;

/// A finished run with its accuracies and predictions.
pub struct TrainedRun {
    /// The run.
    pub run: Run,
    /// `[replica]`: mean test accuracy over the last evaluations, in percent.
    pub accuracy: Vec<f64>,
    /// `[replica][image]`: predicted class at the end.
    pub predictions: Vec<Vec<u32>>,
}

impl TrainedRun {
    /// Averages the accuracy of a run over its `last` evaluations.
    pub fn new(run: Run, predictions: Vec<Vec<u32>>, last: usize) -> Self {
        let evaluations = &run.accuracy[run.accuracy.len().saturating_sub(last)..];
        let accuracy = |replica: usize| mean(evaluations.iter().map(|(_, accuracy)| accuracy[replica]));
        let accuracy = (0..run.config.ks.len()).map(|replica| accuracy(replica).unwrap_or(f64::NAN)).collect();
        Self { accuracy, predictions, run }
    }

    /// Seed of the run.
    pub fn seed(&self) -> u64 {
        self.run.config.seed
    }

    /// Form of the perturbation.
    pub fn form(&self) -> Perturbation {
        self.run.config.perturbation
    }

    /// Number of replicas without the controls, which come last.
    pub fn compared(&self) -> usize {
        self.run.config.ks.len() - self.run.config.controls().len()
    }

    /// Number of test images.
    pub fn images(&self) -> usize {
        self.predictions[0].len()
    }

    /// Step and relative L1 of a replica over all convolutions.
    pub fn distances(&self, replica: usize) -> Vec<(u64, f64)> {
        divergence::of_replica(&self.run, replica)
    }

    /// The first step at which a replica differs from the first one, and the first at which it is 1 % apart.
    pub fn onset(&self, replica: usize) -> [Option<u64>; 2] {
        let points = self.distances(replica);
        [first_bit(&points), reaches(&points, VISIBLE)]
    }

    /// True if every replica but the controls has been 1 % apart from the first one.
    pub fn has_diverged(&self) -> bool {
        (1..self.compared()).all(|replica| self.onset(replica)[1].is_some())
    }

    /// Test images that a replica classifies differently from the first one, in percent.
    pub fn churn(&self, replica: usize) -> f64 {
        churn(&self.predictions[0], &self.predictions[replica])
    }

    /// Largest churn of a control.
    pub fn control_churn(&self) -> f64 {
        self.run.config.controls().into_iter().map(|replica| self.churn(replica)).fold(0.0, f64::max)
    }
}

/// Prediction churn: images that two copies classify differently, whatever their accuracies are, in percent.
fn churn(a: &[u32], b: &[u32]) -> f64 {
    let differing = a.iter().zip(b).filter(|(a, b)| a != b).count();
    100.0 * differing as f64 / a.len().min(b.len()).max(1) as f64
}

/// Mean churn over all pairs of copies; `None` for fewer than two copies.
fn churn_of_pairs(copies: &[&Vec<u32>]) -> Option<f64> {
    let pairs = copies.iter().enumerate().flat_map(|(i, a)| copies[i + 1..].iter().map(move |b| (a, b)));
    mean(pairs.map(|(a, b)| churn(a, b)))
}

/// Mean churn over all pairs of k at one seed.
pub fn churn_over_k(runs: &[&TrainedRun]) -> Option<f64> {
    let copies = |run: &&TrainedRun| churn_of_pairs(&run.predictions[..run.compared()].iter().collect::<Vec<_>>());
    mean(runs.iter().filter_map(copies))
}

/// Mean churn over all pairs of seeds at one k, for the first `n_ks` replicas.
pub fn churn_over_seeds(runs: &[&TrainedRun], n_ks: usize) -> Option<f64> {
    let copies = |replica: usize| runs.iter().map(|run| &run.predictions[replica]).collect::<Vec<_>>();
    mean((0..n_ks).filter_map(|replica| churn_of_pairs(&copies(replica))))
}

/// Verdict on the null controls of several runs, and what was found.
pub fn judge_controls<'a>(runs: impl IntoIterator<Item = &'a TrainedRun>) -> (Agreement, String) {
    let (mut red, mut lost) = (Vec::new(), Vec::new());
    let (mut controls, mut steps) = (0, 0);
    for trained in runs {
        let run = &trained.run;
        controls += run.config.controls().len();
        steps += run.steps.len();
        match run.are_controls_zero {
            Agreement::No => red.push(&run.name),
            _ if trained.control_churn() > 0.0 => red.push(&run.name),
            Agreement::CannotTell => lost.push(&run.name),
            Agreement::Yes => {}
        }
    }
    if !red.is_empty() {
        return (Agreement::No, format!("Controls differ in {}: nothing here can be attributed to k.", list(&red)));
    }
    if !lost.is_empty() {
        let found = format!("In {} the numbers stopped being finite: equal bits then prove nothing.", list(&lost));
        return (Agreement::CannotTell, found);
    }
    let found = format!(
        "{} over {}: 0 bits differ, 0 test images are classified differently.",
        count(controls as u64, "control"),
        count(steps as u64, "step")
    );
    (Agreement::Yes, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn churn_is_a_share_of_the_images() {
        assert_eq!(churn(&[1, 2, 3, 4], &[1, 0, 3, 0]), 50.0);
        assert_eq!(churn(&[], &[]), 0.0);
        let copies = [vec![1, 2], vec![1, 2], vec![1, 3]];
        assert_eq!(churn_of_pairs(&copies.iter().collect::<Vec<_>>()), Some(100.0 / 3.0));
        assert_eq!(churn_of_pairs(&[&copies[0]]), None);
    }
}
