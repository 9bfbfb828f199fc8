//! The script of a run: all its recordings in order, with what the host writes between them.

use std::sync::Arc;

use super::config::TrainConfig;
use super::error::TrainError;
use super::plan::{Chunk, MemoryLimits, RecordingKind, Tuning};
use super::steps::Steps;
use super::trainer::Start;
use crate::data::Dataset;
use crate::record::{Act, Script};

/// The script of a run of `config` on `dataset`: every step of one epoch with its measurements, a flipped bit, and an
/// evaluation.
///
/// # Errors
/// Same as [`plan`].
pub(crate) fn script(
    config: &TrainConfig,
    dataset: &Arc<Dataset>,
    tuning: &Tuning,
    limits: MemoryLimits,
) -> Result<Script, TrainError> {
    let mut steps = Steps::new(config.clone(), Arc::clone(dataset), tuning, limits, Start::Fresh)?;
    let mut acts = vec![Act::run("clear", steps.plan.clear())];
    acts.extend(steps.contents().into_iter().map(|(buffer, bytes)| Act::Write(buffer, bytes)));
    for number in 1..=steps.batches.per_epoch() {
        let step = steps.step(number);
        let plan = &steps.plan;
        acts.push(Act::Write(plan.upload, step.upload));
        let kinds = plan.training(step.samples).chain(plan.measuring(true));
        acts.extend(kinds.map(|kind| Act::run(name_of(kind), plan.recording(kind).clone())));
    }
    let Steps { plan, batches, .. } = steps;
    acts.push(Act::run("flipped bit", plan.flip(0, config.ks.len() - 1)));
    let mut first = 0;
    loop {
        let mut bytes = vec![0; plan.upload_layout.bytes as usize];
        let Some(samples) = batches.test(first, &plan.upload_layout, &mut bytes) else { break };
        acts.push(Act::Write(plan.upload, bytes));
        let evaluations = (0..plan.chunks.len()).map(|chunk| RecordingKind::Evaluate(chunk, samples));
        let kinds = std::iter::once(RecordingKind::Input(samples)).chain(evaluations);
        acts.extend(kinds.map(|kind| Act::run(name_of(kind), plan.recording(kind).clone())));
        first += samples as usize;
    }
    let arenas = plan.chunks.iter().flat_map(Chunk::state);
    let results = arenas.chain([plan.metrics]).collect();
    Ok(Script { table: plan.table, acts, results })
}

fn name_of(kind: RecordingKind) -> String {
    match kind {
        RecordingKind::Input(samples) => format!("input of {samples} images"),
        RecordingKind::Train(_, samples) => format!("training step of {samples} images"),
        RecordingKind::Evaluate(_, samples) => format!("evaluation of {samples} images"),
        RecordingKind::Measure(_) => "measurement".to_owned(),
        RecordingKind::Fingerprint(_) => "fingerprints".to_owned(),
        RecordingKind::Gradient(_, samples) => format!("gradient of {samples} samples"),
        RecordingKind::Statistics(_, samples) => format!("statistics of {samples} samples"),
    }
}
