//! Promises about whole runs: small trainings on the device, whose bits may depend on nothing but their configs.

use std::rc::Rc;
use std::sync::Arc;

use web_time::Instant;

use super::report::{Findings, Promise, note, since};
use crate::data::{Dataset, synthetic};
use crate::device::{Context, Fill};
use crate::nets::{NetKind, Network};
use crate::train::{DatasetKind, Event, Start, State, TrainConfig, TrainError, Trainer, Tuning, difference};

/// Divisors of the reference run: its first replica has two controls, the others have none.
const KS: [u32; 5] = [1, 1, 2, 3, 5];
/// Position of k = 3 in [`KS`].
const OF_THREE: usize = 3;
/// Training images: two whole batches and a smaller one.
const IMAGES: usize = 10;
const BATCH: u32 = 4;

/// The results of a run.
struct Outcome {
    network: Network,
    /// Losses and distances, as a run's record has them.
    lines: Vec<String>,
    state: State,
}

/// The runs of a device.
struct Runs<'a> {
    context: &'a Rc<Context>,
    /// Factor on the channels.
    width: f64,
    dataset: Arc<Dataset>,
}

impl Runs<'_> {
    async fn of(&self, ks: &[u32], tuning: Tuning) -> Result<Outcome, TrainError> {
        let config = TrainConfig {
            net: NetKind::ResNet { depth: 8 },
            width: self.width,
            dataset: DatasetKind::Synthetic,
            ks: ks.to_vec(),
            batch_size: BATCH,
            epochs: 1,
            log_every: Some(1),
            ..TrainConfig::default()
        };
        let (context, dataset) = (Rc::clone(self.context), Arc::clone(&self.dataset));
        let mut trainer = Trainer::new(context, config, dataset, tuning, Start::Fresh).await?;
        let mut lines = Vec::new();
        loop {
            let progress = trainer.advance().await?;
            lines.extend(progress.events.iter().map(Event::to_json));
            if progress.finished {
                break;
            }
        }
        Ok(Outcome { network: trainer.network().clone(), lines, state: trainer.state().await? })
    }

    /// Compares the run of [`KS`] with this tuning with `reference`.
    async fn variant(
        &self,
        what: &str,
        tuning: Tuning,
        reference: &Outcome,
        findings: &mut Findings,
    ) -> Result<(), TrainError> {
        let start = Instant::now();
        let outcome = self.of(&KS, tuning).await;
        if let Some(outcome) = note(findings, outcome)? {
            for replica in 0..KS.len() {
                findings.compare(what, (reference, replica), (&outcome, replica));
            }
            if let Some((a, b)) = reference.lines.iter().zip(&outcome.lines).find(|(a, b)| a != b) {
                findings.add_text(format!("{what}: a line of the metrics is {b}, expected {a}"));
            }
            let [expected, found] = [&reference.lines, &outcome.lines].map(Vec::len);
            if expected != found {
                findings.add_text(format!("{what}: {found} lines of metrics, expected {expected}"));
            }
        }
        findings.seconds += since(start);
        Ok(())
    }
}

impl Findings {
    /// Compares a replica of one run with a replica of another one.
    fn compare(&mut self, what: &str, expected: (&Outcome, usize), found: (&Outcome, usize)) {
        let replicas = (&expected.0.state.replicas[expected.1], &found.0.state.replicas[found.1]);
        if let Some(difference) = difference(&expected.0.network, replicas.0, replicas.1) {
            self.add_text(format!("{what}, replica {}: {difference}", found.1));
        }
    }
}

/// Checks the promises about runs, those of the quick form with a quarter of the channels. Calls `on_promise` with each.
pub(super) async fn check(
    context: &Rc<Context>,
    quick: bool,
    on_promise: &mut dyn FnMut(Promise),
) -> Result<(), TrainError> {
    let (width, split_flops) = if quick { (0.25, 200_000) } else { (1.0, 2_000_000) };
    let runs = Runs { context, width, dataset: Arc::new(synthetic::dataset(1, IMAGES, BATCH as usize)) };
    let steps = IMAGES.div_ceil(BATCH as usize);
    let size = format!("resnet8, {steps} steps, k = 1, 1, 2, 3, 5");
    let start = Instant::now();
    let mut findings = Findings::default();
    let reference = runs.of(&KS, Tuning::default()).await;
    let Some(reference) = note(&mut findings, reference)? else {
        on_promise(findings.promise("run-to-run", RUN_TO_RUN, size));
        return Ok(());
    };
    findings.seconds = since(start);
    let tuning = Tuning { fill: Fill::Junk, ..Tuning::default() };
    runs.variant("the same run again, in memory full of junk", tuning, &reference, &mut findings).await?;
    on_promise(findings.promise("run-to-run", RUN_TO_RUN, format!("two runs of {size}")));

    let start = Instant::now();
    let mut findings = Findings::default();
    for (what, ks, position) in [("alone", &[3][..], 0), ("beside others", &[5, 7, 3], 2)] {
        if let Some(outcome) = note(&mut findings, runs.of(ks, Tuning::default()).await)? {
            findings.compare(&format!("k = 3 {what}"), (&reference, OF_THREE), (&outcome, position));
        }
    }
    findings.seconds = since(start);
    let checked = format!("k = 3 alone, among 3 and among 5 replicas ({steps} steps of resnet8)");
    on_promise(findings.promise("replica-independent", REPLICA_INDEPENDENT, checked));

    let start = Instant::now();
    let mut findings = Findings::default();
    for control in [1, 2] {
        findings.compare(&format!("the control k = {}", KS[control]), (&reference, 0), (&reference, control));
    }
    let [first, third] = [0, OF_THREE].map(|replica| &reference.state.replicas[replica]);
    if difference(&reference.network, first, third).is_none() {
        findings.add_text("k = 3 has the same bits as k = 1: the division has no effect");
    }
    findings.seconds = since(start);
    on_promise(findings.promise("controls", CONTROLS, size.clone()));

    let chunks = |n: usize| Tuning { chunk_replicas: Some(n), ..Tuning::default() };
    let splits = |flops: u64| Tuning { dispatch_flops: Some(flops), ..Tuning::default() };
    let in_flight = |n: usize| Tuning { in_flight: Some(n), ..Tuning::default() };
    let promises = [
        ("chunks", CHUNKS, vec![("one replica at a time", chunks(1)), ("chunks of two replicas", chunks(2))]),
        ("splits", SPLITS, vec![("dispatches split into small pieces", splits(split_flops))]),
        (
            "steps in flight",
            IN_FLIGHT,
            vec![("one step in flight", in_flight(1)), ("three steps in flight", in_flight(3))],
        ),
    ];
    for (name, meaning, variants) in promises {
        let mut findings = Findings::default();
        let whats: Vec<_> = variants.iter().map(|(what, _)| *what).collect();
        for (what, tuning) in variants {
            runs.variant(what, tuning, &reference, &mut findings).await?;
        }
        on_promise(findings.promise(name, meaning, format!("{} ({size})", whats.join(", "))));
    }
    Ok(())
}

const RUN_TO_RUN: &str = "Equal runs give equal bits.";
const REPLICA_INDEPENDENT: &str = "A replica has the same bits alone and beside others.";
const CONTROLS: &str = "k = 1 twice, and k = 2, differ in no bit; k = 3 differs.";
const CHUNKS: &str = "Replicas that take turns have the same bits as all at once.";
const SPLITS: &str = "A dispatch that is split has the same bits as a whole one.";
const IN_FLIGHT: &str = "The number of steps under way changes no bit.";
