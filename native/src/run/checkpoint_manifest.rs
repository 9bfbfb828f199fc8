//! `manifest.json` of a checkpoint: length and SHA-256 of its files, and of `metrics.jsonl` up to its step. It reveals every changed
//! bit of a checkpoint and of the metrics before it. Equal checkpoints have equal manifests.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::files::read_at_most;

/// Name of the file.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Version of the checkpoint format.
const FORMAT: u32 = 1;
/// Longest manifest: it lists a file for each replica, of which there are at most 64.
const MOST_BYTES: u64 = 64 << 10;

/// Length and SHA-256 of a file, or of its beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digest {
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len() as u64, sha256: format!("{:x}", Sha256::digest(bytes)) }
    }
}

/// The content of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointManifest {
    format: u32,
    /// Steps done.
    pub step: u64,
    /// The lines of `metrics.jsonl` up to that step.
    pub metrics: Digest,
    files: BTreeMap<String, Digest>,
}

impl CheckpointManifest {
    /// The manifest of a checkpoint with these files.
    pub fn new(step: u64, metrics: Digest, files: &[(String, Vec<u8>)]) -> Self {
        let files = files.iter().map(|(name, bytes)| (name.clone(), Digest::of(bytes))).collect();
        Self { format: FORMAT, step, metrics, files }
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        let text = serde_json::to_string_pretty(self).unwrap_or_else(|e| unreachable!("plain data serializes: {e}"));
        text + "\n"
    }

    /// The manifest with this text; the error says what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| format!("is damaged ({error})"))?;
        if manifest.format != FORMAT {
            return Err(format!("has format {}, this lastbit knows {FORMAT}", manifest.format));
        }
        // The same content could be written in many ways. Only lastbit's way is accepted, so that every bit counts.
        if manifest.to_text().as_bytes() != bytes {
            return Err("is damaged (not as lastbit writes it)".to_owned());
        }
        Ok(manifest)
    }

    /// The manifest of the checkpoint in `folder`.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let bytes = read(&folder.join(MANIFEST_FILE), MOST_BYTES);
        bytes.and_then(|bytes| Self::parse(&bytes)).map_err(|problem| format!("{MANIFEST_FILE} {problem}"))
    }

    /// Checks that all files of the checkpoint in `folder` are those that were saved. The error names the first one that is not.
    pub fn check(&self, folder: &Path) -> Result<(), String> {
        for (name, listed) in &self.files {
            let mut hasher = Sha256::new();
            let found = File::open(folder.join(name)).and_then(|mut file| io::copy(&mut file, &mut hasher));
            match found {
                Err(error) => return Err(format!("{name}: {error}")),
                Ok(bytes) if bytes != listed.bytes => {
                    return Err(format!("{name} has {bytes} bytes, not {}", listed.bytes));
                }
                Ok(_) if format!("{:x}", hasher.finalize()) != listed.sha256 => {
                    return Err(format!("{name} is not what was saved (wrong SHA-256)"));
                }
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// The bytes of a file of the checkpoint in `folder`, if they are those that were saved.
    pub fn read_file(&self, folder: &Path, name: &str, most: u64) -> Result<Vec<u8>, String> {
        let listed = self.files.get(name).ok_or("is not in the manifest")?;
        let bytes = read(&folder.join(name), most.min(listed.bytes))?;
        if bytes.len() as u64 != listed.bytes {
            return Err(format!("has {} bytes, not {}", bytes.len(), listed.bytes));
        }
        if Digest::of(&bytes) != *listed {
            return Err("is not what was saved (wrong SHA-256)".to_owned());
        }
        Ok(bytes)
    }
}

/// Reads a file of at most `most` bytes.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let bytes = read_at_most(path, most).map_err(|error| error.to_string())?;
    bytes.ok_or_else(|| format!("has more than the {most} bytes that it may have"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_of_a_manifest_counts() {
        let files = [("r0-k1.safetensors".to_owned(), vec![1, 2, 3]), ("optimizer.safetensors".to_owned(), vec![])];
        let manifest = CheckpointManifest::new(12, Digest::of(b"{}\n"), &files);
        let text = manifest.to_text();
        assert_eq!(CheckpointManifest::parse(text.as_bytes()), Ok(manifest.clone()));
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // A changed name, number or hash is read, but it is no longer that of the files.
            assert_ne!(CheckpointManifest::parse(&bytes), Ok(manifest.clone()), "bit {bit}");
        }
        for length in 0..text.len() {
            assert!(CheckpointManifest::parse(&text.as_bytes()[..length]).is_err(), "{length} bytes");
        }
        assert!(CheckpointManifest::parse(text.replace("1,", "2,").as_bytes()).unwrap_err().contains("format 2"));
        assert!(CheckpointManifest::parse(text.replace("  ", " ").as_bytes()).is_err());
    }
}
