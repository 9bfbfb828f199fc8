//! An image folder: `train/<class>/*.png|jpg|jpeg` and `test/<class>/...`. Names are sorted by their bytes, so that the
//! order is the same on every file system; the classes take turns, so that the first N images are of all classes.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageReader, Limits};
use lastbit_core::data::{Dataset, ImageSet, Normalization};
use lastbit_core::ops::Shape;

use crate::failure::Failure;

/// Largest edge of an image.
const MOST_PIXELS: u32 = 64;
/// Longest file that is opened, and memory that a decoder may take: far more than such images need.
const MOST_BYTES: u64 = 16 << 20;
/// A label is one byte.
const MOST_CLASSES: usize = 256;
const EXTENSIONS: [&str; 3] = ["png", "jpg", "jpeg"];
const SETS: [&str; 2] = ["train", "test"];

/// The folder that holds `train` and `test`.
pub fn find(data_dir: Option<&Path>) -> Result<PathBuf, Failure> {
    const LAYOUT: &str = "the folder that holds train/CLASS/ and test/CLASS/ with PNG or JPEG images";
    let Some(given) = data_dir else {
        return Err(Failure::usage(format!("--data-dir: --dataset folder needs {LAYOUT}: give it")));
    };
    match SETS.map(|set| given.join(set)).into_iter().find(|set| !set.is_dir()) {
        None => Ok(given.to_owned()),
        Some(missing) => {
            Err(Failure::usage(format!("--data-dir: there is no folder '{}': give {LAYOUT}", missing.display())))
        }
    }
}

/// The data set in a folder.
pub fn read(folder: &Path) -> Result<Dataset, Failure> {
    let [train, test] = SETS.map(|set| classes(&folder.join(set)));
    let (train, test) = (train?, test?);
    check_same_classes(folder, &train, &test)?;
    let class_names = train.iter().map(|class| class.name.clone()).collect::<Vec<_>>();
    let mut decoder = Decoder { first: None, is_grey: true };
    let (mut train, mut test) = (decoder.decode_all(&train)?, decoder.decode_all(&test)?);
    if decoder.is_grey {
        (train, test) = (first_channel(train), first_channel(test));
    }
    Dataset {
        name: "folder".into(),
        classes: class_names.len() as u32,
        class_names,
        normalization: Normalization::of(&train),
        train,
        test,
        pad_byte: 0,
        crop_and_flip: true,
    }
    .checked()
    .map_err(Failure::other)
}

/// A class and its images, sorted.
struct Class {
    name: String,
    files: Vec<PathBuf>,
}

/// The classes of one set, sorted. Hidden folders and files that are no images are passed over.
fn classes(set: &Path) -> Result<Vec<Class>, Failure> {
    let mut classes = Vec::new();
    for (name, path) in entries(set)? {
        if !path.is_dir() || name.starts_with('.') {
            continue;
        }
        let is_image = |path: &PathBuf| {
            let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
            extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str())) && path.is_file()
        };
        let images = entries(&path)?.into_iter().filter(|(name, path)| !name.starts_with('.') && is_image(path));
        let files: Vec<_> = images.map(|(_, path)| path).collect();
        if files.is_empty() {
            let path = path.display();
            return Err(Failure::other(format!(
                "the class folder '{path}' has no .png, .jpg or .jpeg file: put images into it or remove it"
            )));
        }
        classes.push(Class { name, files });
    }
    if !(2..=MOST_CLASSES).contains(&classes.len()) {
        return Err(Failure::other(format!(
            "'{}' has {} class folders: give it one folder of images for each of 2 to {MOST_CLASSES} classes",
            set.display(),
            classes.len(),
        )));
    }
    Ok(classes)
}

/// What is in a folder, sorted by name.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let failed = |error| Failure::file("read", folder, &error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(|| Failure::other(format!("the name of '{}' is not Unicode: rename it", path.display())))?;
        entries.push((name.to_owned(), path.clone()));
    }
    entries.sort();
    Ok(entries)
}

fn check_same_classes(folder: &Path, train: &[Class], test: &[Class]) -> Result<(), Failure> {
    let missing = |from: &[Class], of: &[Class]| {
        of.iter().map(|class| &class.name).find(|name| from.iter().all(|class| class.name != **name)).cloned()
    };
    let [in_train, in_test] = SETS;
    for (class, has, lacks) in [(missing(test, train), in_train, in_test), (missing(train, test), in_test, in_train)] {
        if let Some(class) = class {
            return Err(Failure::other(format!(
                "'{}': class '{class}' is in {has}/ but not in {lacks}/: give both the same classes",
                folder.display()
            )));
        }
    }
    Ok(())
}

/// Turns files into images, all of the first one's size.
struct Decoder {
    /// Path, width and height of the first image.
    first: Option<(PathBuf, (u32, u32))>,
    /// True while no image has colour.
    is_grey: bool,
}

impl Decoder {
    /// Three channels, the first image of each class, then the second of each, and so on.
    fn decode_all(&mut self, classes: &[Class]) -> Result<ImageSet, Failure> {
        let longest = classes.iter().map(|class| class.files.len()).max().unwrap_or(0);
        let turns = (0..longest).flat_map(|turn| {
            let labelled = classes.iter().enumerate();
            labelled.filter_map(move |(label, class)| Some((label as u8, class.files.get(turn)?)))
        });
        let mut set: Option<ImageSet> = None;
        for (label, path) in turns {
            let image = self.decode(path)?;
            self.is_grey &= !image.color().has_color();
            let (width, height) = (image.width(), image.height());
            let set = set.get_or_insert_with(|| ImageSet::with_capacity(Shape::new(3, height, width), 0));
            let pixels = image.into_rgb8();
            for c in 0..3 {
                set.pixels.extend(pixels.pixels().map(|pixel| pixel.0[c]));
            }
            set.labels.push(label);
        }
        set.ok_or_else(|| Failure::other("the image folder is empty"))
    }

    fn decode(&mut self, path: &Path) -> Result<DynamicImage, Failure> {
        let failed = |error| Failure::file("read", path, &error);
        let mut bytes = Vec::new();
        File::open(path).map_err(failed)?.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        self.decode_bytes(path, &bytes)
    }

    /// The image that `bytes` hold; `path` names them.
    fn decode_bytes(&mut self, path: &Path, bytes: &[u8]) -> Result<DynamicImage, Failure> {
        let unreadable = |problem: &dyn Display| {
            Failure::other(format!("'{}' cannot be decoded ({problem}): replace or remove it", path.display()))
        };
        if bytes.len() as u64 > MOST_BYTES {
            return Err(unreadable(&format!("it is longer than {MOST_BYTES} bytes")));
        }
        if is_cut_jpeg(bytes) {
            return Err(unreadable(&"it is cut off"));
        }
        let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
        let mut reader = reader.map_err(|error| unreadable(&error))?;
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(MOST_BYTES);
        reader.limits(limits);
        let decoder = reader.into_decoder().map_err(|error| unreadable(&error))?;
        // Looked at before any pixel is decoded.
        self.check_size(path, decoder.dimensions())?;
        DynamicImage::from_decoder(decoder).map_err(|error| unreadable(&error))
    }

    fn check_size(&mut self, path: &Path, (width, height): (u32, u32)) -> Result<(), Failure> {
        let remedy = format!(
            "resize all images to one size of at most {MOST_PIXELS} x {MOST_PIXELS}, for instance with ImageMagick's \
             mogrify -resize 32x32! FILES"
        );
        let path_text = path.display();
        if width.max(height) > MOST_PIXELS {
            return Err(Failure::other(format!("'{path_text}' has {width} x {height} pixels: {remedy}")));
        }
        let (first, size) = self.first.get_or_insert_with(|| (path.to_owned(), (width, height)));
        if *size != (width, height) {
            return Err(Failure::other(format!(
                "'{path_text}' has {width} x {height} pixels, but '{}' has {} x {}: {remedy}",
                first.display(),
                size.0,
                size.1,
            )));
        }
        Ok(())
    }
}

/// Decodes an image that stands alone.
pub fn decode_alone(bytes: &[u8]) {
    if let Ok(image) = (Decoder { first: None, is_grey: true }).decode_bytes(Path::new("image"), bytes) {
        assert!(image.width().max(image.height()) <= MOST_PIXELS);
    }
}

/// True for a JPEG file without an end marker after its last scan: a decoder fills up what is missing and says nothing.
fn is_cut_jpeg(bytes: &[u8]) -> bool {
    let last = |marker: u8| bytes.windows(2).rposition(|pair| pair == [0xff, marker]);
    bytes.starts_with(b"\xff\xd8") && last(0xd9) <= last(0xda)
}

/// The same images with their first channel alone.
fn first_channel(set: ImageSet) -> ImageSet {
    let shape = Shape::new(1, set.shape.height, set.shape.width);
    let plane = shape.elements() as usize;
    let pixels = set.pixels.chunks_exact(plane).step_by(3).flatten().copied().collect();
    ImageSet { shape, pixels, labels: set.labels }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ExtendedColorType, ImageEncoder, codecs};

    /// A small image with some detail, as PNG and as JPEG.
    fn encoded() -> [Vec<u8>; 2] {
        let pixels: Vec<u8> = (0..12 * 12 * 3_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let (mut png, mut jpeg) = (Vec::new(), Vec::new());
        codecs::png::PngEncoder::new(&mut png).write_image(&pixels, 12, 12, ExtendedColorType::Rgb8).unwrap();
        codecs::jpeg::JpegEncoder::new(&mut jpeg).write_image(&pixels, 12, 12, ExtendedColorType::Rgb8).unwrap();
        [png, jpeg]
    }

    fn decode(bytes: &[u8]) -> Result<DynamicImage, Failure> {
        Decoder { first: None, is_grey: true }.decode_bytes(Path::new("image"), bytes)
    }

    #[test]
    fn every_cut_is_refused() {
        for whole in encoded() {
            assert_eq!(decode(&whole).unwrap().width(), 12);
            // The last twelve bytes of a PNG file only say that it ends.
            let needed = if whole.starts_with(b"\x89PNG") { whole.len() - 12 } else { whole.len() };
            for length in 0..needed {
                assert!(decode(&whole[..length]).is_err(), "{length} of {} bytes", whole.len());
            }
        }
    }

    #[test]
    fn damaged_bytes_never_panic() {
        for whole in encoded() {
            for at in 0..whole.len() {
                for flip in [1, 0x80, 0xff] {
                    let mut bytes = whole.clone();
                    bytes[at] ^= flip;
                    if let Ok(image) = decode(&bytes) {
                        assert!(image.width().max(image.height()) <= MOST_PIXELS);
                    }
                }
            }
        }
    }
}
