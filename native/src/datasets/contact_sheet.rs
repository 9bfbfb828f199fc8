//! The contact sheet: a PNG with the first images of each class, to check by eye.

use font8x8::legacy::BASIC_LEGACY;
use image::{ImageFormat, Rgb, RgbImage};
use lastbit_core::data::{Dataset, ImageSet};

use crate::failure::Failure;

/// Number of images of a class.
const COLUMNS: u32 = 10;
/// Factor of enlargement, without smoothing.
const SCALE: u32 = 2;
/// Pixels between images, and around text.
const GAP: u32 = 2;
/// Width and height of a letter, in pixels.
const LETTER: u32 = 8;

/// PNG bytes: a row for each class with its name and its first ten training images, each pixel doubled.
pub fn contact_sheet(dataset: &Dataset) -> Result<Vec<u8>, Failure> {
    let shape = dataset.shape();
    let longest = dataset.class_names.iter().map(|name| name.chars().count()).max().unwrap_or(0) as u32;
    let margin = longest * LETTER + 2 * GAP;
    let (step_x, step_y) = (shape.width * SCALE + GAP, shape.height * SCALE + GAP);
    let (width, height) = (margin + COLUMNS * step_x, dataset.classes * step_y + GAP);
    let mut sheet = RgbImage::from_pixel(width, height, Rgb([255; 3]));
    for (row, name) in (0..).zip(&dataset.class_names) {
        let top = GAP + row * step_y;
        write(&mut sheet, name, GAP, top + (shape.height * SCALE).saturating_sub(LETTER) / 2);
        let of_class = (0..dataset.train.len()).filter(|&i| u32::from(dataset.train.labels[i]) == row);
        for (column, i) in (0..COLUMNS).zip(of_class) {
            paint(&mut sheet, &dataset.train, i, margin + column * step_x, top);
        }
    }
    let mut bytes = std::io::Cursor::new(Vec::new());
    sheet.write_to(&mut bytes, ImageFormat::Png).map_err(|error| Failure::other(format!("contact sheet: {error}")))?;
    Ok(bytes.into_inner())
}

/// Draws image `i` at `left`, `top`.
fn paint(sheet: &mut RgbImage, set: &ImageSet, i: usize, left: u32, top: u32) {
    let (shape, bytes) = (set.shape, set.image(i));
    for y in 0..shape.height * SCALE {
        for x in 0..shape.width * SCALE {
            let at = (y / SCALE * shape.width + x / SCALE) as usize;
            let plane = (shape.width * shape.height) as usize;
            // A grey image has one channel for all three colours.
            let colour = [0, 1, 2].map(|c: usize| bytes[c.min(shape.channels as usize - 1) * plane + at]);
            sheet.put_pixel(left + x, top + y, Rgb(colour));
        }
    }
}

/// Draws a line of text. A letter that the font lacks becomes a question mark.
fn write(sheet: &mut RgbImage, text: &str, left: u32, top: u32) {
    for (place, letter) in (0..).zip(text.chars()) {
        let glyph = BASIC_LEGACY.get(letter as usize).unwrap_or(&BASIC_LEGACY[usize::from(b'?')]);
        for (y, bits) in (0..).zip(glyph) {
            for x in (0..LETTER).filter(|x| bits >> x & 1 == 1) {
                let (x, y) = (left + place * LETTER + x, top + y);
                if x < sheet.width() && y < sheet.height() {
                    sheet.put_pixel(x, y, Rgb([0; 3]));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lastbit_core::data::{checkerboard, synthetic};

    #[test]
    fn every_class_is_a_row() {
        let data = synthetic::dataset(1, 200, 0);
        let sheet = image::load_from_memory(&contact_sheet(&data).unwrap()).unwrap().into_rgb8();
        // "triangle" is the longest name; 10 rows and columns of 32 x 32 pixels, doubled.
        let margin = 8 * 8 + 4;
        assert_eq!(sheet.dimensions(), (margin + 10 * 66, 10 * 66 + 2));
        for (class, column, y, x) in [(0, 0, 0, 0), (3, 9, 31, 31), (9, 4, 17, 5)] {
            let image = data.train.image(column * 10 + class);
            let expected = [0, 1, 2].map(|c| image[c * 1024 + y * 32 + x]);
            for corner in [0, 1] {
                let at = (margin + column as u32 * 66 + 2 * x as u32 + corner, 2 + class as u32 * 66 + 2 * y as u32);
                assert_eq!(sheet.get_pixel(at.0, at.1 + corner).0, expected, "{class} {column}");
            }
        }
        let is_text = |x: u32, y: u32| sheet.get_pixel(x, y).0 == [0; 3];
        let ink = |rows: std::ops::Range<u32>| rows.flat_map(|y| (0..margin).map(move |x| (x, y)));
        assert!((0..10).all(|row| ink(2 + row * 66..66 + row * 66).any(|(x, y)| is_text(x, y))));
    }

    #[test]
    fn grey_images_and_empty_classes_are_fine() {
        let mut data = checkerboard::dataset(4);
        data.class_names[0] = "größer".into();
        let sheet = image::load_from_memory(&contact_sheet(&data).unwrap()).unwrap().into_rgb8();
        let margin = 12 * 8 + 4;
        assert_eq!(sheet.dimensions(), (margin + 10 * 10, 2 * 10 + 2));
        assert_eq!([0, 1, 2].map(|x| sheet.get_pixel(margin + x, 12).0), [[255; 3], [255; 3], [0; 3]]);
    }
}
