//! The run folder: who may write to it, and files that are either old or new but never half.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::run_config::{RunConfig, read_table};

/// What trains again.
pub const CONFIG_FILE: &str = "config.toml";
/// One JSON object a line.
pub const METRICS_FILE: &str = "metrics.jsonl";
/// Weights that the run began with, before `nextafter` moved one.
pub const INIT_FILE: &str = "init.safetensors";
/// One JSON object a line: how long each step took.
pub const TIMING_FILE: &str = "timing.jsonl";
/// Locked while a process writes to the folder. The metrics themselves stay free: others read them meanwhile, which a
/// lock on Windows would forbid.
const LOCK_FILE: &str = ".lock";

/// What is at a path that is to be a run folder.
pub enum Contents {
    /// Nothing, or an empty folder.
    Nothing,
    /// A run.
    Run(Box<RunConfig>),
    /// Other files.
    Other,
}

/// Looks at `path` and changes nothing.
pub fn inspect(path: &Path) -> Result<Contents, Failure> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contents::Nothing),
        Err(error) => return Err(Failure::file("use the run folder", path, &error)),
    };
    let mut is_empty = true;
    for entry in entries {
        let name = entry.map_err(|error| Failure::file("read", path, &error))?.file_name();
        if name == CONFIG_FILE {
            let file = path.join(CONFIG_FILE);
            let config = RunConfig::from_table(&read_table(&file)?, &format!("'{}'", file.display()))?;
            return Ok(Contents::Run(Box::new(config)));
        }
        // A run that ended before its config was written leaves empty files.
        let has_content = || fs::metadata(path.join(&name)).is_ok_and(|data| data.len() > 0 || data.is_dir());
        is_empty &= [METRICS_FILE, TIMING_FILE, LOCK_FILE].iter().any(|own| name == *own) && !has_content();
    }
    Ok(if is_empty { Contents::Nothing } else { Contents::Other })
}

/// A run folder that this process alone writes to.
pub struct RunFolder {
    path: PathBuf,
    /// True if there was no such folder.
    is_new: bool,
    /// Held until the end.
    _lock: File,
}

impl RunFolder {
    /// Makes the folder where there is none and locks it.
    pub fn claim(path: &Path) -> Result<Self, Failure> {
        let is_new = !path.exists();
        fs::create_dir_all(path).map_err(|error| Failure::file("make the run folder", path, &error))?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(path.join(LOCK_FILE));
        let lock = lock.map_err(|error| Failure::file("write to the run folder", path, &error))?;
        match fs4::fs_std::FileExt::try_lock_exclusive(&lock) {
            Ok(true) => {}
            // Some network file systems have no locks; a run is still possible there.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            Ok(false) | Err(_) => {
                let path = path.display();
                return Err(Failure::other(format!(
                    "another lastbit is writing to '{path}': wait until it ends, or give another --out"
                )));
            }
        }
        Ok(Self { path: path.to_owned(), is_new, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file of the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Replaces a file by one with `bytes`, completely or not at all.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        replace_file(&self.file(name), bytes)
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // What stays behind does no harm: the lock is not held, and empty files count as nothing.
        let _ = fs::remove_file(self.file(LOCK_FILE));
        if self.file(CONFIG_FILE).exists() {
            return;
        }
        // The run was refused before it began.
        for file in [METRICS_FILE, TIMING_FILE].map(|name| self.file(name)) {
            if fs::metadata(&file).is_ok_and(|data| data.len() == 0) {
                let _ = fs::remove_file(file);
            }
        }
        if self.is_new {
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// Replaces a file by one with `bytes`, completely or not at all.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.tmp"));
    let written = write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if let Some(folder) = path.parent() {
        sync_folder(folder);
    }
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        Failure::file("write", path, &error)
    })
}

/// Writes a file and waits until it is on the disk.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes renames in a folder last. Not every system can open a folder, and none needs to for the run to go on.
pub fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(path) {
        let _ = folder.sync_all();
    }
}
