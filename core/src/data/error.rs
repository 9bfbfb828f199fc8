//! Errors of data sets. Each message is one line that names the file, the problem and the remedy.

use thiserror::Error;

use super::cifar10_sizes::{FILE_BYTES, RECORD_BYTES, RECORDS};
use crate::ops::Shape;

/// A data set or file that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DataError {
    /// The file is empty.
    #[error("{file} is empty: download the data set again")]
    Empty {
        /// File name.
        file: String,
    },
    /// The file has another format.
    #[error("{file} is not {expected} but {found}: {remedy}")]
    WrongFormat {
        /// File name.
        file: String,
        /// The expected kind of file.
        expected: &'static str,
        /// The kind of file that its first bytes indicate.
        found: &'static str,
        /// The remedy.
        remedy: &'static str,
    },
    /// The length is not a whole number of records.
    #[error(
        "{file} has {bytes} bytes, which is {over} bytes over {whole} records of {RECORD_BYTES} bytes and {short} \
         bytes short of {next} (a complete file has {FILE_BYTES} bytes): it is cut off or damaged, download it again"
    )]
    Truncated {
        /// File name.
        file: String,
        /// Length of the file.
        bytes: usize,
        /// Number of whole records.
        whole: usize,
        /// Number of records with the incomplete one.
        next: usize,
        /// Bytes after the last whole record.
        over: usize,
        /// Bytes missing from the incomplete record.
        short: usize,
    },
    /// The file has more records than any file of CIFAR-10.
    #[error(
        "{file} has {bytes} bytes, more than the {FILE_BYTES} bytes ({RECORDS} records) of a CIFAR-10 file: give the \
         original files data_batch_1.bin to data_batch_5.bin and test_batch.bin"
    )]
    Oversized {
        /// File name.
        file: String,
        /// Length of the file.
        bytes: usize,
    },
    /// A label is not a class of the data set.
    #[error(
        "{file}: record {record} (counting from 0) has label {label}, but {data_set} has labels 0 to 9: the file is \
         damaged or belongs to another data set, download it again"
    )]
    Label {
        /// File name.
        file: String,
        /// Name of the data set, which has ten classes.
        data_set: &'static str,
        /// Index of the record in the file.
        record: usize,
        /// Label of the record.
        label: u8,
    },
    /// An IDX file ends within its header.
    #[error("{file} has {bytes} bytes, but an IDX header has {header}: it is cut off, download it again")]
    IdxHeader {
        /// File name.
        file: String,
        /// Length of the file.
        bytes: usize,
        /// Length of the header.
        header: usize,
    },
    /// An IDX file has another element type or number of dimensions.
    #[error(
        "{file} begins with {magic:#010x}, but {expected} begins with {wanted:#010x}: it is damaged or belongs to another \
         data set, download it again"
    )]
    IdxMagic {
        /// File name.
        file: String,
        /// First four bytes of the file, big-endian.
        magic: u32,
        /// The expected first four bytes.
        wanted: u32,
        /// The kind of file with these first bytes.
        expected: &'static str,
    },
    /// The images have another size.
    #[error("{file} has images of {rows} x {columns} pixels, but Fashion-MNIST has 28 x 28: give its original files")]
    IdxSize {
        /// File name.
        file: String,
        /// Height of an image.
        rows: u32,
        /// Width of an image.
        columns: u32,
    },
    /// The header promises more items than the original file has.
    #[error("{file} claims {items} items, but this file of Fashion-MNIST has {most}: give its original files")]
    IdxCount {
        /// File name.
        file: String,
        /// Items that the header promises.
        items: u32,
        /// Items of the original file.
        most: u32,
    },
    /// An IDX file is shorter or longer than its header promises.
    #[error(
        "{file} has {bytes} bytes, but its header promises {items} items, which take {needed}: it is cut off or damaged, \
         download it again"
    )]
    IdxLength {
        /// File name.
        file: String,
        /// Length of the file.
        bytes: usize,
        /// Items that the header promises.
        items: u32,
        /// Length that follows from the header.
        needed: usize,
    },
    /// The numbers of images and labels differ.
    #[error(
        "{images_file} has {images} images, but {labels_file} has {labels} labels: they do not belong together, download \
         both again"
    )]
    Unpaired {
        /// Name of the file of images.
        images_file: String,
        /// Number of images.
        images: usize,
        /// Name of the file of labels.
        labels_file: String,
        /// Number of labels.
        labels: usize,
    },
    /// A compressed file or archive cannot be unpacked.
    #[error("{file} cannot be unpacked ({reason}): it is cut off or damaged, download it again")]
    Packed {
        /// File name.
        file: String,
        /// The error message of the unpacker.
        reason: String,
    },
    /// The file does not belong to a known data set.
    #[error(
        "{file} does not belong to a known data set: give cifar-10-binary.tar.gz, the .bin files in it, or Fashion-MNIST's \
         files such as train-images-idx3-ubyte.gz"
    )]
    Unknown {
        /// File name.
        file: String,
    },
    /// A file of the data set is missing.
    #[error("{name} is incomplete: {missing} is missing, add it")]
    Missing {
        /// Name of the data set.
        name: String,
        /// Name of the missing file.
        missing: String,
    },
    /// All training files are missing.
    #[error("{name} has no training file: give at least one of {expected}")]
    NoTrainingFile {
        /// Name of the data set.
        name: String,
        /// Names of the training files.
        expected: String,
    },
    /// Training and test images differ in shape, or the parts of a data set contradict each other.
    #[error("{name}: {problem}: check how the data set was put together")]
    Inconsistent {
        /// Name of the data set.
        name: String,
        /// The contradiction.
        problem: String,
    },
}

/// Formats a shape as `C x H x W`.
pub(super) fn show(shape: Shape) -> String {
    format!("{} x {} x {}", shape.channels, shape.height, shape.width)
}
