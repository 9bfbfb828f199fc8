//! What this machine is and has: asked of the machine itself, never of a list kept here.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process;

/// How missing programs can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packages {
    /// `apt-get install` works as it is.
    DebianRoot,
    /// `sudo apt-get install` would, but that is the user's to say.
    Debian,
    /// By the user's own means.
    Other,
}

/// The kind of machine this is.
pub fn packages() -> Packages {
    let os_release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    if !os_release.lines().any(|line| line == "ID=debian") {
        return Packages::Other;
    }
    let user = process::capture(&mut process::command("id", &["-u"]), Duration::from_secs(10));
    if user.is_ok_and(|id| id.trim() == "0") { Packages::DebianRoot } else { Packages::Debian }
}

/// The folder that cargo builds into, wherever the user's configuration puts it.
pub fn target_dir() -> Result<&'static Path> {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(found);
    }
    let mut cargo = process::command("cargo", &["metadata", "--no-deps", "--format-version", "1"]);
    let metadata = process::capture(&mut cargo, Duration::from_secs(300))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata).context("cargo metadata prints JSON")?;
    let folder = metadata["target_directory"].as_str().context("cargo metadata names no target_directory")?;
    Ok(FOUND.get_or_init(|| PathBuf::from(folder)))
}

/// Chromium or Chrome: the variable CHROMIUM, then the PATH, then where macOS keeps programs.
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

/// The Vulkan driver file of the SwiftShader that comes with `chromium`, where there is one.
pub fn swiftshader(chromium: &Path) -> Option<PathBuf> {
    // The program on the PATH is a link or a script; the files lie beside the real one, which distributions put here.
    let beside = fs::canonicalize(chromium).ok().and_then(|file| file.parent().map(Path::to_path_buf));
    let usual = [
        "/usr/lib/chromium",
        "/usr/lib64/chromium",
        "/usr/lib/chromium-browser",
        "/usr/lib64/chromium-browser",
        "/opt/google/chrome",
    ];
    let folders = beside.into_iter().chain(usual.iter().map(PathBuf::from));
    folders.map(|folder| folder.join("vk_swiftshader_icd.json")).find(|file| file.is_file())
}

/// The Vulkan driver file of Mesa's driver for AMD GPUs, where there is one.
pub fn radv() -> Option<PathBuf> {
    let folders = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let files = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    files
        .map(|file| file.path())
        .find(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("radeon_icd")))
}

/// True when a program can reach the GPU by Vulkan: a loader and at least one driver. Only Linux needs to be asked.
pub fn has_vulkan() -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].iter().any(|name| std::env::var_os(name).is_some());
    let folders = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let installed = folders.iter().any(|folder| fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some()));
    has_library("libvulkan.so.1") && (named || installed)
}

fn has_library(name: &str) -> bool {
    let triple = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let folders = [triple.as_str(), "/usr/lib64", "/usr/lib", "/usr/local/lib"];
    folders.iter().any(|folder| Path::new(folder).join(name).exists())
}

/// A Python with PyTorch: LASTBIT_PYTHON, or one of those called python3 on the PATH and in /usr/bin.
pub fn torch() -> Option<PathBuf> {
    let named = std::env::var_os("LASTBIT_PYTHON").map(PathBuf::from);
    let known = named.into_iter().chain(process::find_program(&["python3"])).chain([PathBuf::from("/usr/bin/python3")]);
    known.into_iter().find(|python| process::succeeds(python, &["-c", "import torch"]))
}

/// The Python of the environment that set-up makes for tests.
pub fn test_python() -> Result<PathBuf> {
    let scripts = if cfg!(windows) { "Scripts" } else { "bin" };
    let name = format!("python{}", std::env::consts::EXE_SUFFIX);
    Ok(target_dir()?.join("test-python").join(scripts).join(name))
}

/// A Python with TensorBoard: that of the tests' environment, or the one on the PATH.
pub fn tensorboard() -> Result<Option<PathBuf>> {
    let known = [Some(test_python()?), process::find_program(&["python3"])];
    Ok(known.into_iter().flatten().find(|python| process::succeeds(python, &["-c", "import tensorboard"])))
}

/// True where a person sits in front of a desktop that can show a page.
pub fn is_desktop() -> bool {
    let has = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !has("CI") && (cfg!(any(target_os = "macos", windows)) || has("DISPLAY") || has("WAYLAND_DISPLAY"))
}

/// npm, which is a script on Windows.
pub fn npm() -> Option<PathBuf> {
    process::find_program(&[if cfg!(windows) { "npm.cmd" } else { "npm" }])
}

/// Node.js's major version, where it is there.
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
        // The README's lines say `cargo run --release -- train ...`.
        let mut cargo = process::command("cargo", &["metadata", "--no-deps", "--format-version", "1"]);
        let metadata = process::capture(&mut cargo, Duration::from_secs(300)).unwrap();
        let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
        let members = metadata["workspace_default_members"].as_array().unwrap();
        let is_lastbit = |id: &serde_json::Value| id.as_str().is_some_and(|id| id.contains("/native#"));
        assert!(members.len() == 1 && is_lastbit(&members[0]), "{members:?}");
    }

    #[test]
    fn node_versions_are_read() {
        assert_eq!(major_of("v20.20.2\n"), Some(20));
        assert_eq!(major_of("v8.0.0"), Some(8));
        assert_eq!(major_of("command not found"), None);
    }
}
