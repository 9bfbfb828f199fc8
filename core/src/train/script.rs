//! The script of a run: all its recordings in order, with what the host writes between them.

use std::sync::Arc;

use super::batch::Batches;
use super::config::TrainConfig;
use super::error::TrainError;
use super::plan::{MemoryLimits, RecordingKind, Tuning};
use super::trainer::{Start, Trainer, plan};
use super::{transfer, upload};
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
    let plan = plan(config, dataset, tuning, limits)?;
    let state = Trainer::start_state(config, &plan.network, Start::Fresh)?;
    let mut batches = Batches::new(config, Arc::clone(dataset));
    let chunks = || 0..plan.chunks.len();
    let recorded = |name: String, kind: RecordingKind| Act::run(name, plan.recording(kind).clone());
    let input = |samples: u32| recorded(format!("input of {samples} images"), RecordingKind::Input(samples));
    let mut acts = vec![Act::run("clear", plan.clear())];
    let contents = plan.contents.iter().cloned().chain(transfer::state_contents(&plan, &state));
    acts.extend(contents.map(|(buffer, bytes)| Act::Write(buffer, bytes)));
    for step in 1..=batches.per_epoch() {
        let lr = upload::lr_at(config, step, batches.per_epoch());
        let (bytes, samples) = upload::of_step(config, &plan, &mut batches, step, lr);
        let train = format!("training step of {samples} images");
        acts.extend([Act::Write(plan.upload, bytes), input(samples)]);
        acts.extend(chunks().map(|chunk| recorded(train.clone(), RecordingKind::Train(chunk, samples))));
        acts.extend(chunks().map(|chunk| recorded("measurement".to_owned(), RecordingKind::Measure(chunk))));
        acts.extend(chunks().map(|chunk| recorded("fingerprints".to_owned(), RecordingKind::Fingerprint(chunk))));
    }
    acts.push(Act::run("flipped bit", plan.flip(0, config.ks.len() - 1)));
    let mut first = 0;
    loop {
        let mut bytes = vec![0; plan.upload_layout.bytes as usize];
        let Some(samples) = batches.test(first, &plan.upload_layout, &mut bytes) else { break };
        let evaluate = format!("evaluation of {samples} images");
        acts.extend([Act::Write(plan.upload, bytes), input(samples)]);
        acts.extend(chunks().map(|chunk| recorded(evaluate.clone(), RecordingKind::Evaluate(chunk, samples))));
        first += samples as usize;
    }
    let arenas = plan.chunks.iter().flat_map(|chunk| [chunk.parameters, chunk.momenta, chunk.running]);
    let results = arenas.chain([plan.metrics]).collect();
    Ok(Script { table: plan.table, acts, results })
}
