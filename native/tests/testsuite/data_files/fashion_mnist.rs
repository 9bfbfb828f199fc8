//! Fashion-MNIST: four IDX files, packed or not.

use std::fs;
use std::path::Path;

use super::{good_info, gzip, info, two_steps};
use crate::common::skip::skip;
use crate::common::{Ended, assert_refused, command, json_lines, lastbit, scratch, text};

const NAMES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// An IDX file: magic number, dimensions, items.
fn idx(magic: u32, dimensions: &[u32], items: &[u8]) -> Vec<u8> {
    let words = std::iter::once(&magic).chain(dimensions).flat_map(|word| word.to_be_bytes());
    words.chain(items.iter().copied()).collect()
}

fn images(n: u32) -> Vec<u8> {
    let pixels: Vec<u8> = (0..n * 784).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    idx(0x0803, &[n, 28, 28], &pixels)
}

fn labels(n: u32) -> Vec<u8> {
    idx(0x0801, &[n], &(0..n).map(|i| (i % 10) as u8).collect::<Vec<_>>())
}

/// The files of 40 training and 8 test images, in the order of [`NAMES`].
fn small() -> [Vec<u8>; 4] {
    [images(40), labels(40), images(8), labels(8)]
}

/// Writes the four files. File `i` is compressed with gzip if `is_packed(i)`.
fn write(folder: &Path, files: &[Vec<u8>; 4], is_packed: fn(usize) -> bool) {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).unwrap();
    for (i, (name, bytes)) in NAMES.iter().zip(files).enumerate() {
        if is_packed(i) {
            fs::write(folder.join(format!("{name}.gz")), gzip(bytes)).unwrap();
        } else {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
}

#[test]
fn packed_unpacked_and_parent_are_the_same_data() {
    let home = scratch("fashion-places");
    let folder = home.join("fashion-mnist");
    let packings: [fn(usize) -> bool; 3] = [|_| true, |_| false, |i| i % 2 == 0];
    let found = packings.map(|is_packed| {
        write(&folder, &small(), is_packed);
        let (inside, parent) = (good_info("fashion-mnist", &folder), good_info("fashion-mnist", &home));
        assert_eq!(inside, parent);
        inside
    });
    assert!(found.iter().all(|info| *info == found[0]));
    let info = &found[0];
    assert_eq!((&info["train"], &info["test"]), (&40.into(), &8.into()));
    assert_eq!(info["shape"], serde_json::json!([1, 32, 32]));
    assert_eq!((&info["mean"][0], &info["std"][0]), (&0.286.into(), &0.353.into()));
    assert_eq!(info["classes"][9], serde_json::json!({ "label": 9, "name": "ankle boot", "train": 4, "test": 0 }));
    // Compressed files are recognised by their content, whatever their name.
    write(&folder, &small().map(|bytes| gzip(&bytes)), |_| false);
    assert_eq!(good_info("fashion-mnist", &folder)["sha256"], info["sha256"]);

    // The user's data folder is searched, too.
    let user = home.join("user");
    write(&user.join("lastbit").join("fashion-mnist"), &small(), |_| true);
    let ended: Ended = command(["data", "info", "fashion-mnist", "--json"])
        .current_dir(scratch("fashion-nowhere"))
        .env("XDG_DATA_HOME", &user)
        .output()
        .unwrap()
        .into();
    let found: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(found["sha256"], info["sha256"]);
}

#[test]
fn it_trains() {
    let home = scratch("fashion-train");
    let (data, out) = (home.join("data"), home.join("run"));
    write(&data, &small(), |_| true);
    let ended = lastbit(&two_steps("fashion-mnist", &data, &out));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // Other images under the published file names, such as MNIST's digits, are reported as not the published ones.
    assert!(ended.out.contains("on fashion-mnist (not the published Fashion-MNIST) with k"), "{ended:?}");
    assert!(ended.err.is_empty(), "{ended:?}");
    for (file, expected) in [
        ("manifest.json", "\"origin\": \"not the published Fashion-MNIST\""),
        ("report.html", "resnet8 on fashion-mnist (not the published Fashion-MNIST)"),
    ] {
        let written = fs::read_to_string(out.join(file)).unwrap();
        assert!(written.contains(expected), "{file}: {written}");
    }
    let steps = json_lines(&out.join("metrics.jsonl"));
    assert!(
        steps.iter().any(|line| line["loss"][0].as_f64().is_some_and(|loss| loss > 0.0 && loss < 20.0)),
        "{steps:?}"
    );
    let one_layer =
        ["train", "--net", "one-layer", "--batch-size", "8", "--dataset", "fashion-mnist", "--data-dir", text(&data)];
    assert_refused(&lastbit(&[&one_layer[..], &["--out", "no-run"]].concat()), 2, &["--net", "two classes", "10"]);
}

#[test]
fn damaged_files_are_named() {
    let home = scratch("fashion-damaged");
    let refused = |index: usize, bytes: &[u8], is_packed: bool, parts: &[&str]| {
        let mut files = small();
        files[index] = bytes.to_vec();
        write(&home, &files, if is_packed { |_| true } else { |_| false });
        assert_refused(&info("fashion-mnist", &home), 1, &[parts, &[NAMES[index]]].concat());
    };
    for is_packed in [true, false] {
        refused(0, b"", is_packed, &["empty"]);
        refused(1, b"<html>", is_packed, &["web page"]);
        refused(2, &labels(8), is_packed, &["0x00000801", "0x00000803"]);
        refused(2, &idx(0x0803, &[1, 32, 32], &[0; 1024]), is_packed, &["32 x 32", "28 x 28"]);
        refused(0, &images(40)[..5000], is_packed, &["5000 bytes", "cut off"]);
        refused(1, &labels(39), is_packed, &["40 images", "39 labels"]);
        refused(3, &idx(0x0801, &[8], &[10; 8]), is_packed, &["label 10"]);
        // Longer than the published file. As gzip, 100 MB of zeros are 100 kB.
        refused(0, &vec![0; 100_000_000], is_packed, &["more than the 47040016 bytes"]);
        refused(3, &[0; 20_000], is_packed, &["more than the 10008 bytes"]);
    }

    write(&home, &small(), |_| true);
    let path = home.join(format!("{}.gz", NAMES[2]));
    let packed = fs::read(&path).unwrap();
    for length in (2..packed.len()).step_by(packed.len() / 20) {
        fs::write(&path, &packed[..length]).unwrap();
        assert_refused(&info("fashion-mnist", &home), 1, &[NAMES[2], "not a whole gzip file", "again"]);
    }
    fs::remove_file(&path).unwrap();
    assert_refused(&info("fashion-mnist", &home), 1, &[NAMES[2], "neither", "lastbit data fetch fashion-mnist"]);
}

#[test]
fn without_files_every_way_to_get_them_is_named() {
    let home = scratch("fashion-none");
    let parts = ["--data-dir", "Fashion-MNIST", "lastbit data fetch fashion-mnist", "dataset-fashion-mnist", NAMES[3]];
    assert_refused(&info("fashion-mnist", &home), 2, &parts);
    assert_refused(&lastbit(&two_steps("fashion-mnist", &home, &home.join("run"))), 2, &parts);
    assert!(!home.join("run").exists());
}

#[test]
fn layouts_of_other_programs_are_found() {
    let home = scratch("fashion-layouts");
    let plain = home.join("plain");
    write(&plain, &small(), |_| false);
    let expected = good_info("fashion-mnist", &plain)["sha256"].clone();
    assert_eq!(good_info("fashion-mnist", &plain)["origin"], "not the published Fashion-MNIST");
    // torchvision's root and the two folders inside it.
    let root = home.join("torchvision");
    write(&root.join("FashionMNIST/raw"), &small(), |i| i % 2 == 0);
    for place in [root.clone(), root.join("FashionMNIST"), root.join("FashionMNIST/raw")] {
        assert_eq!(good_info("fashion-mnist", &place)["sha256"], expected, "{}", place.display());
    }
    // Kaggle's names, and the layout of its unpacked archive: one folder for each file.
    let (dotted, nested) = (home.join("dotted"), home.join("nested"));
    for (name, bytes) in NAMES.iter().zip(&small()) {
        fs::create_dir_all(&dotted).unwrap();
        fs::write(dotted.join(name.replace("-idx", ".idx")), bytes).unwrap();
        fs::create_dir_all(nested.join(name)).unwrap();
        fs::write(nested.join(name).join(name), bytes).unwrap();
    }
    for place in [dotted, nested] {
        assert_eq!(good_info("fashion-mnist", &place)["sha256"], expected, "{}", place.display());
    }
}

#[test]
fn gzip_files_of_several_members_are_whole() {
    let home = scratch("fashion-members");
    write(&home, &small(), |_| true);
    let expected = good_info("fashion-mnist", &home)["sha256"].clone();
    for (name, bytes) in NAMES.iter().zip(&small()) {
        let members: Vec<u8> = bytes.chunks(bytes.len() / 3 + 1).flat_map(gzip).collect();
        fs::write(home.join(format!("{name}.gz")), &members).unwrap();
    }
    assert_eq!(good_info("fashion-mnist", &home)["sha256"], expected);
    // The last member is cut off.
    let path = home.join(format!("{}.gz", NAMES[0]));
    let packed = fs::read(&path).unwrap();
    fs::write(&path, &packed[..packed.len() - 9]).unwrap();
    assert_refused(&info("fashion-mnist", &home), 1, &[NAMES[0], "not a whole gzip file", "again"]);
}

/// Debian's package has the published files, compressed differently.
#[test]
fn the_published_images_are_recognised() {
    let folder = Path::new("/usr/share/datasets/fashion-mnist");
    if !folder.is_dir() {
        return skip("the published Fashion-MNIST (install Debian's package dataset-fashion-mnist)");
    }
    assert_eq!(good_info("fashion-mnist", folder)["origin"], "the published Fashion-MNIST");
    let out = scratch("fashion-published").join("run");
    let ended = lastbit(&[&two_steps("fashion-mnist", folder, &out)[..], &["--test-limit", "16"]].concat());
    assert!(ended.code == Some(0) && ended.out.contains("on fashion-mnist with k"), "{ended:?}");
    let manifest = fs::read_to_string(out.join("manifest.json")).unwrap();
    assert!(manifest.contains("\"origin\": \"the published Fashion-MNIST\""), "{manifest}");
}
