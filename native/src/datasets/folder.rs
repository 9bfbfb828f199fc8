//! An image folder: `train/<class>/*.png` (or another of [`EXTENSIONS`]) and `test/<class>/...`. Names are sorted by their
//! bytes, so that the order is the same on every file system. The classes take turns, so that the first N images are of all
//! classes. Files that are not read are counted.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use lastbit_core::data::{Dataset, ImageSet, Normalization};
use lastbit_core::ops::Shape;

use super::images::Loaded;
use super::not_read::NotRead;
use crate::failure::Failure;
use crate::numbers::count;

/// Largest width and height of an image, in pixels.
const MOST_PIXELS: u32 = 64;
/// Most bytes of a file, and of a decoder's memory: far more than such images need.
const MOST_BYTES: u64 = 16 << 20;
/// Most classes: a label is one byte.
const MOST_CLASSES: usize = 256;
/// Extensions of the files that are read. A file's first bytes, not its extension, give its format.
const EXTENSIONS: [&str; 14] =
    ["png", "jpg", "jpeg", "jpe", "jfif", "bmp", "dib", "webp", "tif", "tiff", "pbm", "pgm", "ppm", "pnm"];
const SETS: [&str; 2] = ["train", "test"];

/// The folder that holds `train` and `test`.
pub fn find(data_dir: Option<&Path>) -> Result<PathBuf, Failure> {
    const LAYOUT: &str =
        "the folder that holds train/CLASS/ and test/CLASS/ with images (PNG, JPEG, BMP, WebP, TIFF, PNM)";
    let Some(given) = data_dir else {
        return Err(Failure::usage(format!("--data-dir: --dataset folder needs {LAYOUT}: give its path")));
    };
    match SETS.map(|set| given.join(set)).into_iter().find(|set| !set.is_dir()) {
        None => Ok(given.to_owned()),
        Some(missing) => {
            Err(Failure::usage(format!("--data-dir: there is no folder '{}': give {LAYOUT}", missing.display())))
        }
    }
}

/// Reads the data set in a folder.
pub fn read(folder: &Path) -> Result<Loaded, Failure> {
    let mut not_read = NotRead::default();
    let [train, test] = SETS.map(|set| classes(&folder.join(set), &mut not_read));
    let (train, test) = (train?, test?);
    check_same_classes(folder, &train, &test)?;
    let class_names = train.iter().map(|class| class.name.clone()).collect::<Vec<_>>();
    let mut decoder = Decoder { first: None, is_grey: true, of_several: 0 };
    let (mut train, mut test) = (decoder.decode_all(&train)?, decoder.decode_all(&test)?);
    not_read.count_several(decoder.of_several);
    if decoder.is_grey {
        (train, test) = (first_channel(train), first_channel(test));
    }
    let dataset = Dataset {
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
    .map_err(Failure::other)?;
    Ok(Loaded { dataset, not_read })
}

/// A class and its images, sorted.
struct Class {
    name: String,
    files: Vec<PathBuf>,
}

/// The classes of one set, sorted. Hidden files and folders are skipped; everything else that is not read is counted.
fn classes(set: &Path, not_read: &mut NotRead) -> Result<Vec<Class>, Failure> {
    let mut classes = Vec::new();
    for (name, path) in visible(set)? {
        if !path.is_dir() {
            not_read.count(&path, "outside a class folder");
            continue;
        }
        let (mut files, mut beside) = (Vec::new(), NotRead::default());
        for (_, path) in visible(&path)? {
            match is_image(&path) {
                true => files.push(path),
                false if path.is_dir() => beside.count_below(&path),
                false => beside.count(&path, ""),
            }
        }
        if files.is_empty() {
            let path = path.display();
            let beside = beside.text().map(|text| format!(" (but {text})")).unwrap_or_default();
            return Err(Failure::usage(format!(
                "the class folder '{path}' has no image{beside}: put .png, .jpg, .bmp, .webp or .tif files into the folder \
                 itself, or remove it"
            )));
        }
        not_read.add(beside);
        classes.push(Class { name, files });
    }
    if !(2..=MOST_CLASSES).contains(&classes.len()) {
        return Err(Failure::usage(format!(
            "'{}' has {}: give it one folder of images for each of 2 to {MOST_CLASSES} classes",
            set.display(),
            count(classes.len() as u64, "class folder"),
        )));
    }
    Ok(classes)
}

/// True for a file with one of the [`EXTENSIONS`], in upper or lower case. Links are followed.
fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str())) && path.is_file()
}

/// Name and path of the entries of a folder that are not hidden, sorted by name.
fn visible(folder: &Path) -> Result<impl Iterator<Item = (String, PathBuf)>, Failure> {
    Ok(entries(folder)?.into_iter().filter(|(name, _)| !name.starts_with('.')))
}

/// Name and path of all entries of a folder, sorted by name.
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
            return Err(Failure::usage(format!(
                "'{}': class '{class}' is in {has}/ but not in {lacks}/: give both the same classes",
                folder.display()
            )));
        }
    }
    Ok(())
}

/// Decodes files into images, all of which must have the size of the first one.
struct Decoder {
    /// Path, width and height of the first image.
    first: Option<(PathBuf, (u32, u32))>,
    /// True while no image has colour.
    is_grey: bool,
    /// Number of files with more than one image.
    of_several: usize,
}

impl Decoder {
    /// Decodes all images, with three channels: the first image of each class, then the second of each, and so on.
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

    /// Decodes the image in `bytes`; `path` names it in errors.
    fn decode_bytes(&mut self, path: &Path, bytes: &[u8]) -> Result<DynamicImage, Failure> {
        let unreadable = |problem: &dyn Display| {
            Failure::other(format!("'{}' cannot be decoded ({problem}): replace or remove it", path.display()))
        };
        if bytes.len() as u64 > MOST_BYTES {
            return Err(unreadable(&format!("it is longer than {MOST_BYTES} bytes")));
        }
        if is_cut_jpeg(bytes) || is_cut_webp(bytes) {
            return Err(unreadable(&"it is cut off"));
        }
        let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
        let mut reader = reader.map_err(|error| unreadable(&error))?;
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(MOST_BYTES);
        reader.limits(limits);
        self.of_several += usize::from(reader.format().is_some_and(|format| has_several(bytes, format)));
        let mut decoder = reader.into_decoder().map_err(|error| unreadable(&error))?;
        // A camera stores the image as its sensor saw it, with an orientation. Without a valid one, the image is upright.
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        // Before any pixel is decoded.
        let (width, height) = decoder.dimensions();
        self.check_size(path, if lies_on_its_side(orientation) { (height, width) } else { (width, height) })?;
        let mut image = DynamicImage::from_decoder(decoder).map_err(|error| unreadable(&error))?;
        image.apply_orientation(orientation);
        Ok(image)
    }

    fn check_size(&mut self, path: &Path, (width, height): (u32, u32)) -> Result<(), Failure> {
        let remedy = format!(
            "resize all images to one size of at most {MOST_PIXELS} x {MOST_PIXELS}, for instance with ImageMagick's \
             mogrify -resize 32x32! FILES"
        );
        let path_text = path.display();
        if width.max(height) > MOST_PIXELS {
            return Err(Failure::usage(format!("'{path_text}' has {width} x {height} pixels: {remedy}")));
        }
        let (first, size) = self.first.get_or_insert_with(|| (path.to_owned(), (width, height)));
        if *size != (width, height) {
            return Err(Failure::usage(format!(
                "'{path_text}' has {width} x {height} pixels, but '{}' has {} x {}: {remedy}",
                first.display(),
                size.0,
                size.1,
            )));
        }
        Ok(())
    }
}

/// Decodes a single image.
pub fn decode_alone(bytes: &[u8]) {
    if let Ok(image) = (Decoder { first: None, is_grey: true, of_several: 0 }).decode_bytes(Path::new("image"), bytes) {
        assert!(image.width().max(image.height()) <= MOST_PIXELS);
    }
}

/// True for a file with several images (an animation or pages), of which only the first is read.
fn has_several(bytes: &[u8], format: ImageFormat) -> bool {
    let reader = Cursor::new(bytes);
    match format {
        ImageFormat::Png => PngDecoder::new(reader).and_then(|decoder| decoder.is_apng()).unwrap_or(false),
        ImageFormat::WebP => WebPDecoder::new(reader).is_ok_and(|decoder| decoder.has_animation()),
        ImageFormat::Tiff => tiff::decoder::Decoder::new(reader).is_ok_and(|decoder| decoder.more_images()),
        _ => false,
    }
}

/// True if the orientation exchanges width and height.
fn lies_on_its_side(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    )
}

/// True for a JPEG file that ends before its end marker: a decoder fills in what is missing and reports no error. Bytes
/// after the marker do not belong to the image.
fn is_cut_jpeg(bytes: &[u8]) -> bool {
    const RESTARTS: std::ops::RangeInclusive<u8> = 0xd0..=0xd7;
    let Some(mut rest) = bytes.strip_prefix(b"\xff\xd8") else { return false };
    loop {
        // The next marker. In a scan, 0xff before 0 is a byte of the image, and restarts belong to the scan.
        let marker = rest
            .windows(2)
            .position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 1 | 0xff) && !RESTARTS.contains(&pair[1]));
        let Some(at) = marker else { return true };
        if rest[at + 1] == 0xd9 {
            return false;
        }
        // Skip the segment, whose first two bytes are its length. After the segment of a scan, the scan itself follows.
        let Some(length) = rest[at + 2..].first_chunk().map(|length| u16::from_be_bytes(*length)) else { return true };
        let Some(after) = rest[at + 2..].get(usize::from(length)..) else { return true };
        rest = after;
    }
}

/// True for a WebP file that is shorter than its header says. A missing byte of padding does not count.
fn is_cut_webp(bytes: &[u8]) -> bool {
    let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..).is_some_and(|rest| rest.starts_with(b"WEBP"));
    let length = bytes.get(4..).and_then(|rest| rest.first_chunk().map(|length| u32::from_le_bytes(*length)));
    is_webp && length.is_some_and(|length| 8 + u64::from(length) > bytes.len() as u64 + 1)
}

/// The same images with only their first channel.
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

    #[test]
    fn bytes_after_the_end_of_an_image_do_not_matter() {
        // Phones append a second image, which may be cut off, or a video.
        let [png, jpeg] = encoded();
        for (whole, more) in
            [(&png, &b"more"[..]), (&jpeg, b"more"), (&jpeg, b"\xff\xd8\xff\xda\0\x02\xff"), (&jpeg, &[0xff; 9])]
        {
            assert_eq!(decode(&[whole, more].concat()).unwrap(), decode(whole).unwrap());
        }
    }

    #[test]
    fn images_are_turned_as_their_metadata_says() {
        let upright = decode(&encoded()[1]).unwrap();
        for (value, orientation) in (1..=8).map(|value| (value, Orientation::from_exif(value).unwrap())) {
            let mut expected = upright.clone();
            expected.apply_orientation(orientation);
            assert_eq!(decode(&with_orientation(&encoded()[1], value)).unwrap(), expected, "{value}");
        }
        assert_eq!(decode(&with_orientation(&encoded()[1], 99)).unwrap(), upright);
    }

    /// A JPEG file with an EXIF orientation.
    fn with_orientation(jpeg: &[u8], value: u8) -> Vec<u8> {
        // A TIFF header and one entry: orientation (0x0112), one short.
        let tiff = [b"MM\0\x2a\0\0\0\x08\0\x01", &[1, 0x12, 0, 3, 0, 0, 0, 1, 0, value, 0, 0][..], &[0; 4]].concat();
        let segment = [&b"Exif\0\0"[..], &tiff].concat();
        let length = (segment.len() as u16 + 2).to_be_bytes();
        [&jpeg[..2], b"\xff\xe1", &length, &segment, &jpeg[2..]].concat()
    }

    /// A small image with some detail, as PNG and as JPEG.
    fn encoded() -> [Vec<u8>; 2] {
        let pixels: Vec<u8> = (0..12 * 12 * 3_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let (mut png, mut jpeg) = (Vec::new(), Vec::new());
        codecs::png::PngEncoder::new(&mut png).write_image(&pixels, 12, 12, ExtendedColorType::Rgb8).unwrap();
        codecs::jpeg::JpegEncoder::new(&mut jpeg).write_image(&pixels, 12, 12, ExtendedColorType::Rgb8).unwrap();
        [png, jpeg]
    }

    /// The same image in the other formats that are read.
    fn encoded_otherwise() -> [Vec<u8>; 4] {
        use image::ImageFormat::{Bmp, Pnm, Tiff, WebP};

        let image = image::load_from_memory(&encoded()[0]).unwrap();
        [Bmp, Pnm, Tiff, WebP].map(|format| {
            let mut bytes = Cursor::new(Vec::new());
            image.write_to(&mut bytes, format).unwrap();
            bytes.into_inner()
        })
    }

    fn decode(bytes: &[u8]) -> Result<DynamicImage, Failure> {
        Decoder { first: None, is_grey: true, of_several: 0 }.decode_bytes(Path::new("image"), bytes)
    }

    #[test]
    fn every_cut_is_refused() {
        for whole in encoded().into_iter().chain(encoded_otherwise()) {
            let image = decode(&whole).unwrap();
            assert_eq!(image.width(), 12);
            // Bytes that may be missing: a byte of padding, or the last twelve bytes of a PNG file, which only mark its end.
            let spare = if whole.starts_with(b"\x89PNG") { 12 } else { 1 };
            for length in 0..whole.len() {
                let is_whole = decode(&whole[..length]).is_ok_and(|cut| cut == image);
                let is_refused = decode(&whole[..length]).is_err();
                assert!(is_refused || is_whole && length >= whole.len() - spare, "{length} of {} bytes", whole.len());
            }
        }
    }

    #[test]
    fn damaged_bytes_never_panic() {
        for whole in encoded().into_iter().chain(encoded_otherwise()) {
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
