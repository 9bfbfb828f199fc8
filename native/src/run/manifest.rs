//! `manifest.json`: which program made the run, from which data, on which adapter. It holds whatever may change bits but
//! is not in the config.

use std::collections::BTreeMap;
use std::path::Path;

use lastbit_core::data::Dataset;
use lastbit_core::gpu::{AdapterSummary, Command};
use lastbit_core::train::Plan;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::folder::RunFolder;
use crate::datasets;
use crate::failure::Failure;

const MANIFEST_FILE: &str = "manifest.json";

/// Program, shaders and adapter: together they fix the bits of a config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Of lastbit.
    version: String,
    /// SHA-256 over the text of every kernel of the run.
    shaders_sha256: String,
    /// Name of the adapter.
    adapter: String,
    /// Its driver.
    driver: String,
    /// Its programming interface.
    backend: String,
    /// Whether the processor does the work.
    software: bool,
}

/// The data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct DatasetRecord {
    name: String,
    train: usize,
    test: usize,
    sha256: String,
}

/// The network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct NetworkRecord {
    name: String,
    parameters: u64,
}

/// A run that went on in another environment than it began in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    from_step: u64,
    environment: Environment,
}

/// The whole file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    environment: Environment,
    dataset: DatasetRecord,
    network: NetworkRecord,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<Change>,
}

impl Manifest {
    /// The manifest of a run that begins now.
    pub fn new(adapter: &AdapterSummary, dataset: &Dataset, plan: &mut Plan) -> Self {
        Self {
            environment: Environment {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                shaders_sha256: shaders_sha256(plan),
                adapter: adapter.name.clone(),
                driver: adapter.driver.clone(),
                backend: adapter.backend.clone(),
                software: adapter.software,
            },
            dataset: DatasetRecord {
                name: dataset.name.clone(),
                train: dataset.train.len(),
                test: dataset.test.len(),
                sha256: datasets::sha256(dataset),
            },
            network: NetworkRecord { name: plan.network.name.clone(), parameters: plan.network.parameter_count() },
            changes: Vec::new(),
        }
    }

    /// The manifest in a folder; `None` if there is none that can be read.
    pub fn read(folder: &RunFolder) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.file(MANIFEST_FILE)).ok()?).ok()
    }

    /// Writes the file.
    pub fn write(&self, folder: &RunFolder) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).map_err(Failure::other)?;
        folder.write(MANIFEST_FILE, format!("{text}\n").as_bytes())
    }

    /// This manifest, for a run that `now` goes on with after `step` steps, and a warning where that may change bits.
    pub fn continued(mut self, now: Self, step: u64, folder: &Path) -> Result<(Self, Option<String>), Failure> {
        if self.dataset != now.dataset {
            return Err(Failure::usage(format!(
                "--data-dir: the run in '{}' saw other images (SHA-256 {}, these have {}): give it the files it began with",
                folder.display(),
                self.dataset.sha256,
                now.dataset.sha256,
            )));
        }
        let last = self.changes.last().map_or(&self.environment, |change| &change.environment);
        if *last == now.environment {
            return Ok((self, None));
        }
        let warning = format!(
            "the run was made by lastbit {} on '{}' ({}) and goes on with {} on '{}' ({}): its bits may differ from \
             here on, which manifest.json records",
            last.version,
            last.adapter,
            last.driver,
            now.environment.version,
            now.environment.adapter,
            now.environment.driver,
        );
        self.changes.push(Change { from_step: step, environment: now.environment });
        Ok((self, Some(warning)))
    }
}

/// SHA-256 over all kernels of a run, in hexadecimal, whatever their order and number of uses.
fn shaders_sha256(plan: &mut Plan) -> String {
    let recordings = [plan.input(1), plan.train(0, 1), plan.evaluate(0, 1), plan.measure(0), plan.fingerprint(0)];
    let commands = recordings.iter().flat_map(|recording| &recording.commands);
    let kernels: BTreeMap<&str, &str> = commands
        .filter_map(|command| match command {
            Command::Dispatch(dispatch) => Some((dispatch.kernel.source(), dispatch.kernel.name())),
            Command::Copy { .. } | Command::Clear(_) => None,
        })
        .collect();
    let mut hasher = Sha256::new();
    for (source, name) in kernels {
        hasher.update(name);
        hasher.update([0]);
        hasher.update(source);
        hasher.update([0]);
    }
    format!("{:x}", hasher.finalize())
}
