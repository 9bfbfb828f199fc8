//! Data sets: parses images from bytes and selects batches. The front end reads the bytes.

mod cifar10_sizes;
mod dataset_files;
mod error;
mod image_set;
mod published;
mod signatures;

pub mod augment;
pub mod checkerboard;
pub mod cifar10;
pub mod fashion_mnist;
pub mod gzip;
pub mod sampler;
pub mod synthetic;

pub use dataset_files::{AddedFile, DatasetFiles};
pub use error::DataError;
pub use image_set::{Dataset, ImageSet, Normalization, Outline};
pub use published::Origin;
pub use sampler::Sampler;
