//! The run folder: the lock on it, and files that are replaced completely or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::layout::{
    CHECKPOINTS_FOLDER, CONFIG_FILE, ENDS_FILE, INIT_FILE, LOCK_FILE, MANIFEST_FILE, METRICS_FILE, PARTS_FILE,
    REPORT_FILE, REPRODUCTION_FILE, SUMMARY_FILE, TENSORBOARD_FOLDER, TIMING_FILE,
};
use crate::failure::Failure;
use crate::files::{Unsynced, replace_file, replace_file_unsynced};
use crate::lock::{Lock, Mode};
use crate::run_config::{ConfigFile, RunConfig};

/// What is at the path of a run folder.
pub enum Contents {
    /// No part of a run: the folder is missing, or has only files of other programs and empty files of a run that never began.
    Nothing,
    /// A run with this config.
    Run(Box<RunConfig>),
    /// Not a run, but a file or folder of this name, which a run would overwrite or take for its own.
    Remains(String),
}

/// True for a file or folder that a run of `train` writes, or that shows that the folder belongs to a run in parts or a reproduction.
fn is_of_lastbit(name: &str, path: &Path) -> bool {
    const ALWAYS: [&str; 9] = [
        PARTS_FILE,
        REPRODUCTION_FILE,
        MANIFEST_FILE,
        INIT_FILE,
        SUMMARY_FILE,
        ENDS_FILE,
        REPORT_FILE,
        CHECKPOINTS_FOLDER,
        TENSORBOARD_FOLDER,
    ];
    match name {
        // A run that ended before its config was written leaves these files empty.
        METRICS_FILE | TIMING_FILE | LOCK_FILE => fs::metadata(path).is_ok_and(|data| data.len() > 0 || data.is_dir()),
        // The first part of a run in parts.
        "part-0" => path.join(CONFIG_FILE).exists(),
        name => ALWAYS.contains(&name),
    }
}

/// Says what is at `path`. Changes nothing.
pub fn inspect(path: &Path) -> Result<Contents, Failure> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contents::Nothing),
        Err(error) => return Err(Failure::given("use the run folder", path, &error)),
    };
    let mut remains: Option<String> = None;
    for entry in entries {
        let name = entry.map_err(|error| Failure::file("read", path, &error))?.file_name();
        if name == CONFIG_FILE {
            let file = path.join(CONFIG_FILE);
            // A config without keys would be the default run.
            if fs::metadata(&file).is_ok_and(|data| data.len() == 0) {
                let path = path.display();
                return Err(Failure::other(format!(
                    "'{path}' holds a run whose {CONFIG_FILE} is empty, so it is not known which run it is: put its config \
                     back, or give another folder"
                )));
            }
            let config =
                RunConfig::from_table(&ConfigFile::read_in_folder(&file)?.table, &format!("'{}'", file.display()))?;
            return Ok(Contents::Run(Box::new(config)));
        }
        if let Some(name) = name.to_str().filter(|name| is_of_lastbit(name, &path.join(name))) {
            // The order of a folder's entries is not fixed: keep the first name.
            remains = Some(remains.map_or_else(|| name.to_owned(), |first| first.min(name.to_owned())));
        }
    }
    Ok(remains.map_or(Contents::Nothing, Contents::Remains))
}

/// The config of the run in `folder`, for commands that only read it.
pub fn read_config(folder: &Path) -> Result<RunConfig, Failure> {
    match inspect(folder)? {
        Contents::Run(config) => Ok(*config),
        _ if is_in_parts(folder) => Err(Failure::usage(format!(
            "'{0}' holds a run in parts, each of which is a run: give one of them, as in '{0}/part-0'",
            folder.display()
        ))),
        Contents::Nothing | Contents::Remains(_) => Err(Failure::usage(format!(
            "'{}' holds no run (no {CONFIG_FILE}): give a folder that lastbit train wrote",
            folder.display()
        ))),
    }
}

/// Whether `folder` holds a run in parts.
pub fn is_in_parts(folder: &Path) -> bool {
    folder.join(PARTS_FILE).is_file()
}

/// A run folder that only this process writes to.
pub struct RunFolder {
    path: PathBuf,
    /// True if this process created the folder.
    is_new: bool,
    /// Held until this value is dropped.
    lock: Option<Lock>,
}

impl RunFolder {
    /// Creates the folder if it is missing, and locks it.
    pub fn claim(path: &Path) -> Result<Self, Failure> {
        let is_new = !path.exists();
        fs::create_dir_all(path).map_err(|error| Failure::given("create the run folder", path, &error))?;
        let lock = lock(path)?;
        Ok(Self { path: path.to_owned(), is_new, lock: Some(lock) })
    }

    /// Path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Path of the file `name` in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Replaces a file by one with `bytes`, completely or not at all, and waits until it is on the disk.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        replace_file(&self.file(name), bytes)
    }

    /// Replaces a file, but does not wait for the disk: until [`Unsynced::sync`] a power failure may leave it empty.
    pub fn write_unsynced(&self, name: &str, bytes: &[u8]) -> Result<Unsynced, Failure> {
        replace_file_unsynced(&self.file(name), bytes)
    }
}

/// Locks the folder at `path`.
fn lock(path: &Path) -> Result<Lock, Failure> {
    let file = path.join(LOCK_FILE);
    match Lock::attempt(&file, Mode::Exclusive) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => Err(Failure::other(format!(
            "another lastbit is writing to '{}': wait until it ends, or give another --out",
            path.display()
        ))),
        Err(error) => Err(Failure::file("write to the run folder", path, &error)),
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // Without a config, the run was refused before it began.
        let is_refused = !self.file(CONFIG_FILE).exists();
        for file in [METRICS_FILE, TIMING_FILE].map(|name| self.file(name)).into_iter().filter(|_| is_refused) {
            if fs::metadata(&file).is_ok_and(|data| data.len() == 0) {
                let _ = fs::remove_file(file);
            }
        }
        // Last, because others may write from here on.
        self.lock = None;
        if is_refused && self.is_new {
            let _ = fs::remove_dir(&self.path);
        }
    }
}
