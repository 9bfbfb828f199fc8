//! Fashion-MNIST on disk: four IDX files, each as it is downloaded (gzip) or unpacked.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread::{self, ScopedJoinHandle};

use lastbit_core::data::Dataset;
use lastbit_core::data::fashion_mnist::{self, FILES};
use lastbit_core::data::gzip::{Gunzip, is_gzip};
use lastbit_core::huge_pages;

use super::sources::FASHION_MNIST;
use crate::failure::Failure;

/// Folder of the files in Debian's package.
const DEBIAN: &str = "/usr/share/datasets/fashion-mnist";
/// Folders of the files that torchvision makes: below its `root`, and below the folder of the data set.
const TORCHVISION: [&str; 2] = ["FashionMNIST/raw", "raw"];

/// Finds the folder with the four files.
pub fn find(data_dir: Option<&Path>) -> Result<PathBuf, Failure> {
    FASHION_MNIST.search(data_dir, &[DEBIAN], |place| {
        let below = [FASHION_MNIST.subfolder].into_iter().chain(TORCHVISION).map(|folder| place.join(folder));
        // One file is enough here. Missing ones are reported when they are read.
        [place.to_owned()]
            .into_iter()
            .chain(below)
            .find(|folder| FILES.iter().any(|file| path_of(folder, file).is_some()))
    })
}

/// Reads the data set in a folder.
pub fn read(folder: &Path) -> Result<Dataset, Failure> {
    // All four files at the same time, or one after the other if no threads can start.
    let [a, b, c, d] = thread::scope(|scope| {
        let begin = |file| thread::Builder::new().spawn_scoped(scope, move || read_file(folder, file));
        let end = |(file, reading): (_, io::Result<ScopedJoinHandle<'_, _>>)| match reading {
            Ok(reading) => reading.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(_) => read_file(folder, file),
        };
        FILES.each_ref().map(|file| (file, begin(file))).map(end)
    });
    fashion_mnist::dataset(&[a?, b?, c?, d?]).map_err(Failure::other)
}

/// Path of the file as it is downloaded, or unpacked; then as Kaggle has it: with a dot before `idx`, or in a folder of the same
/// name.
fn path_of(folder: &Path, file: &fashion_mnist::File) -> Option<PathBuf> {
    let dotted = file.name.replacen("-idx", ".idx", 1);
    let names = [format!("{}.gz", file.name), file.name.to_owned(), format!("{dotted}.gz"), dotted];
    let nested = format!("{0}/{0}", file.name);
    names.into_iter().chain([nested]).map(|name| folder.join(name)).find(|path| path.is_file())
}

/// The path, for errors, and the unpacked bytes of a file.
fn read_file(folder: &Path, file: &fashion_mnist::File) -> Result<(String, Vec<u8>), Failure> {
    let path = path_of(folder, file).ok_or_else(|| {
        let (folder, name) = (folder.display(), file.name);
        Failure::other(format!(
            "'{folder}' has neither {name}.gz nor {name}: put it there, or fetch all four with `lastbit data fetch \
             fashion-mnist`"
        ))
    })?;
    let opened = File::open(&path).map_err(|error| Failure::file("read", &path, &error))?;
    Ok((path.display().to_string(), unpack(opened, &path, file)?))
}

/// Like [`read_file`], from a reader; `path` names it in errors.
pub fn unpack(packed: impl Read, path: &Path, file: &fashion_mnist::File) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::file("read", path, &error);
    let mut packed = BufReader::new(packed);
    let is_packed = is_gzip(packed.fill_buf().map_err(failed)?);
    // One byte more than the limit shows that the file is too long.
    let most = file.bytes();
    let mut bytes = huge_pages::with_capacity(most + 1);
    let limit = most as u64 + 1;
    if is_packed {
        Gunzip::new(packed).take(limit).read_to_end(&mut bytes).map_err(|error| {
            let path = path.display();
            Failure::other(format!("'{path}' is not a whole gzip file ({error}): download it again"))
        })?;
    } else {
        packed.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() > most {
        let (path, verb) = (path.display(), if is_packed { "unpacks to" } else { "has" });
        return Err(Failure::other(format!(
            "'{path}' {verb} more than the {most} bytes of Fashion-MNIST's {}: download it again",
            file.name
        )));
    }
    Ok(bytes)
}
