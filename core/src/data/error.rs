//! What can be wrong with data: one line each that names the file, the problem and the remedy.

use thiserror::Error;

use super::cifar10::{FILE_BYTES, RECORD_BYTES, RECORDS};
use crate::ops::Shape;

/// Data that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DataError {
    /// No bytes at all.
    #[error("{file} is empty: download the data set again")]
    Empty {
        /// File name.
        file: String,
    },
    /// Some other kind of file.
    #[error("{file} is not {expected} but {found}: {remedy}")]
    Foreign {
        /// File name.
        file: String,
        /// What it should be.
        expected: &'static str,
        /// What it looks like.
        found: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Not a whole number of records.
    #[error(
        "{file} has {bytes} bytes, which is {over} bytes over {whole} records of {RECORD_BYTES} bytes and {short} \
         bytes short of {next} (a complete file has {FILE_BYTES} bytes): it is cut off or damaged, download it again"
    )]
    Truncated {
        /// File name.
        file: String,
        /// Length of the file.
        bytes: usize,
        /// Whole records.
        whole: usize,
        /// Whole records and the broken one.
        next: usize,
        /// Bytes after the last whole record.
        over: usize,
        /// Bytes missing from the broken record.
        short: usize,
    },
    /// More records than any CIFAR-10 file has.
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
    /// A class that does not exist.
    #[error(
        "{file}: record {record} (counting from 0) has label {label}, but {data_set} has labels 0 to 9: the file is \
         damaged or of another data set, download it again"
    )]
    Label {
        /// File name.
        file: String,
        /// Name of the data set, of ten classes.
        data_set: &'static str,
        /// Index of the record in the file.
        record: usize,
        /// Its label.
        label: u8,
    },
    /// An IDX file that ends within its header.
    #[error("{file} has {bytes} bytes, but an IDX header has {header}: it is cut off, download it again")]
    IdxHeader {
        /// File name.
        file: String,
        /// Length of the file.
        bytes: usize,
        /// Length of the header.
        header: usize,
    },
    /// An IDX file of another type of elements or number of dimensions.
    #[error(
        "{file} begins with {magic:#010x}, not with {wanted:#010x} as {expected} does: it is damaged or of another data \
         set, download it again"
    )]
    IdxMagic {
        /// File name.
        file: String,
        /// First four bytes, the highest first.
        magic: u32,
        /// What they should be.
        wanted: u32,
        /// What begins so.
        expected: &'static str,
    },
    /// Images of another size.
    #[error("{file} has images of {rows} x {columns} pixels, but Fashion-MNIST has 28 x 28: give its original files")]
    IdxSize {
        /// File name.
        file: String,
        /// H
        rows: u32,
        /// W
        columns: u32,
    },
    /// More items than the original file has.
    #[error("{file} claims {items} items, but Fashion-MNIST has {most} there: give its original files")]
    IdxCount {
        /// File name.
        file: String,
        /// Items that the header promises.
        items: u32,
        /// Items of the original file.
        most: u32,
    },
    /// An IDX file that is shorter or longer than its header says.
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
    /// Images and labels of different numbers.
    #[error(
        "{images_file} has {images} images, but {labels_file} has {labels} labels: they do not belong together, download \
         both again"
    )]
    Unpaired {
        /// File of images.
        images_file: String,
        /// Its number of images.
        images: usize,
        /// File of labels.
        labels_file: String,
        /// Its number of labels.
        labels: usize,
    },
    /// A packed file that does not unpack.
    #[error("{file} does not unpack ({reason}): it is cut off or damaged, download it again")]
    Packed {
        /// File name.
        file: String,
        /// What the unpacker says.
        reason: String,
    },
    /// A file that belongs to no data set.
    #[error(
        "{file} is no file of a known data set: give cifar-10-binary.tar.gz, the .bin files in it, or Fashion-MNIST's files such \
         as train-images-idx3-ubyte.gz"
    )]
    Unknown {
        /// File name.
        file: String,
    },
    /// Files of a data set that are still to come.
    #[error("{name} is not complete: {missing} is missing, give it as well")]
    Missing {
        /// Data set.
        name: String,
        /// File names.
        missing: String,
    },
    /// No file to train on.
    #[error("{name}: there is no training file, give at least one of {expected}")]
    NoTrainingFile {
        /// Data set.
        name: String,
        /// File names.
        expected: String,
    },
    /// Training and test images differ in shape, or the parts of a data set contradict each other.
    #[error("{name}: {problem}: check how the data set was put together")]
    Inconsistent {
        /// Data set.
        name: String,
        /// What contradicts what.
        problem: String,
    },
}

/// A shape as a reader writes it.
pub(super) fn show(shape: Shape) -> String {
    format!("{} x {} x {}", shape.channels, shape.height, shape.width)
}
