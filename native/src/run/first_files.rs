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
    /// Writes them, with what the run is made with now, and does not wait for the disk. Waits for the SHA-256 of the images.
    pub fn write_new(&self, folder: &RunFolder) -> Result<(), Failure> {
        self.write(folder, &self.prepared.manifest())
    }

    /// Writes them and does not wait for the disk.
    pub fn write(&self, folder: &RunFolder, manifest: &Manifest) -> Result<(), Failure> {
        let Self { prepared, initial } = self;
        folder.write_unsynced(CONFIG_FILE, prepared.config.to_text()?.as_bytes())?;
        folder.write_unsynced(MANIFEST_FILE, manifest.to_text().as_bytes())?;
        if let Some(weights) = initial {
            let network = &prepared.plan.network;
            folder.write_unsynced(INIT_FILE, &encode_weights(network, weights, &json!({ "net": network.name })))?;
        }
        Ok(())
    }

    /// Waits until those in `folder` are on the disk.
    pub fn sync(folder: &Path) -> Result<(), Failure> {
        for name in [CONFIG_FILE, MANIFEST_FILE, INIT_FILE] {
            let path = folder.join(name);
            // Windows syncs only what is open for writing. A user may have removed the weights of a run that goes on.
            match File::options().write(true).open(&path).and_then(|file| file.sync_all()) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Failure::file("write", &path, &error));
                }
                _ => {}
            }
        }
        sync_folder(folder);
        Ok(())
    }
}
