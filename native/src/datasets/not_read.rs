//! Counts the files of an image folder that are not read, so that no image is left out silently.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Deepest level of folders that are looked into.
const MOST_LEVELS: usize = 16;

/// Numbers of files that are not read, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotRead {
    kinds: BTreeMap<String, usize>,
}

impl NotRead {
    /// Counts a file. `place` says where it is if that is the reason, and is empty otherwise.
    pub(super) fn count(&mut self, path: &Path, place: &str) {
        let kind = match path.extension().and_then(|extension| extension.to_str()) {
            _ if !path.exists() => "link to a file that does not exist".to_owned(),
            Some(extension) => format!(".{} file", extension.to_ascii_lowercase()),
            None => "file without an extension".to_owned(),
        };
        let kind = if place.is_empty() { kind } else { format!("{kind} {place}") };
        *self.kinds.entry(kind).or_default() += 1;
    }

    /// Counts the files in a folder inside a class folder, and in those below it.
    pub(super) fn count_below(&mut self, folder: &Path) {
        let mut folders = vec![(folder.to_owned(), 0)];
        while let Some((folder, level)) = folders.pop() {
            // A folder that cannot be looked into counts as one file.
            let Ok(entries) = fs::read_dir(&folder) else {
                self.count(&folder, BELOW);
                continue;
            };
            for path in entries.flatten().map(|entry| entry.path()) {
                let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
                // Links to folders may form a cycle.
                match path.is_dir() && !path.is_symlink() && level < MOST_LEVELS {
                    _ if is_hidden => {}
                    true => folders.push((path, level + 1)),
                    false => self.count(&path, BELOW),
                }
            }
        }
    }

    /// Counts files with more than one image.
    pub(super) fn count_several(&mut self, files: usize) {
        if files > 0 {
            *self.kinds.entry("file beyond the first image".to_owned()).or_default() += files;
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        for (kind, n) in other.kinds {
            *self.kinds.entry(kind).or_default() += n;
        }
    }

    /// `3 .gif files, 1 .png file in a folder below a class folder`; `None` if everything is read.
    pub fn text(&self) -> Option<String> {
        let counted = self.kinds.iter().map(|(kind, n)| match n {
            1 => format!("1 {kind}"),
            n => format!("{n} {}", kind.replacen("file", "files", 1).replacen("link", "links", 1)),
        });
        Some(counted.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty())
    }

    /// Number of files of each kind.
    pub fn kinds(&self) -> &BTreeMap<String, usize> {
        &self.kinds
    }
}

/// The place of images that are one folder too deep.
const BELOW: &str = "in a folder below a class folder";
