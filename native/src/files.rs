//! Folders that are created, files that are read up to a length, and files that are replaced completely or not at all.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Creates a folder and its parents, if they are missing.
pub fn create_folder(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|error| Failure::file("create the folder", path, &error))
}

/// Reads a file of at most `most` bytes, and no further than that; `None` if it is longer.
pub fn read_at_most(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

/// Replaces a file by one with `bytes`, completely or not at all, and waits until it is on the disk.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let temporary = temporary(path);
    let written = write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if let Some(folder) = path.parent() {
        sync_folder(folder);
    }
    written.map_err(|error| not_written(path, &temporary, &error))
}

/// Replaces a file, but does not wait for the disk: until [`Unsynced::sync`] a power failure may leave it empty.
pub fn replace_file_unsynced(path: &Path, bytes: &[u8]) -> Result<Unsynced, Failure> {
    let temporary = temporary(path);
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        fs::rename(&temporary, path)?;
        Ok(file)
    };
    match write() {
        Ok(file) => Ok(Unsynced { path: path.to_owned(), file }),
        Err(error) => Err(not_written(path, &temporary, &error)),
    }
}

/// A file that is whole for every reader, but not yet on the disk.
pub struct Unsynced {
    path: PathBuf,
    file: File,
}

impl Unsynced {
    /// Waits until it is on the disk.
    pub fn sync(self) -> Result<(), Failure> {
        self.file.sync_all().map_err(|error| Failure::file("write", &self.path, &error))?;
        if let Some(folder) = self.path.parent() {
            sync_folder(folder);
        }
        Ok(())
    }
}

/// A file that is written piece by piece, and is at its path when it is complete. If this is dropped before, nothing is left.
pub struct PendingFile {
    path: PathBuf,
    file: Option<File>,
}

impl PendingFile {
    /// Begins the file for `path`, which stays as it is until [`PendingFile::finish`].
    pub fn create(path: &Path) -> Result<Self, Failure> {
        match File::create(temporary(path)) {
            Ok(file) => Ok(Self { path: path.to_owned(), file: Some(file) }),
            Err(error) => Err(Failure::given("write", path, &error)),
        }
    }

    /// The file to write to.
    pub fn file(&self) -> io::Result<File> {
        self.file.as_ref().ok_or(io::ErrorKind::NotFound)?.try_clone()
    }

    /// Puts the file to its path, and waits until it is on the disk.
    pub fn finish(mut self) -> Result<(), Failure> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let written = file.sync_all().and_then(|()| fs::rename(temporary(&self.path), &self.path));
        if let Some(folder) = self.path.parent() {
            sync_folder(folder);
        }
        written.map_err(|error| not_written(&self.path, &temporary(&self.path), &error))
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(temporary(&self.path));
        }
    }
}

/// Path of the temporary file that is renamed to `path`.
fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.tmp"))
}

fn not_written(path: &Path, temporary: &Path, error: &io::Error) -> Failure {
    let _ = fs::remove_file(temporary);
    Failure::file("write", path, error)
}

/// Writes a file and waits until it is on the disk.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes renames in a folder durable. Errors are ignored: not every system can open a folder, and the run can continue without.
pub fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(path) {
        let _ = folder.sync_all();
    }
}
