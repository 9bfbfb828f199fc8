//! Image folders as data sets.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use sha2::{Digest, Sha256};

use super::{good_info, info, two_steps};
use crate::common::{assert_refused, lastbit, scratch, text};

/// Writes a file, creating the folders above it.
fn put(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Writes an image of one colour, in the format of the extension.
fn paint(path: &Path, (width, height): (u32, u32), colour: [u8; 3]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(width, height, Rgb(colour)).save(path).unwrap();
}

/// Writes two classes with 8 training images and 2 test images each, of 8 x 8 pixels.
fn small(folder: &Path) {
    let _ = fs::remove_dir_all(folder);
    for (set, n) in [("train", 8), ("test", 2)] {
        for (class, red) in [("cat", 0), ("dog", 255)] {
            for i in 0..n {
                paint(&folder.join(format!("{set}/{class}/{i}.png")), (8, 8), [red, 10 * i, 77]);
            }
        }
    }
}

#[test]
fn order_and_normalisation_come_from_names_and_pixels() {
    let home = scratch("folder-order");
    let (a, b) = (home.join("a"), home.join("b"));
    small(&a);
    // The same images, written in another order. Other files do not count.
    for set in ["test", "train"] {
        for class in ["dog", "cat"] {
            let from = a.join(set).join(class);
            let mut files: Vec<_> = fs::read_dir(&from).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.sort();
            files.iter().rev().for_each(|file| {
                put(&b.join(set).join(class).join(file.file_name().unwrap()), fs::read(file).unwrap());
            });
            put(&b.join(set).join(class).join("notes.txt"), "no image");
            put(&b.join(set).join(class).join(".hidden.png"), "no image");
        }
        put(&b.join(set).join("README.md"), "no class");
        fs::create_dir_all(b.join(set).join(".cache")).unwrap();
    }
    let (a, b) = (good_info("folder", &a), good_info("folder", &b));
    assert_eq!(a["sha256"], b["sha256"]);
    assert_eq!(a["classes"][0], serde_json::json!({ "label": 0, "name": "cat", "train": 8, "test": 2 }));
    assert_eq!(a["classes"][1]["name"], "dog");
    assert_eq!(a["shape"], serde_json::json!([3, 8, 8]));
    // Red is 0 or 255, green is 0, 10, ... 70, blue is always 77.
    let near = |value: &serde_json::Value, expected: f64| (value.as_f64().unwrap() - expected).abs() < 1e-6;
    assert!(near(&a["mean"][0], 0.5) && near(&a["std"][0], 0.5), "{a}");
    assert!(near(&a["mean"][1], 35.0 / 255.0) && near(&a["std"][1], 525.0_f64.sqrt() / 255.0), "{a}");
    assert!(near(&a["mean"][2], 77.0 / 255.0) && near(&a["std"][2], 1.0), "{a}");
}

#[test]
fn classes_take_turns() {
    let home = scratch("folder-turns");
    for set in ["train", "test"] {
        for (name, value) in [("b/2.png", 20), ("b/10.png", 10), ("a/y.PNG", 1), ("a/z.png", 2), ("b/3.png", 30)] {
            paint(&home.join(set).join(name), (8, 8), [value, value, 99]);
        }
    }
    // Names are sorted by their bytes: "10" comes before "2".
    let images = [(1, 0), (10, 1), (2, 0), (20, 1), (30, 1)];
    let pixels = images.iter().flat_map(|(value, _)| [[*value; 64], [*value; 64], [99; 64]].concat());
    let set: Vec<u8> = pixels.chain(images.iter().map(|(_, label)| *label)).collect();
    let expected = format!("{:x}", Sha256::digest([&set[..], &set[..]].concat()));
    assert_eq!(good_info("folder", &home)["sha256"], expected.as_str());
}

#[test]
fn images_are_grey_only_if_all_are() {
    let home = scratch("folder-grey");
    for (set, class, value) in [("train", "a", 0), ("train", "b", 51), ("test", "a", 9), ("test", "b", 9)] {
        let path = home.join(set).join(class).join("1.png");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        GrayImage::from_pixel(16, 8, Luma([value])).save(path).unwrap();
    }
    let grey = good_info("folder", &home);
    assert_eq!(grey["shape"], serde_json::json!([1, 8, 16]));
    assert_eq!(grey["mean"], serde_json::json!([0.1]));
    assert_eq!(grey["std"], serde_json::json!([0.1]));
    // One image with colour makes all colour; transparency is ignored.
    RgbaImage::from_pixel(16, 8, Rgba([1, 2, 3, 0])).save(home.join("test/b/2.png")).unwrap();
    assert_eq!(good_info("folder", &home)["shape"], serde_json::json!([3, 8, 16]));
}

#[test]
fn it_trains_on_png_and_jpeg() {
    let home = scratch("folder-train");
    let (data, out) = (home.join("data"), home.join("run"));
    small(&data);
    paint(&data.join("train/cat/x.jpg"), (8, 8), [9, 8, 7]);
    paint(&data.join("train/dog/x.jpeg"), (8, 8), [200, 8, 7]);
    let ended = lastbit(&two_steps("folder", &data, &out));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap();
    assert_eq!((&manifest["dataset"]["name"], &manifest["dataset"]["train"]), (&"folder".into(), &18.into()));
    // A changed image makes it another data set.
    paint(&data.join("train/cat/0.png"), (8, 8), [1, 2, 3]);
    let longer = ["train", "--resume", "--steps", "4", "--out", text(&out)];
    assert_refused(&lastbit(&longer), 2, &["data-dir: ", "other images"]);
}

#[test]
fn common_formats_are_read() {
    let home = scratch("folder-formats");
    let data = home.join("data");
    small(&data);
    let expected = good_info("folder", &data)["sha256"].clone();
    // The same pixels in lossless formats, some with extensions in capitals.
    for (i, extension) in ["bmp", "webp", "tif", "TIFF", "ppm", "BMP"].into_iter().enumerate() {
        for class in ["cat", "dog"] {
            let png = data.join(format!("train/{class}/{i}.png"));
            image::open(&png).unwrap().save(png.with_extension(extension)).unwrap();
            fs::remove_file(png).unwrap();
        }
    }
    let info = good_info("folder", &data);
    assert_eq!((&info["sha256"], &info["train"]), (&expected, &16.into()));
    assert_eq!(info["not_read"], serde_json::json!({}));
    let ended = lastbit(&["data", "info", "folder", "--data-dir", text(&data)]);
    assert!(ended.code == Some(0) && !ended.out.contains("not read"), "{ended:?}");
}

#[test]
fn what_is_not_read_is_counted() {
    let home = scratch("folder-not-read");
    let (data, out) = (home.join("data"), home.join("run"));
    small(&data);
    let expected = good_info("folder", &data)["sha256"].clone();
    paint(&data.join("train/cat/more/1.png"), (8, 8), [0; 3]);
    paint(&data.join("train/cat/more/most/2.png"), (8, 8), [0; 3]);
    paint(&data.join("train/stray.png"), (8, 8), [0; 3]);
    for file in ["train/cat/a.gif", "train/dog/b.GIF", "test/dog/c.heic", "test/dog/LICENCE", "test/dog/.DS_Store"] {
        put(&data.join(file), "not read");
    }
    #[cfg_attr(not(unix), expect(unused_mut, reason = "links are made on Unix only"))]
    let mut not_read = vec![
        (".gif file", 2),
        (".heic file", 1),
        (".png file in a folder below a class folder", 2),
        (".png file outside a class folder", 1),
        ("file without an extension", 1),
    ];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere.png", data.join("train/dog/link.png")).unwrap();
        // A circular link does not make the search endless.
        std::os::unix::fs::symlink(data.join("train"), data.join("train/cat/more/up")).unwrap();
        not_read.extend([
            ("file without an extension in a folder below a class folder", 1),
            ("link to a file that does not exist", 1),
        ]);
    }
    let info = good_info("folder", &data);
    let counts: serde_json::Value =
        not_read.into_iter().map(|(kind, n)| (kind.to_owned(), serde_json::json!(n))).collect();
    assert_eq!((&info["not_read"], &info["sha256"]), (&counts, &expected));
    let ended = lastbit(&["data", "info", "folder", "--data-dir", text(&data)]);
    assert!(ended.out.contains("2 .gif files, 1 .heic file, 2 .png files in a folder below"), "{ended:?}");
    // A run warns, too, even with --quiet.
    let ended = lastbit(&[&two_steps("folder", &data, &out)[..], &["--quiet"]].concat());
    assert!(ended.code == Some(0) && ended.err.contains("not read in the image folder: 2 .gif files, "), "{ended:?}");

    // The error for a class without images names the files that were not read.
    fs::remove_dir_all(data.join("test/cat")).unwrap();
    paint(&data.join("test/cat/deeper/1.png"), (8, 8), [0; 3]);
    let parts = ["test/cat", "no image", "but 1 .png file in a folder below a class folder", "the folder itself"];
    assert_refused(&super::info("folder", &data), 2, &parts);
}

#[test]
fn files_of_several_images_are_counted() {
    let data = scratch("folder-several").join("data");
    small(&data);
    let expected = good_info("folder", &data)["sha256"].clone();
    let png = data.join("train/cat/0.png");
    let image = image::open(&png).unwrap();
    let alone = |ending: &str| {
        let file = png.with_extension(ending);
        image.save(&file).unwrap();
        fs::read(&file).unwrap()
    };
    fs::remove_file(&png).unwrap();
    for (ending, bytes) in [
        ("png", animated_png(alone("png"))),
        ("webp", animated_webp(&alone("webp"))),
        ("tif", tiff_of_two(alone("tif"))),
    ] {
        for other in ["png", "webp", "tif"] {
            let _ = fs::remove_file(png.with_extension(other));
        }
        fs::write(png.with_extension(ending), bytes).unwrap();
        let info = good_info("folder", &data);
        let found = (&info["not_read"]["file beyond the first image"], &info["sha256"]);
        assert_eq!(found, (&1.into(), &expected), "{ending}");
    }
}

/// Makes the PNG the default image of an animation.
fn animated_png(mut bytes: Vec<u8>) -> Vec<u8> {
    // Two frames, repeated for ever.
    let mut control = [&b"acTL"[..], &2_u32.to_be_bytes(), &0_u32.to_be_bytes()].concat();
    let mut crc = flate2::Crc::new();
    crc.update(&control);
    control.splice(0..0, 8_u32.to_be_bytes());
    control.extend(crc.sum().to_be_bytes());
    // After the header.
    bytes.splice(33..33, control);
    bytes
}

/// Makes the lossless WebP of 8 x 8 pixels the only frame of an animation.
fn animated_webp(bytes: &[u8]) -> Vec<u8> {
    let chunk = |name: &[u8; 4], content: &[u8]| {
        let padding = vec![0; content.len() % 2];
        [name, &(content.len() as u32).to_le_bytes()[..], content, &padding].concat()
    };
    let image = &bytes[12..];
    assert_eq!(&image[..4], b"VP8L");
    let (size, place) = ([7, 0, 0, 7, 0, 0], [0; 6]);
    let content = [
        b"WEBP".to_vec(),
        chunk(b"VP8X", &[&[2, 0, 0, 0][..], &size].concat()),
        chunk(b"ANIM", &[0; 6]),
        chunk(b"ANMF", &[&place[..], &size, &[100, 0, 0, 2], image].concat()),
    ];
    chunk(b"RIFF", &content.concat())
}

/// Appends a second page to the TIFF, a copy of the first one.
fn tiff_of_two(mut bytes: Vec<u8>) -> Vec<u8> {
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let directory = word(&bytes, 4);
    let next = directory + 2 + 12 * usize::from(u16::from_le_bytes([bytes[directory], bytes[directory + 1]]));
    assert_eq!((&bytes[..2], word(&bytes, next)), (&b"II"[..], 0), "the file does not have one page");
    let (second, end) = (bytes[directory..next + 4].to_vec(), bytes.len().next_multiple_of(2));
    bytes[next..next + 4].copy_from_slice(&(end as u32).to_le_bytes());
    bytes.resize(end, 0);
    bytes.extend(second);
    bytes
}

/// A PNG file that claims to have `side` x `side` pixels.
fn huge_png(side: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    image::ImageEncoder::write_image(encoder, &[0; 3], 1, 1, image::ExtendedColorType::Rgb8).unwrap();
    bytes[16..20].copy_from_slice(&side.to_be_bytes());
    bytes[20..24].copy_from_slice(&side.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[12..29]);
    let sum = crc.sum().to_be_bytes();
    bytes[29..33].copy_from_slice(&sum);
    bytes
}

#[test]
fn invalid_image_folders_are_named() {
    // (damage, exit code, parts of the message). The code is 1 if a file is damaged, 2 if the folder is not an image folder,
    // and 0 if it still is one.
    type Damage = (fn(&Path), i32, &'static [&'static str]);
    let damages: &[Damage] = &[
        (|data| put(&data.join("train/cat/3.png"), "no image"), 1, &["train/cat/3.png", "cannot be decoded"]),
        (|data| put(&data.join("test/dog/1.png"), ""), 1, &["test/dog/1.png", "cannot be decoded"]),
        (
            |data| {
                let path = data.join("train/dog/5.png");
                let whole = fs::read(&path).unwrap();
                put(&path, &whole[..whole.len() - 20]);
            },
            1,
            &["train/dog/5.png", "cannot be decoded", "replace"],
        ),
        (|data| fs::create_dir_all(data.join("train/empty")).unwrap(), 2, &["train/empty", "no image", ".png"]),
        (|data| put(&data.join("test/dog/1.png.txt"), "x"), 0, &[]),
        (|data| fs::remove_dir_all(data.join("test/dog")).unwrap(), 2, &["test", "1 class folder:", "2 to 256"]),
        (|data| paint(&data.join("train/cow/0.png"), (8, 8), [0; 3]), 2, &["class 'cow'", "in train/", "not in test/"]),
        (|data| paint(&data.join("test/cow/0.png"), (8, 8), [0; 3]), 2, &["class 'cow'", "in test/", "not in train/"]),
        (|data| fs::remove_dir_all(data.join("train")).unwrap(), 2, &["--data-dir", "train", "train/CLASS/"]),
        (
            |data| {
                for class in ["cat", "dog"] {
                    fs::remove_dir_all(data.join("train").join(class)).unwrap();
                }
            },
            2,
            &["train", "0 class folders"],
        ),
        (
            |data| paint(&data.join("train/cat/9.png"), (8, 9), [0; 3]),
            2,
            &["train/cat/9.png", "8 x 9", "8 x 8", "resize"],
        ),
        (
            |data| paint(&data.join("train/cat/0.png"), (65, 8), [0; 3]),
            2,
            &["train/cat/0.png", "65 x 8", "64 x 64", "resize"],
        ),
        (
            |data| put(&data.join("train/cat/0.png"), huge_png(60_000)),
            2,
            &["train/cat/0.png", "60000 x 60000", "64 x 64"],
        ),
        (
            // A sparse file, larger than memory.
            |data| fs::File::create(data.join("train/cat/0.png")).unwrap().set_len(1 << 40).unwrap(),
            1,
            &["train/cat/0.png", "longer than 16777216 bytes"],
        ),
    ];
    let home = scratch("folder-damaged");
    let data = home.join("data");
    for (damage, code, parts) in damages {
        small(&data);
        damage(&data);
        if *code == 0 {
            good_info("folder", &data);
        } else {
            assert_refused(&info("folder", &data), *code, parts);
        }
    }
    let out = home.join("run");
    let bare = ["train", "--dataset", "folder", "--out", text(&out)];
    assert_refused(&lastbit(&bare), 2, &["--data-dir", "--dataset folder", "train/CLASS/"]);
    assert!(!out.exists());
}
