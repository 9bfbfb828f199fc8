//! Archives: `.tar.lz` files for the packed folder, and a tar file in parts for a run, which some places move only in small files.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lzma_rust2::{LzipOptions, LzipReader, LzipWriter};

/// Size of a part in bytes.
pub const PART_BYTES: u64 = 15_000_000;

/// How far back the compression sees: over all programs, which are linked with the same libraries.
const WINDOW_BYTES: u32 = 1 << 26;
/// LZMA's usual effort.
const PRESET: u32 = 6;

/// Writes files and folders, each under its name in the archive, to a `.tar.lz` file.
pub fn pack(archive: &Path, contents: &[(PathBuf, String)]) -> Result<()> {
    let file = File::create(archive).with_context(|| format!("cannot create {}", archive.display()))?;
    let mut options = LzipOptions::with_preset(PRESET);
    options.lzma_options.dict_size = WINDOW_BYTES;
    let mut tar = tar::Builder::new(LzipWriter::new(BufWriter::new(file), options));
    append(&mut tar, contents)?;
    let wrote = tar.into_inner().and_then(LzipWriter::finish).and_then(|mut file| file.flush());
    wrote.with_context(|| format!("cannot write {}", archive.display()))
}

/// Unpacks a `.tar.lz` file into a folder.
pub fn unpack(archive: &Path, folder: &Path) -> Result<()> {
    let file = File::open(archive).with_context(|| format!("cannot read {}", archive.display()))?;
    let unpacked = tar::Archive::new(LzipReader::new(BufReader::new(file))).unpack(folder);
    unpacked.with_context(|| format!("cannot unpack {} into {}", archive.display(), folder.display()))
}

/// Writes a folder as a tar file in parts: `NAME.tar.00`, `NAME.tar.01`, ... in `target`, for a folder called NAME. Removes the
/// parts that are there.
pub fn pack_parts(folder: &Path, target: &Path, part_bytes: u64) -> Result<()> {
    let name = folder.file_name().and_then(|name| name.to_str()).context("the folder has no name")?;
    for old in parts(target, name) {
        fs::remove_file(&old).with_context(|| format!("cannot remove {}", old.display()))?;
    }
    let parts = Parts { stem: target.join(format!("{name}.tar.")), part_bytes, current: None, written: 0, count: 0 };
    let mut tar = tar::Builder::new(parts);
    append(&mut tar, &[(folder.to_owned(), name.to_owned())])?;
    let finished = tar.into_inner().and_then(|mut parts| parts.flush());
    finished.with_context(|| format!("cannot write the parts of {}", folder.display()))
}

/// Unpacks the parts of a folder called `name` that lie in `source` into `target`. Returns false if there are none.
pub fn unpack_parts(source: &Path, name: &str, target: &Path) -> Result<bool> {
    let parts = parts(source, name);
    if parts.is_empty() {
        return Ok(false);
    }
    let mut whole: Box<dyn Read> = Box::new(io::empty());
    for part in &parts {
        let file = File::open(part).with_context(|| format!("cannot read {}", part.display()))?;
        whole = Box::new(whole.chain(BufReader::new(file)));
    }
    let unpacked = tar::Archive::new(whole).unpack(target);
    unpacked.with_context(|| format!("cannot unpack {} and the parts after it", parts[0].display()))?;
    Ok(true)
}

/// The parts of a folder called `name`, in order.
fn parts(folder: &Path, name: &str) -> Vec<PathBuf> {
    let named = |part: u32| folder.join(format!("{name}.tar.{part:02}"));
    (0..).map(named).take_while(|part| part.is_file()).collect()
}

fn append(tar: &mut tar::Builder<impl Write>, contents: &[(PathBuf, String)]) -> Result<()> {
    for (path, name) in contents {
        let added = if path.is_dir() { tar.append_dir_all(name, path) } else { tar.append_path_with_name(path, name) };
        added.with_context(|| format!("cannot pack {}", path.display()))?;
    }
    Ok(())
}

/// Writes one stream into files of at most `part_bytes`.
struct Parts {
    stem: PathBuf,
    part_bytes: u64,
    current: Option<File>,
    written: u64,
    count: u32,
}

impl Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = match &mut self.current {
            Some(file) if self.written < self.part_bytes => file,
            current => {
                let mut path = self.stem.clone().into_os_string();
                path.push(format!("{:02}", self.count));
                (self.written, self.count) = (0, self.count + 1);
                current.insert(File::create(path)?)
            }
        };
        let left = usize::try_from(self.part_bytes - self.written).unwrap_or(usize::MAX);
        let wrote = file.write(&bytes[..bytes.len().min(left)])?;
        self.written += wrote as u64;
        Ok(wrote)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.current.as_mut().map_or(Ok(()), File::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::*;

    #[test]
    fn folders_come_back_from_archives_and_from_parts() {
        let scratch = Scratch::new("archive");
        let run = scratch.path().join("train");
        fs::create_dir_all(run.join("checkpoint")).unwrap();
        let weights: Vec<u8> = (0..20_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        fs::write(run.join("checkpoint/weights"), &weights).unwrap();
        fs::write(run.join("config.toml"), "net = 1").unwrap();

        let archive = scratch.path().join("a.tar.lz");
        pack(&archive, &[(run.clone(), "train".to_owned()), (run.join("config.toml"), "tests/b".to_owned())]).unwrap();
        unpack(&archive, &scratch.path().join("from-archive")).unwrap();
        assert_eq!(fs::read(scratch.path().join("from-archive/train/checkpoint/weights")).unwrap(), weights);
        assert_eq!(fs::read_to_string(scratch.path().join("from-archive/tests/b")).unwrap(), "net = 1");

        let results = scratch.path().join("results");
        fs::create_dir(&results).unwrap();
        assert!(!unpack_parts(&results, "train", scratch.path()).unwrap());
        // The second time there are fewer parts, and none of the first may stay.
        for part_bytes in [1000, 10_000] {
            pack_parts(&run, &results, part_bytes).unwrap();
            let sizes: Vec<u64> = parts(&results, "train").iter().map(|part| part.metadata().unwrap().len()).collect();
            assert_eq!(sizes.len(), fs::read_dir(&results).unwrap().count());
            let (last, whole) = sizes.split_last().unwrap();
            assert!(*last <= part_bytes && whole.iter().all(|bytes| *bytes == part_bytes), "{sizes:?}");
            let target = scratch.path().join(format!("from-parts-{part_bytes}"));
            assert!(unpack_parts(&results, "train", &target).unwrap());
            assert_eq!(fs::read(target.join("train/checkpoint/weights")).unwrap(), weights);
        }
    }
}
