//! `metrics.jsonl` and `timing.jsonl`: written line by line as events come, and cut back to a checkpoint when a run resumes.
//! The metrics are hashed as they grow, so that a checkpoint can record what came before it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use lastbit_core::train::Reported;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::checkpoint_manifest::Digest;
use super::folder::RunFolder;
use super::layout::{METRICS_FILE, MOST_LINE_BYTES, TIMING_FILE};
use crate::failure::Failure;

/// A file of lines.
struct LineFile {
    path: PathBuf,
    file: File,
    /// Length of the lines that are kept or were appended.
    bytes: u64,
    hasher: Sha256,
}

impl LineFile {
    fn open(path: PathBuf) -> Result<Self, Failure> {
        match OpenOptions::new().read(true).append(true).create(true).open(&path) {
            Ok(file) => Ok(Self { path, file, bytes: 0, hasher: Sha256::new() }),
            Err(error) => Err(Failure::file("write", &path, &error)),
        }
    }

    fn failed(&self, error: &io::Error) -> Failure {
        Failure::file("write", &self.path, error)
    }

    fn append(&mut self, line: &str) -> Result<(), Failure> {
        // One write, so that a reader never sees half a line for long.
        let line = format!("{line}\n");
        self.file.write_all(line.as_bytes()).map_err(|error| self.failed(&error))?;
        self.bytes += line.len() as u64;
        self.hasher.update(line);
        Ok(())
    }

    /// SHA-256 of the first `bytes` bytes, or of the whole file if it is shorter.
    fn hash(&mut self, bytes: u64) -> io::Result<Sha256> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut hasher = Sha256::new();
        io::copy(&mut (&self.file).take(bytes), &mut hasher)?;
        Ok(hasher)
    }

    /// Keeps the leading lines: up to the first one that `keep` refuses, that is not a whole line of JSON or that begins after `most`
    /// bytes. The rest counts as removed; [`LineFile::truncate`] removes it from the file.
    fn keep(&mut self, most: u64, mut keep: impl FnMut(&Value) -> bool) -> Result<(), Failure> {
        let kept = self.read_while(most, &mut keep).map_err(|error| self.failed(&error))?;
        self.hasher = self.hash(kept).map_err(|error| self.failed(&error))?;
        self.bytes = kept;
        Ok(())
    }

    /// Removes the lines that are not kept from the file.
    fn truncate(&mut self) -> Result<(), Failure> {
        let length = self.file.metadata().map_err(|error| self.failed(&error))?.len();
        if self.bytes < length {
            self.file.set_len(self.bytes).map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    /// Length in bytes of the leading lines that begin within the first `most` bytes, are whole and pass `keep`.
    fn read_while(&mut self, most: u64, keep: &mut impl FnMut(&Value) -> bool) -> io::Result<u64> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut unread = self.file.metadata()?.len().min(most);
        let mut reader = BufReader::new(&self.file);
        let (mut kept, mut line) = (0, String::new());
        while unread > 0 {
            line.clear();
            let bytes = match reader.by_ref().take(MOST_LINE_BYTES).read_line(&mut line) {
                Ok(bytes) if line.ends_with('\n') => bytes as u64,
                // The end of the file, an unfinished line, or bytes that are not text.
                _ => break,
            };
            match serde_json::from_str::<Value>(&line) {
                Ok(value) if keep(&value) => kept += bytes,
                _ => break,
            }
            unread = unread.saturating_sub(bytes);
        }
        Ok(kept)
    }
}

/// The metrics and timing of a run.
pub struct Journal {
    metrics: LineFile,
    timing: LineFile,
}

impl Journal {
    /// Opens both files, and creates those that are missing.
    pub fn open(folder: &RunFolder) -> Result<Self, Failure> {
        Ok(Self {
            metrics: LineFile::open(folder.file(METRICS_FILE))?,
            timing: LineFile::open(folder.file(TIMING_FILE))?,
        })
    }

    /// Checks that the metrics begin with the lines that a checkpoint recorded. The error says what is wrong.
    pub fn check(&mut self, seen: &Digest) -> Result<(), String> {
        let problem = |error: io::Error| format!("metrics.jsonl cannot be read ({error})");
        let length = self.metrics.file.metadata().map_err(problem)?.len();
        if length < seen.bytes {
            return Err(format!("it is ahead of metrics.jsonl, which has {length} of {} bytes", seen.bytes));
        }
        let found = format!("{:x}", self.metrics.hash(seen.bytes).map_err(problem)?.finalize());
        if found != seen.sha256 {
            return Err(
                "the lines of metrics.jsonl before it are not those that were written (wrong SHA-256)".to_owned()
            );
        }
        Ok(())
    }

    /// Length and SHA-256 of the metrics so far.
    pub fn digest(&self) -> Digest {
        Digest { bytes: self.metrics.bytes, sha256: format!("{:x}", self.metrics.hasher.clone().finalize()) }
    }

    /// A handle that syncs both files from another thread.
    pub fn syncer(&self) -> Result<Syncer, Failure> {
        let clone = |lines: &LineFile| match lines.file.try_clone() {
            Ok(file) => Ok((lines.path.clone(), file)),
            Err(error) => Err(lines.failed(&error)),
        };
        Ok(Syncer { files: [clone(&self.metrics)?, clone(&self.timing)?] })
    }

    /// Cuts both files back to step `step`, and the metrics to at most `known` bytes. Lines that follow that step stay as
    /// `reported` says. Calls `kept` with each line that stays in the metrics, and then, before it removes the rest, `before` with the
    /// digest of what stays.
    pub fn cut(
        &mut self,
        (step, known): (u64, u64),
        reported: Reported,
        mut kept: impl FnMut(&Value),
        before: impl FnOnce(Digest) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.metrics.keep(known, |line| {
            let at = line["step"].as_u64().unwrap_or(u64::MAX);
            // A run that begins again measures the initial weights again.
            let stays_here = step > 0 && reported.has(line["kind"].as_str().unwrap_or_default());
            let stays = at < step || (at == step && stays_here);
            if stays {
                kept(line);
            }
            stays
        })?;
        self.timing.keep(u64::MAX, |line| line["step"].as_u64().is_some_and(|at| at <= step))?;
        before(self.digest())?;
        self.metrics.truncate()?;
        self.timing.truncate()
    }

    /// Appends a line to the metrics.
    pub fn metrics(&mut self, line: &str) -> Result<(), Failure> {
        self.metrics.append(line)
    }

    /// Appends the seconds of a step.
    pub fn timing(&mut self, step: u64, seconds: f64) -> Result<(), Failure> {
        let seconds = (seconds * 1e6).round() / 1e6;
        self.timing.append(&json!({ "step": step, "seconds": seconds }).to_string())
    }
}

/// Handles of both files, to sync them.
pub struct Syncer {
    files: [(PathBuf, File); 2],
}

impl Syncer {
    /// Waits until all lines are on the disk.
    pub fn sync(&self) -> Result<(), Failure> {
        for (path, file) in &self.files {
            match file.sync_data() {
                // Not a file on a disk: a pipe, for example.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
                other => other.map_err(|error| Failure::file("write", path, &error))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(name: &str, metrics: &str) -> (PathBuf, RunFolder, Journal) {
        let path = std::env::temp_dir().join(format!("lastbit-journal-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let folder = RunFolder::claim(&path).unwrap();
        std::fs::write(folder.file(METRICS_FILE), metrics).unwrap();
        let journal = Journal::open(&folder).unwrap();
        (path, folder, journal)
    }

    const LINES: &str = "{\"kind\":\"step\",\"step\":1}\n{\"kind\":\"layers\",\"step\":1}\n{\"kind\":\"step\",\"step\":2}\n\
                         {\"kind\":\"epoch\",\"step\":2}\n{\"kind\":\"curvature\",\"step\":2}\n{\"kind\":\"step\",\"step\":3}\n{\"kind\":\"st";

    #[test]
    fn what_follows_the_last_step_stays_if_it_is_done() {
        let none = Reported::default();
        let evaluated = Reported { evaluation: true, ..none };
        let all = Reported { measurements: true, ..evaluated };
        for (step, reported, lines) in
            [(2, all, 5), (2, evaluated, 4), (2, none, 3), (1, none, 2), (0, none, 0), (9, none, 6)]
        {
            let (path, _folder, mut journal) = journal("cut", LINES);
            let before = Digest::of(&LINES.as_bytes()[..40]);
            assert_eq!(journal.check(&before), Ok(()));
            let mut seen = 0;
            journal.cut((step, u64::MAX), reported, |_| seen += 1, |_| Ok(())).unwrap();
            journal.metrics("{}").unwrap();
            let text = std::fs::read_to_string(path.join(METRICS_FILE)).unwrap();
            let expected: Vec<&str> = LINES.lines().take(lines).chain(["{}"]).collect();
            assert_eq!(text.lines().collect::<Vec<_>>(), expected, "step {step}");
            assert_eq!(seen, lines);
            assert_eq!(journal.digest(), Digest::of(text.as_bytes()));
            assert_eq!(journal.check(&before).is_ok(), lines > 1);
            std::fs::remove_dir_all(path).unwrap();
        }
    }

    #[test]
    fn lines_that_no_checkpoint_saw_do_not_stay() {
        let (path, _folder, mut journal) = journal("known", LINES);
        let known = LINES.find("{\"kind\":\"epoch\"").unwrap();
        journal.cut((2, known as u64), Reported { evaluation: true, measurements: true }, |_| {}, |_| Ok(())).unwrap();
        assert_eq!(std::fs::read_to_string(path.join(METRICS_FILE)).unwrap(), LINES[..known]);
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_folder_has_one_writer() {
        let (path, folder, _) = journal("lock", "");
        assert!(RunFolder::claim(&path).is_err());
        drop(folder);
        assert!(RunFolder::claim(&path).is_ok());
        assert!(!path.exists(), "a folder without a run stays behind");
    }
}
