//! Gets Fashion-MNIST from Debian's package without root: downloads the package and unpacks it into the checkout's data folder.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{host, process};

const LIMIT: Duration = Duration::from_secs(10 * 60);
const PACKAGE: &str = "dataset-fashion-mnist";

/// Downloads the package, with apt's lists and cache in a temporary folder, and copies its images to `data/fashion-mnist/`.
pub fn download() -> Result<()> {
    let work = host::target_dir()?.join("apt");
    let at = |name: &str| work.join(name).display().to_string();
    for folder in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(work.join(folder)).with_context(|| format!("cannot create {}", at(folder)))?;
    }
    let options = [
        format!("Dir::State={}", at("")),
        format!("Dir::State::Lists={}", at("lists")),
        "Dir::State::status=/var/lib/dpkg/status".to_owned(),
        format!("Dir::Cache={}", at("cache")),
    ];
    let apt_get = |arguments: &[&str]| {
        let mut command = process::command("apt-get", arguments);
        command.args(options.iter().flat_map(|option| ["-o", option]));
        process::run(command.current_dir(&work), LIMIT)
    };
    println!("demo: downloading the images of Debian's {PACKAGE}");
    apt_get(&["update", "--quiet"])?;
    apt_get(&["download", "--quiet", PACKAGE])?;
    let is_package = |path: &Path| path.extension().is_some_and(|extension| extension == "deb");
    let mut files = fs::read_dir(&work)?.flatten().map(|file| file.path());
    let package = files.find(|path| is_package(path)).context("`apt-get download` wrote no package")?;
    let unpacked = work.join("unpacked");
    let mut unpack = process::command("dpkg-deb", &["--extract"]);
    process::run(unpack.arg(&package).arg(&unpacked), LIMIT)?;
    let target = process::root().join("data/fashion-mnist");
    fs::create_dir_all(&target).with_context(|| format!("cannot create {}", target.display()))?;
    for file in fs::read_dir(unpacked.join("usr/share/datasets/fashion-mnist"))?.flatten() {
        fs::copy(file.path(), target.join(file.file_name())).context("cannot copy the images")?;
    }
    fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))
}
