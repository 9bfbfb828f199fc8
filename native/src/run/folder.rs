//! The run folder: the lock on it, and files that are replaced completely or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::layout::{
    CHECKPOINTS_FOLDER, CONFIG_FILE, ENDS_FILE, INIT_FILE, LOCK_FILE, MANIFEST_FILE, METRICS_FILE, PARTS_FILE,
    REPORT_FILE, REPRODUCTION_FILE, SUMMARY_FILE, TENSORBOARD_FOLDER, TIMING_FILE,
};
use crate::failure::Failure;
use crate::files::{Unsynced, replace_file, replace_file_unsynced};
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
    /// Locked until this value is dropped.
    _lock: File,
}

impl RunFolder {
    /// Creates the folder if it is missing, and locks it.
    pub fn claim(path: &Path) -> Result<Self, Failure> {
        let is_new = !path.exists();
        fs::create_dir_all(path).map_err(|error| Failure::given("create the run folder", path, &error))?;
        let lock = lock(path)?;
        Ok(Self { path: path.to_owned(), is_new, _lock: lock })
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
fn lock(path: &Path) -> Result<File, Failure> {
    let file = path.join(LOCK_FILE);
    loop {
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(&file);
        let lock = lock.map_err(|error| Failure::file("write to the run folder", path, &error))?;
        match fs4::fs_std::FileExt::try_lock_exclusive(&lock) {
            Ok(true) => {}
            Ok(false) => {
                let path = path.display();
                return Err(Failure::other(format!(
                    "another lastbit is writing to '{path}': wait until it ends, or give another --out"
                )));
            }
            // Some network file systems have no locks; a run is still possible there.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(error) => return Err(Failure::file("lock", &file, &error)),
        }
        // The process that held the lock before removes the file. A lock on a removed file keeps nobody out: try again.
        if is_at(&lock, &file) {
            return Ok(lock);
        }
    }
}

/// Whether the open file is still the one at `path`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        (_, Err(error)) => error.kind() != io::ErrorKind::NotFound,
        (Err(_), _) => true,
    }
}

/// Always true: on other systems, an open file cannot be replaced.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
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
        // Last, because others may write from here on. A file that stays behind does no harm: the lock is not held, and empty
        // files count as nothing.
        let _ = fs::remove_file(self.file(LOCK_FILE));
        if is_refused && self.is_new {
            let _ = fs::remove_dir(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("lastbit-folder-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    #[cfg(unix)]
    fn a_lock_on_a_removed_file_does_not_count() {
        let folder = scratch("gone");
        let path = folder.join(LOCK_FILE);
        let file = File::create(&path).unwrap();
        assert!(is_at(&file, &path));
        fs::remove_file(&path).unwrap();
        assert!(!is_at(&file, &path));
        let _other = File::create(&path).unwrap();
        assert!(!is_at(&file, &path));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn writers_that_come_and_go_are_never_two() {
        let folder = scratch("writers");
        let (is_taken, claims) = (AtomicBool::new(false), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while claims.load(Ordering::SeqCst) < 2000 {
                        let Ok(claimed) = RunFolder::claim(&folder) else { continue };
                        assert!(!is_taken.swap(true, Ordering::SeqCst), "two writers");
                        std::thread::yield_now();
                        is_taken.store(false, Ordering::SeqCst);
                        claims.fetch_add(1, Ordering::SeqCst);
                        drop(claimed);
                    }
                });
            }
        });
        fs::remove_dir_all(folder).unwrap();
    }
}
