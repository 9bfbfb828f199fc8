//! Data sets from files: where they are found, what they contain, and the errors for damaged and foreign files.

mod cifar10;
mod fashion_mnist;
mod folder;
mod info;

use std::path::Path;

use crate::common::{Ended, lastbit, text};

/// Runs `data info` on a data set.
fn info(name: &str, data: &Path) -> Ended {
    lastbit(&["data", "info", name, "--json", "--data-dir", text(data)])
}

/// The output of `data info` for a data set that is found.
fn good_info(name: &str, data: &Path) -> serde_json::Value {
    let ended = info(name, data);
    assert!(ended.code == Some(0) && ended.err.is_empty(), "{ended:?}");
    serde_json::from_str(&ended.out).unwrap()
}

/// The command line of a run of two steps.
fn two_steps<'a>(dataset: &'a str, data: &'a Path, out: &'a Path) -> Vec<&'a str> {
    let mut flags = vec!["train", "--net", "resnet8", "--width", "0.25", "--batch-size", "8", "--ks", "1,3"];
    flags.extend(["--dataset", dataset, "--data-dir", text(data), "--out", text(out), "--steps", "2"]);
    flags
}

/// Compresses bytes to a gzip file.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}
