//! Downloads one file into `NAME.part`, which a later call resumes, and renames it to `NAME` once its checksum is right.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use md5::{Digest, Md5};
use ureq::http::Response;
use ureq::{Agent, Body};

use super::sources::{RemoteFile, Source};
use crate::failure::Failure;
use crate::files::create_folder;
use crate::progress::DownloadProgress;
use crate::terminal::print_line;

/// Longest wait for a connection, for an answer, and between two chunks of the file.
const TIMEOUT: Duration = Duration::from_secs(30);
const CHUNK_BYTES: usize = 64 << 10;

/// How [`fetch`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The file was there before, with the right checksum.
    Before,
    /// The file was downloaded.
    Now,
}

/// Downloads `file` of `source` from `url` into `folder`, unless it is there already.
pub fn fetch(source: &Source, file: &RemoteFile, url: &str, folder: &Path) -> Result<Fetched, Failure> {
    create_folder(folder)?;
    let target = folder.join(file.name);
    if target.exists() {
        if md5_of(&target)? == file.md5 {
            return Ok(Fetched::Before);
        }
        print_line(format!("'{}' has another checksum: downloading it again, to replace it", target.display()));
    }
    let mut part = PartialFile::open(folder.join(format!("{}.part", file.name)))?;
    // A complete part stays behind when a call is killed just before its end.
    let is_whole = part.md5() == file.md5;
    let received = if is_whole { Ok(()) } else { receive(&mut part, file, url, &source.by_hand(file, url, folder)) };
    part.close(received, file, &target)?;
    Ok(Fetched::Now)
}

/// Downloads what the part lacks; `by_hand` is the remedy if the server fails.
fn receive(part: &mut PartialFile, file: &RemoteFile, url: &str, by_hand: &str) -> Result<(), Failure> {
    let ask = |from: u64| {
        request(url, from).map_err(|error| Failure::other(format!("cannot download {url} ({error}): {by_hand}")))
    };
    let mut response = ask(part.bytes)?;
    if response.status() == 416 {
        // The server's file does not go beyond the part, so the part is of another file.
        part.empty()?;
        response = ask(0)?;
    }
    let status = response.status();
    match status.as_u16() {
        206 if first_byte(&response) == Some(part.bytes) => {}
        // The server has no ranges: it sends everything.
        200 => part.empty()?,
        _ => {
            let problem = format!("{url}: the server answers '{status}'");
            return Err(Failure::other(format!("{problem}: check --url, or {by_hand}")));
        }
    }
    let oversized = |bytes: u64| {
        Failure::other(format!(
            "{url}: the server sends {bytes} bytes or more, but {} has {}: check --url",
            file.name, file.bytes
        ))
    };
    let total = response.body().content_length().map(|rest| part.bytes.saturating_add(rest));
    if let Some(total) = total.filter(|total| *total > file.bytes) {
        part.empty()?;
        return Err(oversized(total));
    }
    let mut progress = DownloadProgress::new(file.name, part.bytes, total.unwrap_or(file.bytes));
    let mut body = response.into_body().into_reader();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let n = body.read(&mut chunk).map_err(|error| {
            Failure::other(format!(
                "{url}: the connection broke after {} bytes ({error}): they are kept in '{}'; run the same command again to \
                 continue",
                part.bytes,
                part.path.display()
            ))
        })?;
        if n == 0 {
            return Ok(());
        }
        if part.bytes + n as u64 > file.bytes {
            part.empty()?;
            return Err(oversized(file.bytes + 1));
        }
        part.append(&chunk[..n])?;
        progress.advance(part.bytes);
    }
}

/// Asks for the bytes of `url` from `from` on.
fn request(url: &str, from: u64) -> Result<Response<Body>, ureq::Error> {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .user_agent(concat!("lastbit/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(TIMEOUT))
        .timeout_recv_response(Some(TIMEOUT))
        .timeout_per_read(Some(TIMEOUT))
        .build()
        .into();
    let request = agent.get(url);
    if from > 0 { request.header("range", format!("bytes={from}-")).call() } else { request.call() }
}

/// The N of `content-range: bytes N-M/L`.
fn first_byte(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get("content-range")?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

/// The downloaded beginning of a file.
struct PartialFile {
    path: PathBuf,
    /// Locked, so that two downloads do not write into each other.
    file: File,
    bytes: u64,
    hasher: Md5,
}

impl PartialFile {
    /// Opens the part that an earlier call left, or an empty one.
    fn open(path: PathBuf) -> Result<Self, Failure> {
        let failed = |error| Failure::file("write", &path, &error);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            // Some network file systems have no locks.
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {}
            Err(_) => {
                let path = path.display();
                return Err(Failure::other(format!("another lastbit is downloading '{path}': wait until it ends")));
            }
        }
        let mut hasher = Md5::new();
        let bytes = std::io::copy(&mut file, &mut hasher).map_err(failed)?;
        Ok(Self { path, file, bytes, hasher })
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        Failure::file("write", &self.path, error)
    }

    fn empty(&mut self) -> Result<(), Failure> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(|error| self.failed(&error))?;
        (self.bytes, self.hasher) = (0, Md5::new());
        Ok(())
    }

    fn append(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        self.file.write_all(chunk).map_err(|error| self.failed(&error))?;
        self.hasher.update(chunk);
        self.bytes += chunk.len() as u64;
        Ok(())
    }

    fn md5(&self) -> String {
        format!("{:x}", self.hasher.clone().finalize())
    }

    /// Renames a complete part, and removes one that is wrong or empty. A part that can be resumed stays.
    fn close(self, received: Result<(), Failure>, file: &RemoteFile, target: &Path) -> Result<(), Failure> {
        let found = self.md5();
        let is_whole = received.is_ok() && found == file.md5;
        let synced = if is_whole { self.file.sync_all() } else { Ok(()) };
        let Self { path, file: open, bytes, .. } = self;
        // Windows neither renames nor removes an open file.
        drop(open);
        if is_whole {
            return synced
                .and_then(|()| fs::rename(&path, target))
                .map_err(|error| Failure::file("write", target, &error));
        }
        if received.is_ok() || bytes == 0 {
            let _ = fs::remove_file(&path);
        }
        received?;
        Err(Failure::other(format!(
            "{}: the download has MD5 {found}, not {}, and was removed: try again, or check --url",
            file.name, file.md5
        )))
    }
}

/// MD5 of a file, in hexadecimal.
fn md5_of(path: &Path) -> Result<String, Failure> {
    let mut hasher = Md5::new();
    File::open(path)
        .and_then(|mut file| std::io::copy(&mut file, &mut hasher))
        .map_err(|error| Failure::file("read", path, &error))?;
    Ok(format!("{:x}", hasher.finalize()))
}
