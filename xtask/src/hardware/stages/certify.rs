//! `lastbit certify`: every kernel against its twin. The certificate lies in the results.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::hardware::certificate;
use crate::hardware::trial::{Incomplete, Trial};
use crate::process;

/// Runs the stage.
pub fn run(trial: &mut Trial) -> Result<()> {
    if !process::succeeds(trial.program(), &["certify", "--help"]) {
        return Err(Incomplete("this version of lastbit has no command `certify`".to_owned()).into());
    }
    let folder = trial.options.results.join(certificate::FOLDER);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let mut certify = trial.lastbit(&["certify"]);
    certify.args(trial.options.adapter.iter().flat_map(|adapter| ["--adapter", adapter]));
    certify.args(trial.options.small.then_some("--quick")).arg("--out").arg(&folder);
    let outcome = process::run(&mut certify, trial.patience());
    // A certificate of broken promises is a result, too.
    if let Some(certificate) = certificate::read(&trial.options.results)? {
        let broken = certificate::broken(&certificate);
        if let Some(why) = certificate["unfinished"].as_str() {
            ensure!(broken.is_empty(), "promises that this device does not keep: {}; then {why}", broken.join(", "));
            return outcome;
        }
        trial.note("kept", &certificate["kept"])?;
        ensure!(broken.is_empty(), "promises that this device does not keep: {}", broken.join(", "));
    }
    outcome
}
