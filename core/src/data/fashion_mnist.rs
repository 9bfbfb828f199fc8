//! Fashion-MNIST (Xiao, Rasul, Vollgraf 2017) from IDX files. A file has a header of big-endian words (magic, number of items;
//! for images also rows and columns) and one byte for each pixel or label.

use super::signatures::{FAILED_DOWNLOAD, FileKind, UNFETCHED, identify};
use super::{DataError, Dataset, ImageSet, Normalization};
use crate::huge_pages;
use crate::ops::Shape;

/// A file of the data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Name of the unpacked file; downloads have `.gz` appended.
    pub name: &'static str,
    /// Number of items in the complete file.
    pub items: u32,
    /// Bytes of an item: the pixels of an image, or 1 for a label.
    item_bytes: usize,
    header_bytes: usize,
    magic: u32,
    expected: &'static str,
}

impl File {
    const fn images(name: &'static str, items: u32) -> Self {
        let item_bytes = (SIDE * SIDE) as usize;
        Self { name, items, item_bytes, header_bytes: 16, magic: 0x0803, expected: "an IDX file of images" }
    }

    const fn labels(name: &'static str, items: u32) -> Self {
        Self { name, items, item_bytes: 1, header_bytes: 8, magic: 0x0801, expected: "an IDX file of labels" }
    }

    /// Length of the complete file in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.header_bytes + self.items as usize * self.item_bytes
    }

    /// Checks a file with these bytes and returns its number of items. `file` is its name in errors.
    ///
    /// # Errors
    /// [`DataError::Empty`], [`DataError::WrongFormat`], [`DataError::IdxHeader`], [`DataError::IdxMagic`],
    /// [`DataError::IdxSize`], [`DataError::IdxCount`] or [`DataError::IdxLength`], whichever problem is found first.
    pub fn count(&self, file: &str, bytes: &[u8]) -> Result<usize, DataError> {
        Ok(self.items(file, bytes)?.len() / self.item_bytes)
    }

    /// Cuts a checked file of the same kind to as many items as this file has when complete.
    pub(super) fn first(&self, (name, bytes): &(String, Vec<u8>)) -> (String, Vec<u8>) {
        let items = ((bytes.len() - self.header_bytes) / self.item_bytes).min(self.items as usize);
        let mut bytes = bytes[..self.header_bytes + items * self.item_bytes].to_vec();
        bytes[4..8].copy_from_slice(&(items as u32).to_be_bytes());
        (name.clone(), bytes)
    }

    /// True if `bytes` begin with the magic number of this kind of file.
    #[must_use]
    pub fn is_like(&self, bytes: &[u8]) -> bool {
        bytes.starts_with(&self.magic.to_be_bytes())
    }

    /// Checks a file with these bytes and returns its items. It may have fewer items than the complete file.
    fn items<'a>(&self, file: &str, bytes: &'a [u8]) -> Result<&'a [u8], DataError> {
        let name = || file.to_owned();
        if bytes.is_empty() {
            return Err(DataError::Empty { file: name() });
        }
        let word = |index: usize| bytes[index * 4..].first_chunk().map_or(0, |word| u32::from_be_bytes(*word));
        if (bytes.len() < 4 || word(0) != self.magic)
            && let Some((found, remedy)) = wrong_format(bytes)
        {
            return Err(DataError::WrongFormat { file: name(), expected: self.expected, found, remedy });
        }
        if bytes.len() < self.header_bytes {
            return Err(DataError::IdxHeader { file: name(), bytes: bytes.len(), header: self.header_bytes });
        }
        if word(0) != self.magic {
            let (magic, wanted, expected) = (word(0), self.magic, self.expected);
            return Err(DataError::IdxMagic { file: name(), magic, wanted, expected });
        }
        if self.header_bytes == 16 && (word(2), word(3)) != (SIDE, SIDE) {
            return Err(DataError::IdxSize { file: name(), rows: word(2), columns: word(3) });
        }
        let items = word(1);
        if items > self.items {
            return Err(DataError::IdxCount { file: name(), items, most: self.items });
        }
        let needed = self.header_bytes + items as usize * self.item_bytes;
        if bytes.len() != needed {
            return Err(DataError::IdxLength { file: name(), bytes: bytes.len(), items, needed });
        }
        if items == 0 {
            return Err(DataError::Empty { file: name() });
        }
        Ok(&bytes[self.header_bytes..])
    }
}

/// The files of the data set: training images, training labels, test images, test labels.
pub const FILES: [File; 4] = [
    File::images("train-images-idx3-ubyte", 60_000),
    File::labels("train-labels-idx1-ubyte", 60_000),
    File::images("t10k-images-idx3-ubyte", 10_000),
    File::labels("t10k-labels-idx1-ubyte", 10_000),
];

/// Edge of an image in the files.
const SIDE: u32 = 28;
/// Edge of an image that a network sees.
const PADDED_SIDE: u32 = 32;
const CLASS_NAMES: [&str; 10] =
    ["t-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];

/// Builds the data set from four files (name and bytes) in the order of [`FILES`]. Images are padded with zeros to
/// 32 x 32 pixels.
///
/// # Errors
/// The errors of [`File::count`] for the first invalid file, [`DataError::Unpaired`] if the numbers of images and labels
/// differ, and [`DataError::Label`] if a label is not a class.
pub fn dataset(files: &[(String, Vec<u8>); 4]) -> Result<Dataset, DataError> {
    let [train_images, train_labels, test_images, test_labels] = files;
    Dataset {
        name: "fashion-mnist".into(),
        classes: CLASS_NAMES.len() as u32,
        class_names: CLASS_NAMES.map(String::from).to_vec(),
        train: pair([&FILES[0], &FILES[1]], train_images, train_labels)?,
        test: pair([&FILES[2], &FILES[3]], test_images, test_labels)?,
        normalization: Normalization { mean: vec![0.286], std: vec![0.353] },
        pad_byte: 0,
        crop_and_flip: true,
    }
    .checked()
}

/// Parses images and their labels.
fn pair(
    [of_images, of_labels]: [&File; 2],
    (images_file, image_bytes): &(String, Vec<u8>),
    (labels_file, label_bytes): &(String, Vec<u8>),
) -> Result<ImageSet, DataError> {
    let pixels = of_images.items(images_file, image_bytes)?;
    let labels = of_labels.items(labels_file, label_bytes)?;
    let images = pixels.len() / of_images.item_bytes;
    if images != labels.len() {
        let (images_file, labels_file) = (images_file.clone(), labels_file.clone());
        return Err(DataError::Unpaired { images_file, images, labels_file, labels: labels.len() });
    }
    if let Some(record) = labels.iter().position(|&label| usize::from(label) >= CLASS_NAMES.len()) {
        let (file, label) = (labels_file.clone(), labels[record]);
        return Err(DataError::Label { file, data_set: "Fashion-MNIST", record, label });
    }
    Ok(ImageSet { shape: Shape::new(1, PADDED_SIDE, PADDED_SIDE), pixels: padded(pixels), labels: labels.to_vec() })
}

/// Centres each 28 x 28 image in 32 x 32 zeros.
fn padded(pixels: &[u8]) -> Vec<u8> {
    let (side, padded_side) = (SIDE as usize, PADDED_SIDE as usize);
    let margin = (padded_side - side) / 2;
    let bytes = pixels.len() / (side * side) * padded_side * padded_side;
    let mut padded = huge_pages::with_capacity(bytes);
    padded.resize(bytes, 0);
    let images = pixels.chunks_exact(side * side).zip(padded.chunks_exact_mut(padded_side * padded_side));
    for (from, to) in images {
        let rows = from.chunks_exact(side).zip(to.chunks_exact_mut(padded_side).skip(margin));
        rows.for_each(|(from, to)| to[margin..][..side].copy_from_slice(from));
    }
    padded
}

/// Rebuilds the IDX file of images from `set`.
pub(super) fn images_file(set: &ImageSet) -> Vec<u8> {
    let (side, padded_side) = (SIDE as usize, PADDED_SIDE as usize);
    let margin = (padded_side - side) / 2;
    let mut file = header(FILES[0].magic, &[set.len() as u32, SIDE, SIDE]);
    file.reserve(set.len() * side * side);
    for padded in set.pixels.chunks_exact(padded_side * padded_side) {
        let rows = padded.chunks_exact(padded_side).skip(margin).take(side);
        rows.for_each(|row| file.extend_from_slice(&row[margin..][..side]));
    }
    file
}

/// Rebuilds the IDX file of labels from `set`.
pub(super) fn labels_file(set: &ImageSet) -> Vec<u8> {
    [header(FILES[1].magic, &[set.len() as u32]), set.labels.clone()].concat()
}

fn header(magic: u32, dimensions: &[u32]) -> Vec<u8> {
    [&[magic], dimensions].concat().into_iter().flat_map(u32::to_be_bytes).collect()
}

/// Identifies other files under these names, and returns their kind and the remedy.
fn wrong_format(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let (found, kind) = identify(bytes)?;
    let remedy = match kind {
        FileKind::Archive => "unpack it",
        FileKind::OtherFormat => "give Fashion-MNIST's original files",
        FileKind::Reply => FAILED_DOWNLOAD,
        FileKind::Pointer => UNFETCHED,
    };
    Some((found, remedy))
}

#[cfg(test)]
mod tests;
