//! Data sets on disk and from the network: how they are found, read and downloaded.

mod cifar10;
mod contact_sheet;
mod fashion_mnist;
mod fetch;
mod folder;
mod images;
mod not_read;
mod search_paths;
mod sources;

use std::path::{Path, PathBuf};

use lastbit_core::data::{checkerboard, synthetic};
use lastbit_core::nets::NetKind;
use lastbit_core::ops::Shape;
use lastbit_core::train::{DatasetKind, TrainConfig};

pub use contact_sheet::contact_sheet;
pub use fetch::{Fetched, fetch};
pub use images::{Images, Loaded, sha256};
pub use search_paths::user_folder;
pub use sources::{CIFAR10, FASHION_MNIST, RemoteFile, Source};

use crate::failure::Failure;

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
