//! Networks compared at their ends: equal ones agree in everything, statistics are those of the images, and the numbers are those of the run.

mod runs;

use std::sync::Arc;

use lastbit_core::data::{Dataset, synthetic};
use lastbit_core::nets::{NetKind, Norm};
use lastbit_core::train::{
    EVALUATION_BATCH, Ends, Probe, ProbeBatch, SetKind, Switches, TrainConfig, Trainer, Tuning, Weights,
};
use runs::{finish, small, trainer_on};

const IMAGES: usize = 300;

async fn probe(config: &TrainConfig, dataset: &Arc<Dataset>, slots: usize) -> Probe {
    let (context, dataset) = (runs::context(), Arc::clone(dataset));
    Probe::evaluating(context, config, dataset, Tuning::default(), (slots, IMAGES), 0).await.unwrap()
}

fn trained(config: &TrainConfig, dataset: &Arc<Dataset>) -> (Trainer, Vec<Weights>) {
    let (trainer, state) = pollster::block_on(async {
        let mut trainer = trainer_on(config, dataset).await;
        finish(&mut trainer).await;
        let state = trainer.state().await.unwrap();
        (trainer, state)
    });
    (trainer, state.replicas.into_iter().map(|replica| replica.weights).collect())
}

fn compare(config: &TrainConfig, dataset: &Arc<Dataset>, a: &Weights, b: &Weights) -> Ends {
    pollster::block_on(async {
        let mut probe = probe(config, dataset, Probe::ENDS_SLOTS).await;
        probe.compare_ends(a, b, IMAGES).await.unwrap()
    })
}

fn images() -> Arc<Dataset> {
    Arc::new(synthetic::dataset(1, IMAGES + 17, 2 * IMAGES))
}

#[test]
fn a_network_and_itself_agree_in_everything() {
    for (net, norm) in [("resnet8", Norm::Batch), ("resnet8", Norm::Group), ("mlp1", Norm::Batch)] {
        let net: NetKind = net.parse().unwrap();
        let activation = None;
        let config = TrainConfig { net, norm, activation, ks: vec![1, 1, 3], steps: Some(3), ..small() };
        let (_, weights) = trained(&config, &images());
        let same = compare(&config, &images(), &weights[0], &weights[1]);
        assert_eq!(same.barriers(), [0.0, 0.0], "{net}");
        assert!(same.line.iter().all(|point| (point.train, point.test) == (same.line[0].train, same.line[0].test)));
        let found = same.similarity;
        assert_eq!([found.disagreement, found.ensemble_gain, found.logit_ensemble_gain], [0.0; 3]);
        assert!((found.correlation - 1.0).abs() < 1e-12, "{found:?}");
        assert!(same.tensors.iter().all(|tensor| tensor.rel_l1 == 0.0 && tensor.distance == 0.0));
        let other = compare(&config, &images(), &weights[0], &weights[2]);
        assert!(other.tensors.iter().all(|tensor| tensor.distance > 0.0 && tensor.norms[0] > 0.0), "{other:?}");
        assert_eq!(other.tensors.len(), same.tensors.len());
    }
}

#[test]
fn networks_of_other_seeds_have_a_barrier() {
    let base = TrainConfig { ks: vec![1], steps: Some(60), lr: 0.05, ..small() };
    let dataset = images();
    let ends: Vec<Weights> =
        [1, 2].map(|seed| trained(&TrainConfig { seed, ..base.clone() }, &dataset).1.swap_remove(0)).to_vec();
    let found = compare(&base, &dataset, &ends[0], &ends[1]);
    let [train, test] = found.barriers();
    assert!(train > 0.2 && test > 0.2, "{train} {test}");
    assert!(found.similarity.correlation < 0.99 && found.similarity.disagreement > 0.0, "{:?}", found.similarity);
    let backwards = compare(&base, &dataset, &ends[1], &ends[0]);
    assert_eq!(backwards.scores, [found.scores[1], found.scores[0]]);
    assert_eq!(backwards.similarity.disagreement, found.similarity.disagreement);
}

/// With statistics estimated on one batch, an evaluation of that batch computes what training computes on it, but for the variance: the
/// running one is unbiased.
#[test]
fn estimated_statistics_are_those_of_the_images() {
    let batch = EVALUATION_BATCH as usize;
    let dataset = Arc::new(synthetic::dataset(1, batch, batch));
    let config = TrainConfig { batch_size: EVALUATION_BATCH, ks: vec![1], steps: Some(2), ..small() };
    let (_, weights) = trained(&config, &dataset);
    pollster::block_on(async {
        let mut evaluating = probe(&config, &dataset, 2).await;
        let mut estimated = weights.clone();
        evaluating.estimate_statistics(&mut estimated, IMAGES).await.unwrap();
        assert_ne!(estimated[0].running, weights[0].running);
        assert_eq!(estimated[0].parameters, weights[0].parameters);
        let mut again = estimated.clone();
        evaluating.estimate_statistics(&mut again, IMAGES).await.unwrap();
        assert_eq!(again, estimated, "what was there before does not count");
        let network = evaluating.network().clone();
        let outputs = evaluating.outputs(&estimated, SetKind::Train, IMAGES).await.unwrap();
        let loss = outputs[0].loss(network.loss, evaluating.labels(SetKind::Train, IMAGES));
        let (context, dataset) = (runs::context(), Arc::clone(&dataset));
        let mut own = Probe::new(context, &config, dataset, Tuning::default(), (1, Switches::Own), 0).await.unwrap();
        let point = own.point(&weights[0]);
        let wanted = own.gradients(&[&point], &ProbeBatch::Images(0..batch)).await.unwrap()[0].loss;
        assert!((loss / f64::from(wanted) - 1.0).abs() < 2e-3, "{loss} and {wanted}");
    });
}

#[test]
fn a_probe_has_the_logits_of_the_run() {
    let dataset = images();
    let config = TrainConfig { ks: vec![1, 3, 5], steps: Some(2), ..small() };
    let (mut trainer, weights) = trained(&config, &dataset);
    let wanted = pollster::block_on(trainer.logits(IMAGES)).unwrap();
    pollster::block_on(async {
        let mut probe = probe(&config, &dataset, 5).await;
        assert_eq!(probe.logits(&weights, SetKind::Test, IMAGES).await.unwrap(), wanted);
        assert_eq!(probe.logits(&weights[1..2], SetKind::Test, IMAGES).await.unwrap(), wanted[1..2]);
        assert_eq!(probe.images(SetKind::Train, IMAGES), IMAGES);
    });
}
