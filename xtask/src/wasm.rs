//! Builds the crate `lastbit-web` as WebAssembly, with the JavaScript and types that load it, into `www/pkg/`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{process, toolchain};

/// The browser's target.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// Folder of the package, relative to the repository's root.
pub const PACKAGE: &str = "www/pkg";
/// Profile of the workspace that puts size before speed.
const PROFILE: &str = "web";
const BUILD_LIMIT: Duration = Duration::from_secs(45 * 60);

/// Runs clippy for the browser's target on the crates that run there: it sees code that exists only for that target, and
/// the configuration in `xtask/clippy-wasm` forbids functions that compile but panic in a browser.
pub fn lint() -> Result<()> {
    let (mut cargo, _) = cargo("clippy", "release")?;
    cargo.args(["--package", "lastbit-core", "--package", "lastbit-web", "--lib", "--", "-D", "warnings"]);
    process::run(cargo.env("CLIPPY_CONF_DIR", process::root().join("xtask/clippy-wasm")), BUILD_LIMIT)
}

/// Builds `lastbit-web` and its bindings; returns the folder with `lastbit_web.js` and `lastbit_web_bg.wasm`.
pub fn build() -> Result<PathBuf> {
    let (mut cargo, build_dir) = cargo("build", PROFILE)?;
    process::run(cargo.args(["--package", "lastbit-web"]), BUILD_LIMIT)?;
    let package = process::root().join(PACKAGE);
    bind(&build_dir.join(TARGET).join(PROFILE).join("lastbit_web.wasm"), &package)?;
    Ok(package)
}

/// `cargo VERB` for the browser's target, and the folder that it builds into.
fn cargo(verb: &str, profile: &str) -> Result<(Command, PathBuf)> {
    let found = toolchain::find(TARGET).context("no toolchain for wasm32; run `cargo xtask test set-up`")?;
    toolchain::cargo(&found, verb, TARGET, profile)
}

fn bind(wasm: &Path, package: &Path) -> Result<()> {
    if !wasm.is_file() {
        bail!("the build did not write {}", wasm.display());
    }
    let arguments = ["run", "--quiet", "--package", "xtask", "--features", "bindgen", "--bin", "xtask-bindgen", "--"];
    let mut cargo = process::command("cargo", &arguments);
    process::run(cargo.arg(wasm).arg(package), BUILD_LIMIT)
}
