//! Locks between processes: files that the processes lock with the system's means, so that a killed process holds none.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A lock that is held until it is dropped.
pub struct Lock {
    /// Locked until it is closed.
    _file: File,
    /// The file to remove at the end. A shared lock leaves its file, because others may hold it, too.
    to_remove: Option<PathBuf>,
}

/// Who else may hold the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nobody.
    Exclusive,
    /// Others that share it.
    Shared,
}

impl Lock {
    /// Locks the file at `path`, which is created if it is missing; `None` if others hold the lock.
    pub fn attempt(path: &Path, mode: Mode) -> io::Result<Option<Self>> {
        let attempt = |file: &File| match mode {
            Mode::Exclusive => file.try_lock(),
            Mode::Shared => file.try_lock_shared(),
        };
        Self::take(path, mode, |file| match attempt(file) {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        })
    }

    /// Locks the file at `path` for this process alone. Waits while others hold the lock.
    pub fn wait(path: &Path) -> io::Result<Self> {
        let waited = Self::take(path, Mode::Exclusive, |file| file.lock().map(|()| true))?;
        waited.ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    fn take(path: &Path, mode: Mode, lock: impl Fn(&File) -> io::Result<bool>) -> io::Result<Option<Self>> {
        loop {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
            match lock(&file) {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                // Some network file systems have no locks; work is still possible there.
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
                Err(error) => return Err(error),
            }
            // The process that held the lock before removes the file. A lock on a removed file keeps nobody out: try again.
            if is_at(&file, path) {
                let to_remove = (mode == Mode::Exclusive).then(|| path.to_owned());
                return Ok(Some(Self { _file: file, to_remove }));
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A file that stays behind does no harm: the lock is not held.
        if let Some(path) = self.to_remove.take() {
            let _ = fs::remove_file(path);
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("lastbit-lock-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    #[cfg(unix)]
    fn a_lock_on_a_removed_file_does_not_count() {
        let folder = scratch("gone");
        let path = folder.join("lock");
        let file = File::create(&path).unwrap();
        assert!(is_at(&file, &path));
        fs::remove_file(&path).unwrap();
        assert!(!is_at(&file, &path));
        let _other = File::create(&path).unwrap();
        assert!(!is_at(&file, &path));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn those_who_share_keep_out_those_who_do_not() {
        let folder = scratch("shared");
        let path = folder.join("lock");
        let is_free = |mode| Lock::attempt(&path, mode).unwrap().is_some();
        let [first, second] = [0; 2].map(|_| Lock::attempt(&path, Mode::Shared).unwrap().unwrap());
        assert!(!is_free(Mode::Exclusive) && is_free(Mode::Shared));
        drop(first);
        assert!(!is_free(Mode::Exclusive) && is_free(Mode::Shared), "the second is still there");
        drop(second);
        let alone = Lock::wait(&path).unwrap();
        assert!(!is_free(Mode::Exclusive) && !is_free(Mode::Shared));
        drop(alone);
        assert!(!path.exists(), "an exclusive lock leaves no file");
        assert!(is_free(Mode::Exclusive) && is_free(Mode::Shared));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn writers_that_come_and_go_are_never_two() {
        let folder = scratch("writers");
        let path = folder.join("lock");
        let (is_taken, claims) = (AtomicBool::new(false), AtomicU32::new(0));
        // Number of those who share the lock.
        let readers = AtomicI32::new(0);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (path, is_taken, claims, readers) = (&path, &is_taken, &claims, &readers);
                scope.spawn(move || {
                    while claims.load(Ordering::SeqCst) < 2000 {
                        let mode = if thread == 3 { Mode::Shared } else { Mode::Exclusive };
                        let lock = match thread {
                            0 => Some(Lock::wait(path).unwrap()),
                            _ => Lock::attempt(path, mode).unwrap(),
                        };
                        let Some(_lock) = lock else { continue };
                        if mode == Mode::Shared {
                            readers.fetch_add(1, Ordering::SeqCst);
                            assert!(!is_taken.load(Ordering::SeqCst), "a writer beside a reader");
                            std::thread::yield_now();
                            readers.fetch_sub(1, Ordering::SeqCst);
                            continue;
                        }
                        assert!(!is_taken.swap(true, Ordering::SeqCst), "two writers");
                        assert_eq!(readers.load(Ordering::SeqCst), 0, "a reader beside a writer");
                        std::thread::yield_now();
                        is_taken.store(false, Ordering::SeqCst);
                        claims.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        fs::remove_dir_all(folder).unwrap();
    }
}
