//! Data sets: parses images from bytes and selects batches. The front end reads the bytes.

mod error;
mod foreign;
mod image_set;
mod parcel;
mod published;

pub mod augment;
pub mod checkerboard;
pub mod cifar10;
pub mod fashion_mnist;
pub mod gzip;
pub mod sampler;
pub mod synthetic;

pub use error::DataError;
pub use image_set::{Dataset, ImageSet, Normalization};
pub use parcel::{Arrived, Parcel};
pub use published::Origin;
pub use sampler::Sampler;
