//! The first files of a run folder: config, manifest and initial weights.

use lastbit_core::nets::Network;
use lastbit_core::train::Weights;
use lastbit_core::train::checkpoint::encode_weights;
use serde_json::json;

use super::folder::RunFolder;
use super::layout::{CONFIG_FILE, INIT_FILE, MANIFEST_FILE};
use super::manifest::Manifest;
use super::prepared::Prepared;
use crate::failure::Failure;
use crate::files::Unsynced;

/// The content of the first files. A new run writes its config before its first step. The manifest needs the SHA-256 of the images,
/// so it follows when the first step has been handed to the adapter.
pub struct FirstFiles {
    /// The run.
    pub prepared: Prepared,
    /// The initial weights to write; `None` to leave `init.safetensors` as it is.
    pub initial: Option<Weights>,
}

impl FirstFiles {
    /// Writes the config of a new run. With this file alone, `--resume` begins the same run.
    pub fn write_config(&self, folder: &RunFolder) -> Result<Unsynced, Failure> {
        folder.write_unsynced(CONFIG_FILE, self.prepared.config.to_text()?.as_bytes())
    }

    /// Writes the other files. Waits for the SHA-256 of the images.
    pub fn write_others(&self, folder: &RunFolder) -> Result<Vec<Unsynced>, Failure> {
        let (manifest, weights) = (self.prepared.manifest()?, self.encoded_weights());
        let manifest = weights.iter().fold(manifest, |manifest, bytes| manifest.with_init(bytes));
        let manifest = folder.write_unsynced(MANIFEST_FILE, manifest.to_text().as_bytes())?;
        let weights = weights.map(|bytes| folder.write_unsynced(INIT_FILE, &bytes)).transpose()?;
        Ok([Some(manifest), weights].into_iter().flatten().collect())
    }

    /// Replaces the files of an earlier run. Each is on the disk before it replaces the old one, so that a power failure loses neither.
    pub fn replace(&self, folder: &RunFolder, manifest: Manifest) -> Result<(), Failure> {
        let weights = self.encoded_weights();
        let manifest = weights.iter().fold(manifest, |manifest, bytes| manifest.with_init(bytes));
        folder.write(CONFIG_FILE, self.prepared.config.to_text()?.as_bytes())?;
        folder.write(MANIFEST_FILE, manifest.to_text().as_bytes())?;
        weights.map_or(Ok(()), |bytes| folder.write(INIT_FILE, &bytes))
    }

    fn encoded_weights(&self) -> Option<Vec<u8>> {
        self.initial.as_ref().map(|weights| encoded(&self.prepared.plan.network, weights))
    }
}

/// The bytes of `init.safetensors`.
pub fn encoded(network: &Network, weights: &Weights) -> Vec<u8> {
    encode_weights(network, weights, &json!({ "net": network.name }))
}
