//! What a result depends on besides its flags: program, shaders and adapter.

use std::collections::BTreeMap;

use lastbit_core::device::AdapterSummary;
use lastbit_core::gpu::wgsl;
use lastbit_core::record::ORDER_VERSION;
use lastbit_core::train::Plan;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Program, shaders and adapter: together they fix the bits of a config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Version of lastbit.
    pub version: String,
    /// SHA-256 over the order of sums and the text of shaders: of a run's kernels, or of every shader.
    #[serde(default)]
    pub shaders_sha256: String,
    /// Name of the adapter.
    pub adapter: String,
    /// Driver of the adapter.
    pub driver: String,
    /// Programming interface of the adapter.
    pub backend: String,
    /// True if the processor does the work.
    pub software: bool,
    /// Promises that the adapter breaks, by the self-test with `--on-broken-device warn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<String>,
}

impl Environment {
    /// The environment of a run with this plan, on `adapter`, which breaks the promises `broken`.
    pub fn of_run(adapter: &AdapterSummary, broken: &[String], plan: &Plan) -> Self {
        Self::new(adapter, broken, kernels_sha256(plan))
    }

    /// The environment of work that may use any shader, on `adapter`, which breaks the promises `broken`.
    pub fn of_all_shaders(adapter: &AdapterSummary, broken: &[String]) -> Self {
        Self::new(adapter, broken, all_shaders_sha256())
    }

    fn new(adapter: &AdapterSummary, broken: &[String], shaders_sha256: String) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            shaders_sha256,
            adapter: adapter.name.clone(),
            driver: adapter.driver.clone(),
            backend: adapter.backend.clone(),
            software: adapter.software,
            broken: broken.to_vec(),
        }
    }

    /// What differs between `self` and `now` and may change bits, one text each. `of` names the steps in the texts.
    pub fn changes(&self, now: &Self, of: &str) -> Vec<String> {
        let hash = |environment: &Self| environment.shaders_sha256.get(..12).unwrap_or_default().to_owned();
        let texts = [
            ("the shaders", hash(self), hash(now), self.shaders_sha256 != now.shaders_sha256),
            ("the adapter", self.adapter.clone(), now.adapter.clone(), self.adapter != now.adapter),
            ("the driver", self.driver.clone(), now.driver.clone(), self.driver != now.driver),
            ("the interface", self.backend.clone(), now.backend.clone(), self.backend != now.backend),
            ("the self-test", self.broken.join("; "), now.broken.join("; "), self.broken != now.broken),
        ];
        let changed = texts.into_iter().filter(|(.., is_changed)| *is_changed);
        changed.map(|(what, was, is, _)| format!("{what}{of} ('{was}', now '{is}')")).collect()
    }
}

/// SHA-256 over the version of docs/ORDER.md and all kernels of a run, in hexadecimal. It does not depend on the kernels' order and
/// number of uses.
fn kernels_sha256(plan: &Plan) -> String {
    let kernels: BTreeMap<String, &str> =
        plan.kernels().into_iter().map(|kernel| (wgsl::source(kernel), kernel.name())).collect();
    let mut hasher = Sha256::new();
    hasher.update(ORDER_VERSION.to_le_bytes());
    for (source, name) in kernels {
        hasher.update(name);
        hasher.update([0]);
        hasher.update(source);
        hasher.update([0]);
    }
    format!("{:x}", hasher.finalize())
}

/// SHA-256 over the version of docs/ORDER.md and the text of every shader, in hexadecimal.
fn all_shaders_sha256() -> String {
    let mut hasher = Sha256::new();
    hasher.update(ORDER_VERSION.to_le_bytes());
    for text in wgsl::texts() {
        hasher.update(text);
        hasher.update([0]);
    }
    format!("{:x}", hasher.finalize())
}
