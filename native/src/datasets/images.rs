//! A data set that was read, with its origin and its SHA-256.

use std::sync::{Arc, OnceLock};
use std::thread;

use lastbit_core::data::{Dataset, Origin};
use sha2::{Digest, Sha256};

use super::not_read::NotRead;

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
    pub fn origin_note(&self) -> String {
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
