//! Shared by the tests of the program: running it, scratch folders, and the files of a run.

pub mod child;
pub mod skip;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A run that takes about a second on any adapter. An epoch has 8 steps.
pub const SMALL: &[&str] = &[
    "train",
    "--net",
    "resnet8",
    "--width",
    "0.25",
    "--dataset",
    "synthetic",
    "--batch-size",
    "8",
    "--train-limit",
    "64",
    "--test-limit",
    "16",
    "--ks",
    "1,3,2",
];

/// Figure 2 at a tiny size: six runs.
pub const FIG2: &[&str] = &[
    "reproduce",
    "fig2",
    "--quick",
    "--net",
    "resnet8",
    "--dataset",
    "synthetic",
    "--batch-size",
    "4",
    "--ns",
    "2",
    "--steps",
    "6",
    "--test-limit",
    "16",
    "--perturbation",
    "divide,nextafter",
];

/// A command that runs the program with `arguments`.
pub fn command<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastbit"));
    command.args(arguments).env_remove("RUST_BACKTRACE");
    command
}

/// Begins the program's warning that Vulkan does not find the machine's GPU.
const HIDDEN_GPU: &str = "this machine seems to have a GPU";

/// The output and exit code of the program. Without the warning of [`HIDDEN_GPU`], which depends on the machine only.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let lines = text(&output.stderr);
        let err = lines.split_inclusive('\n').filter(|line| !line.contains(HIDDEN_GPU)).collect();
        Self { code: output.status.code(), out: text(&output.stdout), err }
    }
}

/// Runs the program to its end.
pub fn lastbit(arguments: &[&str]) -> Ended {
    command(arguments).output().unwrap().into()
}

/// Runs [`SMALL`] with more flags and expects success.
pub fn train(flags: &[&str], out: &Path) -> Ended {
    let ended = lastbit(&[SMALL, flags, &["--out", text(out)]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// An empty folder for one test.
pub fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// The files that are equal in equal runs: metrics, initial weights, and the checkpoints of `steps`. Keys are paths in the run.
pub fn equal_files(run: &Path, steps: &[u64]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut add = |path: PathBuf| {
        let name = path.strip_prefix(run).unwrap().display().to_string();
        files.insert(name, std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
    };
    add(run.join("metrics.jsonl"));
    add(run.join("init.safetensors"));
    for step in steps {
        let folder = run.join(format!("checkpoint/step-{step:06}"));
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        entries.for_each(|entry| add(entry.unwrap().path()));
    }
    files
}

/// The files in a folder by name, without those in its folders.
pub fn files_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    entries
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()))
        .collect()
}

/// The names in a folder, sorted.
pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The text in an element of a page.
pub fn words(node: roxmltree::Node) -> String {
    node.descendants().filter(roxmltree::Node::is_text).filter_map(|node| node.text()).collect()
}

/// Compares two runs file by file. Panics with the names of the files that differ.
pub fn assert_equal_runs(a: &Path, b: &Path, steps: &[u64]) {
    let (a, b) = (equal_files(a, steps), equal_files(b, steps));
    assert!(a.keys().eq(b.keys()), "{:?} against {:?}", a.keys(), b.keys());
    let different: Vec<_> = a.keys().filter(|name| a[*name] != b[*name]).collect();
    assert!(different.is_empty(), "these differ: {different:?}");
}

/// Copies a folder with its content.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy_folder(&path, &target) } else { std::fs::copy(&path, &target).map(drop).unwrap() }
    }
}

/// The text of a run's manifest with its checksum recomputed.
pub fn with_checksum(manifest: &str) -> String {
    use sha2::{Digest, Sha256};

    let (before, rest) = manifest.rsplit_once("\"sha256\": \"").unwrap();
    let after = &rest[64..];
    let empty = format!("{before}\"sha256\": \"{after}");
    format!("{before}\"sha256\": \"{:x}{after}", Sha256::digest(empty))
}

/// SplitMix64 (Steele, Lea, Flood 2014): the choices are the same whenever a test runs.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// The parsed lines of a JSON-lines file.
pub fn json_lines(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// Checks that the command ended with exit code `code` and one error line that contains all of `parts`.
pub fn assert_refused(ended: &Ended, code: i32, parts: &[&str]) {
    let lines: Vec<_> = ended.err.lines().collect();
    assert!(lines.len() == 1 && lines[0].starts_with("error: "), "not one error line: {ended:?}");
    assert!(!lines[0].contains("defect") && !lines[0].contains("panicked"), "{ended:?}");
    for part in parts {
        assert!(lines[0].contains(part), "'{part}' is missing: {}", lines[0]);
    }
    assert_eq!(ended.code, Some(code), "{ended:?}");
}
