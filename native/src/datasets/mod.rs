//! Data sets on disk and from the network: how they are found, read and downloaded.

mod cifar10;
mod fashion_mnist;
mod fetch;
mod folder;
mod not_read;
mod sheet;
mod sources;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;

use lastbit_core::data::{Dataset, Origin, checkerboard, synthetic};
use lastbit_core::nets::NetKind;
use lastbit_core::ops::Shape;
use lastbit_core::train::{DatasetKind, TrainConfig};
use sha2::{Digest, Sha256};

pub use fetch::{Fetched, fetch};
pub use not_read::NotRead;
pub use sheet::contact_sheet;
pub use sources::{CIFAR10, FASHION_MNIST, RemoteFile, Source};

use crate::failure::Failure;

/// A data set, and the files beside it that are not read.
pub struct Loaded {
    /// The images.
    pub dataset: Dataset,
    /// Files that are not read.
    pub not_read: NotRead,
}

impl From<Dataset> for Loaded {
    fn from(dataset: Dataset) -> Self {
        Self { dataset, not_read: NotRead::default() }
    }
}

/// The data set of a run.
pub fn load(config: &TrainConfig, data_dir: Option<&Path>) -> Result<Loaded, Failure> {
    if (config.dataset, config.net) == (DatasetKind::Synthetic, NetKind::OneLayer) {
        return Ok(checkerboard::dataset(checkerboard::SIDE).into());
    }
    read(config.dataset, find(config.dataset, data_dir)?.as_deref())
}

/// Finds a data set: the folder with its files, or its archive; `None` for the synthetic one, which has no files.
pub fn find(kind: DatasetKind, data_dir: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    match kind {
        DatasetKind::Cifar10 => cifar10::find(data_dir).map(Some),
        DatasetKind::FashionMnist => fashion_mnist::find(data_dir).map(Some),
        DatasetKind::Folder => folder::find(data_dir).map(Some),
        DatasetKind::Synthetic => Ok(None),
    }
}

/// Reads the data set at a place that [`find`] returned.
pub fn read(kind: DatasetKind, place: Option<&Path>) -> Result<Loaded, Failure> {
    match (kind, place) {
        (DatasetKind::Cifar10, Some(place)) => cifar10::read(place).map(Loaded::from),
        (DatasetKind::FashionMnist, Some(place)) => fashion_mnist::read(place).map(Loaded::from),
        (DatasetKind::Folder, Some(place)) => folder::read(place),
        (DatasetKind::Synthetic, _) | (_, None) => {
            let (seed, train, test) = synthetic::SET;
            Ok(synthetic::dataset(seed, train, test).into())
        }
    }
}

/// The shapes and numbers of classes that a data set may have, without reading its images.
pub fn shapes(kind: DatasetKind, net: NetKind) -> Vec<(Shape, u32)> {
    match kind {
        DatasetKind::Synthetic if net == NetKind::OneLayer => {
            vec![(Shape::new(1, checkerboard::SIDE, checkerboard::SIDE), 2)]
        }
        DatasetKind::Cifar10 | DatasetKind::Synthetic => vec![(Shape::new(3, 32, 32), 10)],
        DatasetKind::FashionMnist => vec![(Shape::new(1, 32, 32), 10)],
        // The weights of a network that averages over pixels do not depend on their number.
        DatasetKind::Folder => {
            let classes = 2..=256;
            classes.flat_map(|n| [1, 3].map(|channels| (Shape::new(channels, 32, 32), n))).collect()
        }
    }
}

/// Reads an archive of CIFAR-10 from bytes, for [`crate::fuzzing`].
pub fn unpack_archive(bytes: &[u8]) {
    let _ = cifar10::unpack(bytes, Path::new("archive"));
}

/// Unpacks a file of Fashion-MNIST from bytes, for [`crate::fuzzing`].
pub fn unpack_idx(bytes: &[u8]) {
    let _ = fashion_mnist::unpack(bytes, Path::new("file"), &lastbit_core::data::fashion_mnist::FILES[3]);
}

/// Decodes an image of a folder from bytes, for [`crate::fuzzing`].
pub fn decode_image(bytes: &[u8]) {
    folder::decode_alone(bytes);
}

/// A data set, its origin and its SHA-256, which a separate thread computes. Clones share everything.
#[derive(Clone)]
pub struct Images {
    /// The images.
    pub dataset: Arc<Dataset>,
    /// Files beside the images that are not read.
    pub not_read: Arc<NotRead>,
    origin: Arc<OnceLock<Option<Origin>>>,
    sha256: Arc<OnceLock<String>>,
}

impl Images {
    /// Starts to compute origin and SHA-256.
    pub fn new(Loaded { dataset, not_read }: Loaded) -> Self {
        let images = Self {
            dataset: Arc::new(dataset),
            not_read: Arc::new(not_read),
            origin: Arc::default(),
            sha256: Arc::default(),
        };
        let hashed = images.clone();
        // If the thread cannot start, they are computed when they are first needed.
        let _ = thread::Builder::new().spawn(move || hashed.wait());
        images
    }

    /// Waits until origin and SHA-256 are known. Until then, a measurement does not have all cores.
    pub fn wait(&self) {
        self.origin();
        self.sha256();
    }

    /// Whether these are the published images. Waits until that is known, which is before the SHA-256 is.
    pub fn origin(&self) -> Option<Origin> {
        *self.origin.get_or_init(|| Origin::of(&self.dataset))
    }

    /// ` (not the published CIFAR-10)`, for use after the name of a data set whose images are not the published ones; else empty.
    pub fn reservation(&self) -> String {
        let other = self.origin().filter(|origin| !origin.is_published());
        other.map(|origin| format!(" ({origin})")).unwrap_or_default()
    }

    /// SHA-256 over all pixels and labels, training set first, in hexadecimal. Waits until it is known.
    pub fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| sha256(&self.dataset))
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

/// The folder into which `lastbit data fetch` downloads files, and in which they are looked for; `None` without a home folder.
pub fn user_folder() -> Option<PathBuf> {
    let data = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .or_else(|| Some(std::env::home_dir()?.join(".local").join("share")));
    data.map(|folder| folder.join("lastbit"))
}

/// The folders in which files are looked for: `data_dir`, else `./data` and the user's data folder.
fn places(data_dir: Option<&Path>) -> Vec<PathBuf> {
    match data_dir {
        Some(given) => vec![given.to_owned()],
        None => [Some(PathBuf::from("data")), user_folder()].into_iter().flatten().collect(),
    }
}

/// Looks for `source` in `data_dir`, else in `./data`, the user's data folder and `packaged`, the folders of system packages.
/// `accept` returns the folder or archive if a place holds the data set.
fn search(
    source: &Source,
    data_dir: Option<&Path>,
    packaged: &[&str],
    accept: impl Fn(&Path) -> Option<PathBuf>,
) -> Result<PathBuf, Failure> {
    let mut searched = places(data_dir);
    if data_dir.is_none() {
        searched.extend(packaged.iter().map(PathBuf::from));
    }
    if let Some(found) = searched.iter().find_map(|place| accept(place)) {
        return Ok(found);
    }
    let title = source.title;
    let looked_in = searched.iter().map(|place| format!("'{}'", place.display())).collect::<Vec<_>>().join(" or ");
    let problem = match data_dir {
        Some(given) if !given.exists() => format!("--data-dir: {looked_in} does not exist"),
        Some(_) => format!("--data-dir: there is no {title} in {looked_in}"),
        None => format!("there is no {title} in {looked_in}"),
    };
    let message = format!("{problem}: {}; a run with --dataset synthetic needs no files", source.remedy());
    Err(if data_dir.is_some() { Failure::usage(message) } else { Failure::other(message) })
}
