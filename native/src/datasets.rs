//! Data sets on disk: where they are looked for, and their bytes.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use lastbit_core::data::cifar10::{self, FILE_BYTES, TEST_FILE, TRAIN_FILES};
use lastbit_core::data::{DataError, Dataset, checkerboard, synthetic};
use lastbit_core::nets::NetKind;
use lastbit_core::train::{DatasetKind, TrainConfig};
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// The folder in CIFAR-10's archive.
const CIFAR10_FOLDER: &str = "cifar-10-batches-bin";
/// CIFAR-10's archive, binary version.
const CIFAR10_ARCHIVE: &str = "cifar-10-binary.tar.gz";
/// Side of the one-layer network's image (DESIGN section 3).
const CHECKERBOARD_PIXELS: u32 = 256;
/// Synthetic images: one fixed set, whatever the seed of the run.
const SYNTHETIC: (u64, usize, usize) = (1, 2048, 512);

/// The data set of a run.
pub fn load(config: &TrainConfig, data_dir: Option<&Path>) -> Result<Dataset, Failure> {
    match (config.dataset, config.net) {
        (DatasetKind::Synthetic, NetKind::OneLayer) => Ok(checkerboard::dataset(CHECKERBOARD_PIXELS)),
        (DatasetKind::Synthetic, _) => {
            let (seed, train, test) = SYNTHETIC;
            Ok(synthetic::dataset(seed, train, test))
        }
        (DatasetKind::Cifar10, _) => cifar10(data_dir),
    }
}

/// SHA-256 over all pixels and labels, training set first, in hexadecimal.
pub fn sha256(dataset: &Dataset) -> String {
    let mut hasher = Sha256::new();
    for set in [&dataset.train, &dataset.test] {
        hasher.update(&set.pixels);
        hasher.update(&set.labels);
    }
    format!("{:x}", hasher.finalize())
}

/// Where CIFAR-10 is.
enum Place {
    Folder(PathBuf),
    Archive(PathBuf),
}

fn cifar10(data_dir: Option<&Path>) -> Result<Dataset, Failure> {
    let files = match find_cifar10(data_dir)? {
        Place::Folder(folder) => read_folder(&folder)?,
        Place::Archive(archive) => read_archive(&archive)?,
    };
    let Some((test, train)) = files.split_last() else {
        return Err(Failure::other("CIFAR-10 has no files"));
    };
    cifar10::dataset(train, test).map_err(Failure::other)
}

fn find_cifar10(data_dir: Option<&Path>) -> Result<Place, Failure> {
    let searched = match data_dir {
        Some(given) => vec![given.to_owned()],
        None => default_folders(),
    };
    for place in &searched {
        if place.is_file() {
            return Ok(Place::Archive(place.clone()));
        }
        let is_cifar10 = |folder: &PathBuf| folder.join(TEST_FILE).exists() || folder.join(TRAIN_FILES[0]).exists();
        if let Some(folder) = [place.clone(), place.join(CIFAR10_FOLDER)].into_iter().find(is_cifar10) {
            return Ok(Place::Folder(folder));
        }
        if place.join(CIFAR10_ARCHIVE).is_file() {
            return Ok(Place::Archive(place.join(CIFAR10_ARCHIVE)));
        }
    }
    let looked_in = searched.iter().map(|p| format!("'{}'", p.display())).collect::<Vec<_>>().join(" or ");
    let problem = match data_dir {
        Some(given) if !given.exists() => format!("--data-dir: {looked_in} does not exist"),
        Some(_) => format!("--data-dir: there is no CIFAR-10 in {looked_in}"),
        None => format!("there is no CIFAR-10 in {looked_in}"),
    };
    let remedy = format!(
        "download the binary version ({CIFAR10_ARCHIVE} from https://www.cs.toronto.edu/~kriz/cifar.html) and give it, \
         or the folder with {} to {} and {TEST_FILE}, to --data-dir; --dataset synthetic needs no files",
        TRAIN_FILES[0],
        TRAIN_FILES[TRAIN_FILES.len() - 1],
    );
    Err(Failure::other(format!("{problem}: {remedy}")))
}

/// `./data` and the user's data folder.
fn default_folders() -> Vec<PathBuf> {
    let user = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .or_else(|| Some(std::env::home_dir()?.join(".local").join("share")));
    std::iter::once(PathBuf::from("data")).chain(user.map(|folder| folder.join("lastbit"))).collect()
}

fn file_names() -> impl Iterator<Item = &'static str> {
    TRAIN_FILES.into_iter().chain([TEST_FILE])
}

/// The six files in order; each is named by its path, so that errors can name it.
fn read_folder(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    file_names()
        .map(|name| {
            let path = folder.join(name);
            let failed = |error| Failure::file("read", &path, &error);
            let mut file = File::open(&path).map_err(failed)?;
            check_length(&path.display().to_string(), file.metadata().map_err(failed)?.len())?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(failed)?;
            Ok((path.display().to_string(), bytes))
        })
        .collect()
}

/// A file that is far too long is refused before it is read.
fn check_length(file: &str, bytes: u64) -> Result<(), Failure> {
    if bytes > FILE_BYTES as u64 {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        return Err(Failure::other(DataError::Oversized { file: file.to_owned(), bytes }));
    }
    Ok(())
}

fn read_archive(archive: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let broken = |error: std::io::Error| {
        Failure::other(format!(
            "'{}' is not a whole tar.gz archive ({error}): download {CIFAR10_ARCHIVE} again",
            archive.display()
        ))
    };
    let file = File::open(archive).map_err(|error| Failure::file("read", archive, &error))?;
    let mut found = HashMap::new();
    for entry in tar::Archive::new(GzDecoder::new(file)).entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.into_owned();
        let Some(name) = file_names().find(|name| path.file_name().is_some_and(|last| last == *name)) else {
            continue;
        };
        let shown = format!("{}: {}", archive.display(), path.display());
        check_length(&shown, entry.size())?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(broken)?;
        found.insert(name, (shown, bytes));
    }
    file_names()
        .map(|name| {
            found.remove(name).ok_or_else(|| {
                let archive = archive.display();
                Failure::other(format!("'{archive}' has no {name} in it: give the binary version, {CIFAR10_ARCHIVE}"))
            })
        })
        .collect()
}
