//! CIFAR-10 on disk: a folder with six files, or the archive, which is read without unpacking it to the disk.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use lastbit_core::data::cifar10::{self, FILE_BYTES, RECORD_BYTES, TEST_FILE, TRAIN_FILES};
use lastbit_core::data::gzip::{Gunzip, is_gzip};
use lastbit_core::data::{DataError, Dataset, ImageSet};

use super::search_paths::search_paths;
use super::sources::CIFAR10;
use crate::failure::Failure;

/// The folder in the archive.
const FOLDER: &str = "cifar-10-batches-bin";
/// Name of the archive, binary version.
const ARCHIVE: &str = CIFAR10.files[0].name;
/// Name of the archive as Safari leaves it, which unpacks gzip by itself.
const BARE_ARCHIVE: &str = "cifar-10-binary.tar";
/// Names of the other versions, which are not read.
const OTHER_VERSIONS: [&str; 4] =
    ["cifar-10-batches-py", "cifar-10-python.tar.gz", "cifar-10-batches-mat", "cifar-10-matlab.tar.gz"];
/// Most bytes that the archive may unpack to. Its six files, two text files and the blocks between them take less.
const MOST_BYTES: u64 = 7 * FILE_BYTES as u64;
/// Bytes that are read at once: whole records, which stay in a processor's cache until they are copied.
const CHUNK_BYTES: usize = 64 * RECORD_BYTES;

/// Finds the folder or archive.
pub fn find(data_dir: Option<&Path>) -> Result<PathBuf, Failure> {
    let found = CIFAR10.search(data_dir, &[], |place| {
        if place.is_file() {
            return Some(place.to_owned());
        }
        let is_cifar10 = |folder: &PathBuf| folder.join(TEST_FILE).exists() || folder.join(TRAIN_FILES[0]).exists();
        let folder = [place.to_owned(), place.join(FOLDER)].into_iter().find(is_cifar10);
        folder.or_else(|| [ARCHIVE, BARE_ARCHIVE].map(|name| place.join(name)).into_iter().find(|path| path.is_file()))
    });
    match found {
        Ok(place) if place.is_file() => other_version(&place).map_or(Ok(place), Err),
        Ok(folder) => Ok(folder),
        Err(nothing) => Err(search_paths(data_dir).iter().find_map(|place| other_version(place)).unwrap_or(nothing)),
    }
}

/// The error for a place that holds, or is, the Python or the MATLAB version; `None` for any other place.
fn other_version(place: &Path) -> Option<Failure> {
    let below = OTHER_VERSIONS.into_iter().chain(["data_batch_1", "data_batch_1.mat"]).map(|name| place.join(name));
    let path = [place.to_owned()]
        .into_iter()
        .chain(below)
        .find(|path| path.exists() && path.to_str().and_then(cifar10::other_version).is_some())?;
    path.to_str().and_then(cifar10::other_version).map(Failure::usage)
}

/// Reads the data set in a folder or archive.
pub fn read(place: &Path) -> Result<Dataset, Failure> {
    if !place.is_file() {
        return read_folder(place);
    }
    let files = read_archive(place)?;
    let Some((test, train)) = files.split_last() else {
        return Err(Failure::other("CIFAR-10 has no files"));
    };
    cifar10::dataset(train, test).map_err(Failure::other)
}

fn file_names() -> impl Iterator<Item = &'static str> {
    TRAIN_FILES.into_iter().chain([TEST_FILE])
}

/// Reads the data set of the six files in a folder, through one small buffer.
fn read_folder(folder: &Path) -> Result<Dataset, Failure> {
    let mut buffer = Vec::new();
    let mut read = |names: &[&str]| -> Result<ImageSet, Failure> {
        let files = names.iter().map(|name| SizedFile::open(folder.join(name))).collect::<Result<Vec<_>, _>>()?;
        let mut set = cifar10::with_capacity(files.iter().map(|file| file.bytes).sum());
        for file in files {
            file.append_to(&mut set, &mut buffer)?;
        }
        Ok(set)
    };
    cifar10::of_sets(read(&TRAIN_FILES)?, read(&[TEST_FILE])?).map_err(Failure::other)
}

/// An open file whose length is within the limit.
struct SizedFile {
    path: PathBuf,
    file: File,
    bytes: usize,
}

impl SizedFile {
    fn open(path: PathBuf) -> Result<Self, Failure> {
        let failed = |error| Failure::file("read", &path, &error);
        let file = File::open(&path).map_err(failed)?;
        let bytes = check_length(&path.display().to_string(), file.metadata().map_err(failed)?.len())?;
        Ok(Self { path, file, bytes })
    }

    /// Adds the file's images to `set`.
    fn append_to(&self, set: &mut ImageSet, buffer: &mut Vec<u8>) -> Result<(), Failure> {
        let (mut file, name) = (&self.file, self.path.display().to_string());
        let failed = |error| Failure::file("read", &self.path, &error);
        if self.bytes == 0 {
            // The length is not known: a device or a pipe. One byte more than the limit shows that the file is too long.
            buffer.clear();
            file.take(FILE_BYTES as u64 + 1).read_to_end(buffer).map_err(failed)?;
            check_length(&name, buffer.len() as u64)?;
            return cifar10::append(set, &name, buffer).map_err(Failure::other);
        }
        for at in (0..self.bytes).step_by(CHUNK_BYTES) {
            buffer.resize(CHUNK_BYTES.min(self.bytes - at), 0);
            file.read_exact(buffer).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => failed(io::Error::other("it became shorter while it was read")),
                _ => failed(error),
            })?;
            if at == 0 {
                cifar10::check(&name, buffer, self.bytes).map_err(Failure::other)?;
            }
            cifar10::append_records(set, &name, at / RECORD_BYTES, buffer).map_err(Failure::other)?;
        }
        match file.read(&mut [0]).map_err(failed)? {
            0 => Ok(()),
            _ => Err(failed(io::Error::other("it grew while it was read"))),
        }
    }
}

/// Refuses a file that is too long before it is read.
fn check_length(file: &str, bytes: u64) -> Result<usize, Failure> {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    if bytes > FILE_BYTES {
        return Err(Failure::other(DataError::Oversized { file: file.to_owned(), bytes }));
    }
    Ok(bytes)
}

/// Reads the six files in the archive, in order. Nothing is written, so a member's path can do no harm. A link, or a path that
/// leads elsewhere, is still refused, because the original archive has none.
fn read_archive(archive: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let file = File::open(archive).map_err(|error| Failure::file("read", archive, &error))?;
    unpack(file, archive)
}

/// Like [`read_archive`], from a reader; `archive` names it in errors.
pub fn unpack(packed: impl Read, archive: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let refuse = |problem: String| {
        Failure::other(format!(
            "'{}' {problem}: download {ARCHIVE} again (lastbit data fetch cifar10)",
            archive.display()
        ))
    };
    let broken = |error: io::Error| refuse(format!("is not a whole tar.gz archive of CIFAR-10 ({error})"));
    let mut packed = BufReader::new(packed);
    let head = packed.fill_buf().map_err(broken)?;
    let is_bare = !is_gzip(head) && head.get(257..).is_some_and(|rest| rest.starts_with(b"ustar"));
    let inner: Box<dyn Read> = if is_bare { Box::new(packed) } else { Box::new(Gunzip::new(packed)) };
    let unpacked = Bounded { inner, left: MOST_BYTES };
    let (mut found, mut other_version) = (HashMap::new(), None);
    let mut members = tar::Archive::new(unpacked);
    for entry in members.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.into_owned();
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() {
            continue;
        }
        let is_inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !kind.is_file() || !is_inside {
            return Err(refuse(format!("holds '{}', a link or a path that leads out of it", path.display())));
        }
        let Some(name) = file_names().find(|name| path.file_name().is_some_and(|last| last == *name)) else {
            other_version = other_version.or_else(|| cifar10::other_version(&path.to_string_lossy()));
            continue;
        };
        let shown = format!("{}: {}", archive.display(), path.display());
        check_length(&shown, entry.size())?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(broken)?;
        if found.insert(name, (shown, bytes)).is_some() {
            return Err(refuse(format!("holds {name} twice")));
        }
    }
    // Read to the end, because gzip's checksum follows the last block.
    io::copy(&mut members.into_inner(), &mut io::sink()).map_err(broken)?;
    if let (true, Some(error)) = (found.is_empty(), other_version) {
        return Err(Failure::other(format!("'{}': {error}", archive.display())));
    }
    file_names()
        .map(|name| {
            found.remove(name).ok_or_else(|| {
                let archive = archive.display();
                Failure::other(format!("'{archive}' has no {name} in it: give the binary version, {ARCHIVE}"))
            })
        })
        .collect()
}

/// A reader that fails after `left` bytes: a small archive may unpack to any length.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(n as u64).ok_or_else(|| {
            io::Error::other(format!("it unpacks to more than the {MOST_BYTES} bytes that CIFAR-10 takes"))
        })?;
        Ok(n)
    }
}
