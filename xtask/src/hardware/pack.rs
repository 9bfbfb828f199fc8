//! `cargo xtask hardware pack`: builds everything that a machine with a GPU and without Rust needs, and puts it into one folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{archive, images, stamp};
use crate::{host, process};

const BUILD_LIMIT: Duration = Duration::from_secs(90 * 60);
const LIMIT: Duration = Duration::from_secs(60);
/// Name of the programs' archive. A program beside which it lies is the runner of a packed folder.
const PROGRAMS: &str = "programs.tar.lz";
/// Name of the packed folder below cargo's target folder.
const FOLDER: &str = "lastbit-hardware";
/// What [`PROGRAMS`] holds, apart from the test programs; PyTorch's program finds its modules by these paths.
const PYTHON: [&str; 3] = ["peers/pytorch/peer.py", "native/tests/pytorch/exchange.py", "native/tests/pytorch/nets.py"];
/// Folders and files that [`unpack`] replaces.
const UNPACKED: [&str; 3] = ["tests", "peers", "native"];

/// A program of core's tests.
pub struct TestProgram {
    /// Its name, as cargo knows it.
    pub name: &'static str,
    /// Only tests whose name contains this text concern an adapter; empty for all.
    pub filter: &'static str,
}

/// The programs whose tests make sense on a GPU, those that find most first.
pub const TESTS: [TestProgram; 8] = [
    TestProgram { name: "self_test", filter: "" },
    TestProgram { name: "device", filter: "" },
    TestProgram { name: "bit_rules", filter: "" },
    TestProgram { name: "whole_net", filter: "" },
    TestProgram { name: "processor", filter: "shaders_" },
    TestProgram { name: "pde", filter: "" },
    TestProgram { name: "memory", filter: "" },
    TestProgram { name: "ops", filter: "" },
];

/// Builds, packs, and prints what to do with the folder. Arguments: `[FOLDER] [--data PATH]`.
pub fn run(arguments: &[String]) -> Result<()> {
    let (folder, data) = parse(arguments)?;
    let folder = match folder {
        Some(folder) => folder,
        None => host::target_dir()?.join(FOLDER),
    };
    let bytes = pack(&folder, data.as_deref())?;
    let name =
        folder.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned());
    let sep = std::path::MAIN_SEPARATOR;
    let images =
        if data.is_some() { "" } else { " and no images, so that runs train on made-up ones (--data PATH packs some)" };
    let lines = [
        (format!("scp -r {} SERVER:", folder.display()), "copies it to the machine with the GPU"),
        (format!("{name}{sep}run RESULTS"), "there: measures for about 20 minutes"),
        (format!("{name}{sep}run help"), "there: lists the stages and flags"),
        ("scp -r SERVER:RESULTS .".to_owned(), "brings the results back"),
        ("cargo xtask hardware report RESULTS".to_owned(), "here: turns them into text"),
    ];
    let width = lines.iter().map(|(line, _)| line.len()).max().unwrap_or(0);
    println!("\n{} holds {:.1} MB{images}. Next:\n", folder.display(), bytes as f64 / 1e6);
    for (line, what) in lines {
        println!("    {line:<width$}  # {what}");
    }
    println!(
        "\nThat machine needs {} and the Vulkan driver of its GPU. The stage `peers` also uses python3 with PyTorch, if it is there.",
        needs()
    );
    Ok(())
}

fn parse(arguments: &[String]) -> Result<(Option<PathBuf>, Option<PathBuf>)> {
    let (mut folder, mut data) = (None, None);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--data" => data = Some(std::path::absolute(words.next().context("--data needs a path")?)?),
            flag if flag.starts_with('-') => bail!("hardware pack has no flag {flag}; see `cargo xtask help`"),
            path if folder.is_none() => folder = Some(std::path::absolute(path)?),
            path => bail!("hardware pack takes one folder, not also '{path}'"),
        }
    }
    Ok((folder, data))
}

/// The system that the packed programs need.
fn needs() -> String {
    let system = format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH);
    let version = process::capture(&mut process::command("getconf", &["GNU_LIBC_VERSION"]), LIMIT);
    match version.ok().filter(|_| cfg!(target_os = "linux")) {
        Some(version) => format!("{system} with {} or later", version.trim()),
        None => system,
    }
}

/// Packs into `folder`, in place of an earlier packed folder. Returns the size in bytes.
///
/// # Errors
/// If something else is in the folder, if a build fails, or if there are no images at `data`.
pub fn pack(folder: &Path, data: Option<&Path>) -> Result<u64> {
    if folder.exists() {
        let is_free = folder.join(PROGRAMS).is_file() || fs::read_dir(folder).is_ok_and(|mut all| all.next().is_none());
        ensure!(is_free, "'{}' exists and is no packed folder: name another one", folder.display());
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let built = built()?;
    let strip = process::find_program(&["strip"]);
    if strip.is_none() {
        println!("hardware: no program `strip` is on the PATH, so the programs keep their symbols");
    }
    // Stripped copies, in a folder that the archive is made from.
    let copies = host::target_dir()?.join("lastbit-hardware-programs");
    fs::create_dir_all(&copies).with_context(|| format!("cannot create {}", copies.display()))?;
    let copied = |program: &Path, name: &str| -> Result<PathBuf> {
        let copy = copies.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        fs::copy(program, &copy).with_context(|| format!("cannot copy {}", program.display()))?;
        if let Some(strip) = &strip {
            process::run(Command::new(strip).arg(&copy), LIMIT)?;
        }
        Ok(copy)
    };
    let exe = std::env::consts::EXE_SUFFIX;
    let mut contents = vec![(copied(&built.lastbit, "lastbit")?, format!("lastbit{exe}"))];
    for (name, program) in &built.tests {
        contents.push((copied(program, &format!("test-{name}"))?, format!("tests/{name}{exe}")));
    }
    contents.extend(PYTHON.map(|file| (process::root().join(file), file.to_owned())));
    archive::pack(&folder.join(PROGRAMS), &contents)?;
    let runner = copied(&built.xtask, "run")?;
    fs::copy(&runner, folder.join(format!("run{exe}"))).context("cannot copy the runner")?;
    fs::remove_dir_all(&copies).with_context(|| format!("cannot remove {}", copies.display()))?;
    if let Some(data) = data {
        images::pack(data, folder, |dataset, path| {
            let mut info = process::command(&built.lastbit, &["data", "info", dataset, "--data-dir"]);
            process::run(info.arg(path), LIMIT * 10)
        })?;
    }
    Ok(bytes_in(folder)?)
}

/// Bytes of all files in a folder.
fn bytes_in(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { bytes_in(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

/// Programs with the release profile.
struct Built {
    lastbit: PathBuf,
    xtask: PathBuf,
    tests: Vec<(String, PathBuf)>,
}

fn built() -> Result<Built> {
    for package in ["lastbit", "xtask"] {
        let mut cargo = process::command("cargo", &["build", "--release", "--quiet", "--package", package]);
        process::run(&mut cargo, BUILD_LIMIT)?;
    }
    let mut cargo =
        process::command("cargo", &["test", "--release", "--quiet", "--no-run", "--package", "lastbit-core"]);
    cargo.arg("--message-format=json").args(TESTS.iter().flat_map(|test| ["--test", test.name]));
    println!("$ {}", process::line_of(&cargo));
    let tests = executables(&process::capture(&mut cargo, BUILD_LIMIT)?);
    for test in &TESTS {
        ensure!(tests.iter().any(|(name, _)| name == test.name), "cargo built no test program '{}'", test.name);
    }
    let release = |name: &str| -> Result<PathBuf> {
        Ok(host::target_dir()?.join("release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
    };
    Ok(Built { lastbit: release("lastbit")?, xtask: release("xtask")?, tests })
}

/// Names and paths of the test programs in cargo's messages.
fn executables(messages: &str) -> Vec<(String, PathBuf)> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let found = messages.filter_map(|message| {
        let is_test = message["target"]["kind"].as_array()?.iter().any(|kind| kind == "test");
        let name = message["target"]["name"].as_str().filter(|_| is_test)?;
        Some((name.to_owned(), PathBuf::from(message["executable"].as_str()?)))
    });
    found.collect()
}

/// True if this program is the runner of a packed folder.
pub fn is_packed() -> bool {
    here().is_ok_and(|folder| folder.join(PROGRAMS).is_file())
}

/// The packed folder that this program lies in.
pub fn here() -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot find the path of this program")?;
    Ok(program.parent().context("this program lies in no folder")?.to_owned())
}

/// Path of the packed folder's runner.
pub fn runner(folder: &Path) -> PathBuf {
    folder.join(format!("run{}", std::env::consts::EXE_SUFFIX))
}

/// Path of lastbit's program among the unpacked ones.
pub fn program(work: &Path) -> PathBuf {
    work.join(format!("lastbit{}", std::env::consts::EXE_SUFFIX))
}

/// Unpacks the programs of this folder into `work`, unless they are there.
pub fn unpack(work: &Path) -> Result<()> {
    fs::create_dir_all(work)
        .with_context(|| format!("cannot create {} (--work FOLDER names another place)", work.display()))?;
    let archive = here()?.join(PROGRAMS);
    stamp::once(&archive, &program(work), || {
        for folder in UNPACKED.map(|name| work.join(name)).into_iter().filter(|folder| folder.exists()) {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        archive::unpack(&archive, work)
    })
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Scratch;
    use super::*;

    #[test]
    fn arguments_are_read() {
        let parse = |line: &str| parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(parse("").unwrap(), (None, None));
        let (folder, data) = parse("out --data /images").unwrap();
        assert!(folder.unwrap().is_absolute() && data.unwrap().ends_with("images"));
        for (line, named) in [("a b", "'b'"), ("--data", "needs a path"), ("--images x", "--images")] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(named), "{line}: {error}");
        }
    }

    #[test]
    fn test_programs_are_found_in_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"lastbit_core","kind":["lib"]},"executable":null}
            not JSON
            {"reason":"compiler-artifact","target":{"name":"ops","kind":["test"]},"executable":"/t/ops-1"}
            {"reason":"build-finished","success":true}"#;
        assert_eq!(executables(messages), [("ops".to_owned(), PathBuf::from("/t/ops-1"))]);
    }

    #[test]
    fn what_is_packed_exists() {
        let root = process::root();
        for test in &TESTS {
            let file = root.join("core/tests").join(format!("{}.rs", test.name));
            let folder = root.join("core/tests").join(test.name).join("main.rs");
            assert!(file.is_file() || folder.is_file(), "{}", test.name);
        }
        assert!(PYTHON.iter().all(|file| root.join(file).is_file()));
        // A filter that matches no test would test nothing.
        let twins = include_str!("../../../core/tests/processor/twins.rs");
        assert!(TESTS.iter().any(|test| test.name == "processor" && twins.contains(&format!("fn {}", test.filter))));
    }

    #[test]
    fn a_folder_of_something_else_is_left_alone() {
        let scratch = Scratch::new("pack");
        fs::write(scratch.path().join("thesis.tex"), "words").unwrap();
        let error = pack(scratch.path(), None).unwrap_err().to_string();
        assert!(error.contains("exists and is no packed folder"), "{error}");
        assert!(scratch.path().join("thesis.tex").is_file());
    }
}
