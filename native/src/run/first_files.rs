//! What the folder of a run begins with: config, manifest and initial weights.

use std::fs::File;
use std::path::Path;

use lastbit_core::train::Weights;
use lastbit_core::train::checkpoint::encode_weights;
use serde_json::json;

use super::folder::{CONFIG_FILE, INIT_FILE, RunFolder, sync_folder};
use super::manifest::{MANIFEST_FILE, Manifest};
use super::opening::Prepared;
use crate::failure::Failure;

/// What they are made from. A new run writes them when its first step is under way: the manifest waits for the SHA-256 of the
/// images, and the step does not.
pub struct FirstFiles {
    /// Of the config and the manifest.
    pub prepared: Prepared,
    /// `None` where they are there already.
    pub initial: Option<Weights>,
}

impl FirstFiles {
    /// Writes those of a new run, which replace nothing, and does not wait for the disk: [`FirstFiles::sync`] does. Waits for the
    /// SHA-256 of the images.
    pub fn write_new(&self, folder: &RunFolder) -> Result<(), Failure> {
        self.write(&self.prepared.manifest(), |name, bytes| folder.write_unsynced(name, bytes))
    }

    /// Replaces those of an earlier run. Each is on the disk before the old one goes, so that a power failure loses neither.
    pub fn replace(&self, folder: &RunFolder, manifest: &Manifest) -> Result<(), Failure> {
        self.write(manifest, |name, bytes| folder.write(name, bytes))
    }

    fn write(&self, manifest: &Manifest, put: impl Fn(&str, &[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let Self { prepared, initial } = self;
        put(CONFIG_FILE, prepared.config.to_text()?.as_bytes())?;
        put(MANIFEST_FILE, manifest.to_text().as_bytes())?;
        if let Some(weights) = initial {
            let network = &prepared.plan.network;
            put(INIT_FILE, &encode_weights(network, weights, &json!({ "net": network.name })))?;
        }
        Ok(())
    }

    /// Waits until those of a new run are on the disk.
    pub fn sync(folder: &Path) -> Result<(), Failure> {
        for name in [CONFIG_FILE, MANIFEST_FILE, INIT_FILE] {
            let path = folder.join(name);
            // Windows syncs only what is open for writing.
            let synced = File::options().write(true).open(&path).and_then(|file| file.sync_all());
            synced.map_err(|error| Failure::file("write", &path, &error))?;
        }
        sync_folder(folder);
        Ok(())
    }
}
