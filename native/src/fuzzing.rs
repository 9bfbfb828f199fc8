//! Entry points for untrusted bytes: one function for each kind of input, called by the fuzz targets (`fuzz/`) and by the tests
//! of hostile input. None may panic, whatever the bytes are. Not for other use.

use std::path::Path;
use std::sync::OnceLock;

use lastbit_core::data::{DatasetFiles, cifar10, fashion_mnist};
use lastbit_core::nets::{NetKind, Network};
use lastbit_core::ops::{Activation, Shape};
use lastbit_core::train::checkpoint::{CheckpointError, decode_state, decode_tensor, decode_weights, tensor_dims};
use lastbit_core::train::{DatasetKind, TrainConfig, decode_outputs};

use crate::run::{CheckpointManifest, Manifest, parse_summary};
use crate::run_config::{CheckpointEvery, ConfigFile, FlipBitText, RunConfig, parse_table};
use crate::value_parsers::{real, whole};
use crate::{datasets, export, report};

/// The name of a kind of input, and the function that reads it.
pub type Target = (&'static str, fn(&[u8]));

/// Every kind of input, by the name of its fuzz target.
pub const TARGETS: [Target; 11] = [
    ("config", config),
    ("values", values),
    ("safetensors", safetensors),
    ("manifest", manifest),
    ("report", report),
    ("cifar10", cifar10),
    ("archive", archive),
    ("dataset_files", dataset_files),
    ("idx", idx),
    ("gzip", gzip),
    ("image", image),
];

/// Runs the target with this name on `bytes`.
///
/// # Panics
/// If no target has this name, or if the code behind it has a defect.
pub fn run(target: &str, bytes: &[u8]) {
    let found = TARGETS.iter().find(|(name, _)| *name == target);
    found.unwrap_or_else(|| panic!("no target '{target}'")).1(bytes);
}

fn text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // The part before the first invalid byte.
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}

/// A config file. An accepted one is the same after it is written and read again.
fn config(bytes: &[u8]) {
    let Ok(table) = parse_table(text(bytes), Path::new("config.toml")) else { return };
    let config = RunConfig::from_table(&table, "config.toml");
    // `ConfigFile` reads key by key, to find the line of a bad one. It must accept the same texts.
    let file = ConfigFile::parse(text(bytes).to_owned(), Path::new("config.toml"));
    assert_eq!(file.map(drop).map_err(drop), config.as_ref().map(drop).map_err(drop));
    let Ok(config) = config else { return };
    let _ = (config.train.validate(), config.train.controls(), config.continued(&table, Path::new("run")));
    let written = config.to_text().unwrap_or_else(|failure| panic!("{failure}"));
    let again = parse_table(&written, Path::new("config.toml")).and_then(|table| RunConfig::from_table(&table, ""));
    // As text, because NaN does not equal itself.
    let shown = |config: &RunConfig| format!("{config:?}");
    assert_eq!(again.map(|again| shown(&again)).map_err(|failure| failure.to_string()), Ok(shown(&config)));
}

/// The values of flags. An accepted one is the same after it is written and parsed again.
fn values(bytes: &[u8]) {
    fn survives<T: std::str::FromStr + std::fmt::Display + PartialEq + std::fmt::Debug>(text: &str) {
        if let Ok(value) = text.parse::<T>() {
            assert_eq!(value.to_string().parse::<T>().ok(), Some(value), "'{text}'");
        }
    }
    let text = text(bytes);
    let _ = (real(text), whole::<u64>(text), whole::<u32>(text));
    survives::<NetKind>(text);
    survives::<Activation>(text);
    survives::<DatasetKind>(text);
    survives::<CheckpointEvery>(text);
    survives::<FlipBitText>(text);
    if let Ok(net) = text.parse::<NetKind>() {
        let side = u32::from(bytes.len() as u8);
        let _ = net.build(Shape::new(3, side, side), 10, Activation::Relu, 1.0);
    }
}

fn network() -> &'static Network {
    static NETWORK: OnceLock<Network> = OnceLock::new();
    NETWORK.get_or_init(|| {
        let built = NetKind::ResNet { depth: 8 }.build(Shape::new(3, 32, 32), 10, Activation::Relu, 0.25);
        built.unwrap_or_else(|error| panic!("{error}"))
    })
}

/// Weights, single tensors, and a checkpoint in which every file has these bytes.
fn safetensors(bytes: &[u8]) {
    let _ = decode_weights(network(), "file", bytes);
    let _ = decode_outputs(bytes);
    for (name, _) in tensor_dims("file", bytes).into_iter().flatten().take(16) {
        let _ = decode_tensor("file", bytes, &name);
    }
    let config = TrainConfig { ks: vec![1], ..TrainConfig::default() };
    let _ = decode_state(network(), &config, |_| Ok::<_, CheckpointError>(bytes.to_vec()));
}

/// The manifests of a run and of a checkpoint, and a run's summary. An accepted checkpoint manifest is written with the same
/// bytes.
fn manifest(bytes: &[u8]) {
    if let Some(manifest) = Manifest::parse(bytes) {
        let _ = manifest.config_changes(&RunConfig::default());
    }
    let _ = parse_summary(text(bytes)).map(|summary| summary.finished_step(&TrainConfig::default()));
    if let Ok(manifest) = CheckpointManifest::parse(bytes) {
        assert_eq!(manifest.to_text().as_bytes(), bytes);
    }
}

/// The report of a run folder. Its metrics, summary, manifest and compared ends are separated by NUL bytes.
fn report(bytes: &[u8]) {
    let mut parts = bytes.splitn(4, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let (metrics, summary, manifest, ends) = (part(), part(), part(), part());
    report::of_bytes(metrics, summary, manifest, ends);
    export::of_bytes(metrics);
}

fn cifar10(bytes: &[u8]) {
    if let Ok(set) = cifar10::parse("data_batch_1.bin", bytes) {
        assert_eq!(set.pixels.len(), set.len() * 3072);
    }
}

fn archive(bytes: &[u8]) {
    datasets::unpack_archive(bytes);
}

/// A file dropped on the page, under each kind of name.
fn dataset_files(bytes: &[u8]) {
    for name in ["a.tar.gz", "data_batch_1.bin", "train-images", "train-labels"] {
        let mut files = DatasetFiles::default();
        if let Ok(added) = files.add(name, bytes.to_vec()) {
            assert!(!added.is_empty());
            // Add the files of Fashion-MNIST's training set that the bytes did not give.
            let [images, labels, ..] = &fashion_mnist::FILES;
            for file in [images, labels].into_iter().filter(|file| added.iter().all(|own| own.file != file.name)) {
                let result = files.add(file.name, one_item(file.name));
                result.unwrap_or_else(|error| panic!("{error}"));
            }
            let _ = (files.dataset("cifar10"), files.dataset("fashion-mnist"));
        }
    }
}

/// One of Fashion-MNIST's four files, which the first byte selects; the others hold one image.
fn idx(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let mut files = fashion_mnist::FILES.each_ref().map(|file| (file.name.to_owned(), one_item(file.name)));
    files[usize::from(*which) % 4].1 = bytes.to_vec();
    if let Ok(dataset) = fashion_mnist::dataset(&files) {
        assert_eq!(dataset.train.pixels.len(), dataset.train.len() * 1024);
    }
}

fn one_item(name: &str) -> Vec<u8> {
    let is_images = name.contains("images");
    let words: &[u32] = if is_images { &[0x0803, 1, 28, 28] } else { &[0x0801, 1] };
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    bytes.resize(bytes.len() + if is_images { 784 } else { 1 }, 0);
    bytes
}

fn gzip(bytes: &[u8]) {
    datasets::unpack_idx(bytes);
}

fn image(bytes: &[u8]) {
    datasets::decode_image(bytes);
}
