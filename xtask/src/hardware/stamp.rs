//! Work that depends on a file is done once for each version of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};

/// Calls `make`, which makes `target` from `source`, unless it has done so for this size and date of `source`.
pub fn once(source: &Path, target: &Path, make: impl FnOnce() -> Result<()>) -> Result<()> {
    let file = stamp_of(target);
    let stamp = version(source)?;
    if target.exists() && fs::read_to_string(&file).is_ok_and(|made| made == stamp) {
        return Ok(());
    }
    // If `make` is interrupted, what it has left is not used.
    let _ = fs::remove_file(&file);
    make()?;
    fs::write(&file, stamp).with_context(|| format!("cannot write {}", file.display()))
}

fn stamp_of(target: &Path) -> PathBuf {
    target.with_extension("stamp")
}

fn version(file: &Path) -> Result<String> {
    let facts = file.metadata().with_context(|| format!("cannot read {}", file.display()))?;
    let changed = facts.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    Ok(format!("{} bytes, changed {} s after 1970", facts.len(), changed.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::*;

    #[test]
    fn it_is_made_again_only_if_the_source_has_changed() {
        let scratch = Scratch::new("stamp");
        let (source, target) = (scratch.path().join("source"), scratch.path().join("target"));
        let mut made = 0;
        for (text, expected) in [("a", 1), ("a", 1), ("bb", 2), ("bb", 2)] {
            if fs::read_to_string(&source).ok().as_deref() != Some(text) {
                fs::write(&source, text).unwrap();
            }
            once(&source, &target, || {
                made += 1;
                Ok(fs::write(&target, text)?)
            })
            .unwrap();
            assert_eq!(made, expected);
        }
        fs::write(&source, "ccc").unwrap();
        assert!(once(&source, &target, || anyhow::bail!("interrupted")).is_err());
        once(&source, &target, || {
            made += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(made, 3);
    }
}
