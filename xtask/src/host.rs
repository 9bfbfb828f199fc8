//! What this machine is and has, found on the machine itself, never in a list kept here.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process;

/// How missing programs are installed on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packages {
    /// Debian as root: `apt-get install` works.
    DebianRoot,
    /// Debian, not as root: `sudo apt-get install` is the user's decision.
    Debian,
    /// Another system: the user installs them.
    Other,
}

/// How missing programs are installed on this machine.
pub fn packages() -> Packages {
    let os_release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    if !os_release.lines().any(|line| line == "ID=debian") {
        return Packages::Other;
    }
    let user = process::capture(&mut process::command("id", &["-u"]), Duration::from_secs(10));
    if user.is_ok_and(|id| id.trim() == "0") { Packages::DebianRoot } else { Packages::Debian }
}

/// Cargo's target folder, wherever the user's configuration puts it.
pub fn target_dir() -> Result<&'static Path> {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(found);
    }
    let mut cargo = process::command("cargo", &["metadata", "--no-deps", "--format-version", "1"]);
    let metadata = process::capture(&mut cargo, Duration::from_secs(300))?;
    let metadata: serde_json::Value =
        serde_json::from_str(&metadata).context("cannot parse the output of `cargo metadata`")?;
    let folder = metadata["target_directory"].as_str().context("`cargo metadata` names no target_directory")?;
    Ok(FOUND.get_or_init(|| PathBuf::from(folder)))
}

/// Chromium or Chrome: the file that CHROMIUM names, else one on the PATH, else one among macOS's applications.
pub fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Some(PathBuf::from(named));
    }
    let mac = [
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ];
    process::find_program(&["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"])
        .or_else(|| mac.iter().map(PathBuf::from).find(|file| file.is_file()))
}

/// The Vulkan driver file of the SwiftShader that comes with `chromium`, if there is one.
pub fn swiftshader(chromium: &Path) -> Option<PathBuf> {
    // The program on the PATH is a link or a script. Its files lie beside the real program, in one of the distributions' folders.
    let beside = fs::canonicalize(chromium).ok().and_then(|file| file.parent().map(Path::to_path_buf));
    let distributions = [
        "/usr/lib/chromium",
        "/usr/lib64/chromium",
        "/usr/lib/chromium-browser",
        "/usr/lib64/chromium-browser",
        "/opt/google/chrome",
    ];
    let folders = beside.into_iter().chain(distributions.iter().map(PathBuf::from));
    folders.map(|folder| folder.join("vk_swiftshader_icd.json")).find(|file| file.is_file())
}

/// The Vulkan driver file of Mesa's driver for AMD GPUs, if it is installed.
pub fn radv() -> Option<PathBuf> {
    installed_drivers().into_iter().find(|file| is_driver(file, "radeon_icd"))
}

/// True if the machine has the programs of a Slurm cluster, also where only administrators look for them.
pub fn has_slurm() -> bool {
    let is_there = |name| process::find_program(&[name]).is_some() || Path::new("/usr/sbin").join(name).is_file();
    ["munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol"].into_iter().all(is_there)
}

/// True if Vulkan finds llvmpipe, Mesa's software GPU. Always true on systems other than Linux, where no test uses it.
pub fn has_llvmpipe() -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    // If one of these is set, the loader looks nowhere else.
    let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].iter().find_map(std::env::var_os);
    let drivers = named.map_or_else(installed_drivers, |files| std::env::split_paths(&files).collect());
    has_library("libvulkan.so.1") && drivers.iter().any(|file| is_driver(file, "lvp_icd"))
}

/// The driver files in the default folders of Vulkan's loader.
fn installed_drivers() -> Vec<PathBuf> {
    let folders = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let files = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    files.map(|file| file.path()).collect()
}

/// True if the file's name begins with `start`; the rest of the name may hold the machine's architecture.
fn is_driver(file: &Path, start: &str) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start))
}

fn has_library(name: &str) -> bool {
    let triple = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let folders = [triple.as_str(), "/usr/lib64", "/usr/lib", "/usr/local/lib"];
    folders.iter().any(|folder| Path::new(folder).join(name).exists())
}

/// A Python with PyTorch: the one that LASTBIT_PYTHON names, else python3 on the PATH, else the one in /usr/bin.
pub fn torch() -> Option<PathBuf> {
    let named = std::env::var_os("LASTBIT_PYTHON").map(PathBuf::from);
    let known = named.into_iter().chain(process::find_program(&["python3"])).chain([PathBuf::from("/usr/bin/python3")]);
    known.into_iter().find(|python| process::succeeds(python, &["-c", "import torch"]))
}

/// The Python of the virtual environment that set-up creates for the tests.
pub fn test_python() -> Result<PathBuf> {
    let scripts = if cfg!(windows) { "Scripts" } else { "bin" };
    let name = format!("python{}", std::env::consts::EXE_SUFFIX);
    Ok(target_dir()?.join("test-python").join(scripts).join(name))
}

/// A Python that can create a virtual environment with pip; Debian's own needs python3-venv for it.
pub fn venv_python() -> Option<PathBuf> {
    let known = process::find_program(&["python3", "python"]).into_iter().chain([PathBuf::from("/usr/bin/python3")]);
    known.into_iter().find(|python| process::succeeds(python, &["-c", "import ensurepip, venv"]))
}

/// The module that reads event files as TensorBoard does.
pub const TENSORBOARD: [&str; 1] = ["tensorboard"];
/// The modules that check the Python reader, execute the notebook and the examples of the documents, and read exports. PyPI's packages have the same names.
pub const NOTEBOOK: [&str; 10] =
    ["numpy", "matplotlib", "nbclient", "ipykernel", "mypy", "pyarrow", "pandas", "polars", "duckdb", "hatchling"];
/// The module that has the schemas of the files that GitHub reads.
pub const SCHEMAS: [&str; 1] = ["check_jsonschema"];

/// A Python that has all of `modules`: the one in the tests' environment, else python3 on the PATH. The reader needs Python 3.11.
pub fn python_with(modules: &[&str]) -> Result<Option<PathBuf>> {
    const HAS_ALL: &str = "import sys, importlib.util as util\n\
        sys.exit(sys.version_info < (3, 11) or any(util.find_spec(name) is None for name in sys.argv[1:]))";
    let known = [Some(test_python()?), process::find_program(&["python3"])];
    let arguments = [&["-c", HAS_ALL], modules].concat();
    Ok(known.into_iter().flatten().find(|python| process::succeeds(python, &arguments)))
}

/// True if a desktop can show a page to a person: not in CI, and with a display.
pub fn is_desktop() -> bool {
    let has = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !has("CI") && (cfg!(any(target_os = "macos", windows)) || has("DISPLAY") || has("WAYLAND_DISPLAY"))
}

/// The path of npm, which is a script on Windows.
pub fn npm() -> Option<PathBuf> {
    process::find_program(&[if cfg!(windows) { "npm.cmd" } else { "npm" }])
}

/// Node.js's major version, if it is installed.
pub fn node_major() -> Option<u32> {
    let version = process::capture(&mut process::command("node", &["--version"]), Duration::from_secs(30)).ok()?;
    major_of(&version)
}

fn major_of(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_run_runs_lastbit() {
        // Without an installed program the documents' commands begin with `cargo run --release --`.
        let mut cargo = process::command("cargo", &["metadata", "--no-deps", "--format-version", "1"]);
        let metadata = process::capture(&mut cargo, Duration::from_secs(300)).unwrap();
        let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
        let members = metadata["workspace_default_members"].as_array().unwrap();
        let is_lastbit = |id: &serde_json::Value| id.as_str().is_some_and(|id| id.contains("/native#"));
        assert!(members.len() == 1 && is_lastbit(&members[0]), "{members:?}");
    }

    #[test]
    fn drivers_are_known_by_their_files() {
        let is_llvmpipe = |file: &str| is_driver(&Path::new("/usr/share/vulkan/icd.d").join(file), "lvp_icd");
        assert!(is_llvmpipe("lvp_icd.x86_64.json") && is_llvmpipe("lvp_icd.json"));
        assert!(!is_llvmpipe("nvidia_icd.json") && !is_llvmpipe("radeon_icd.x86_64.json"));
    }

    #[test]
    fn node_versions_are_read() {
        assert_eq!(major_of("v20.20.2\n"), Some(20));
        assert_eq!(major_of("v8.0.0"), Some(8));
        assert_eq!(major_of("command not found"), None);
    }
}
