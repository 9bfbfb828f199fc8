//! The published runs: their fingerprints must be those of the table.

use std::rc::Rc;

use web_time::Instant;

use super::report::{Findings, Promise, note, since};
use crate::device::Context;
use crate::processor::Class;
use crate::published::{self, Fingerprints, Published};
use crate::train::TrainError;

const MEANING: &str = "The published runs have the published fingerprints.";

/// Makes these published runs and compares their fingerprints with those of `class`. Calls `on_run` with the name of each before it
/// begins. No subnormal number matters in any of them, so a device that flushes these has the published fingerprints, too.
///
/// # Errors
/// [`TrainError::Gpu`] if a device is lost. What a driver refuses is a failure of the promise.
pub async fn check_published_runs(
    context: &Rc<Context>,
    class: Class,
    runs: &[Published],
    on_run: &mut dyn FnMut(&str),
) -> Result<Promise, TrainError> {
    let start = Instant::now();
    let mut findings = Findings::default();
    for run in runs {
        on_run(&format!("published run {}", run.name));
        let found = published::run(Rc::clone(context), run).await;
        if let Some(found) = note(&mut findings, found)? {
            compare(run, run.of(class), &found, &mut findings);
        }
    }
    findings.seconds = since(start);
    let last = |run: &Published| match run.steps.last().unwrap_or(&0) {
        1 => format!("{} (1 step)", run.name),
        steps => format!("{} ({steps} steps)", run.name),
    };
    let checked = runs.iter().map(last).collect::<Vec<_>>().join(", ");
    Ok(findings.promise("published runs", MEANING, checked))
}

/// Reports the first step of a run whose loss or fingerprint is another one.
fn compare(run: &Published, expected: &[Fingerprints], found: &[Fingerprints], findings: &mut Findings) {
    if expected.len() != found.len() {
        findings.add_text(format!("{}: {} of {} steps were made", run.name, found.len(), expected.len()));
    }
    let Some((expected, found)) = expected.iter().zip(found).find(|(a, b)| a != b) else { return };
    let step = found.step;
    let differing = |what: &str, expected: &[String], found: &[String]| {
        let replica = expected.iter().zip(found).position(|(a, b)| a != b)?;
        let [expected, found] = [&expected[replica], &found[replica]];
        let k = run.config.ks[replica];
        Some(format!("{}, step {step}, k = {k}: the {what} is {found}, published {expected}", run.name))
    };
    let loss = differing("loss", &expected.loss, &found.loss);
    let text = loss.or_else(|| differing("fingerprint", &expected.fingerprints, &found.fingerprints));
    findings.add_text(text.unwrap_or_else(|| format!("{}, step {step}: other replicas", run.name)));
}
