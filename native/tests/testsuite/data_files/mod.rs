//! Data sets from files: where they are found, what is in them, and the errors for files that are damaged or something
//! else.

mod cifar10;
mod fashion_mnist;
mod folder;
mod info;

use std::fs;
use std::path::Path;

use crate::common::{Ended, lastbit, text};

/// What `data info` says of a data set.
fn info(name: &str, data: &Path) -> Ended {
    lastbit(&["data", "info", name, "--json", "--data-dir", text(data)])
}

/// The same, for one that is there.
fn good_info(name: &str, data: &Path) -> serde_json::Value {
    let ended = info(name, data);
    assert!(ended.code == Some(0) && ended.err.is_empty(), "{ended:?}");
    serde_json::from_str(&ended.out).unwrap()
}

/// A run of two steps.
fn two_steps<'a>(dataset: &'a str, data: &'a Path, out: &'a Path) -> Vec<&'a str> {
    let mut flags = vec!["train", "--net", "resnet8", "--width", "0.25", "--batch-size", "8", "--ks", "1,3"];
    flags.extend(["--dataset", dataset, "--data-dir", text(data), "--out", text(out), "--steps", "2"]);
    flags
}

/// Bytes as a gzip file.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

/// Names in a folder, sorted.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
