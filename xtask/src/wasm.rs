//! The crate `lastbit-web` as WebAssembly, and the JavaScript and types that load it, in `www/pkg/`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{process, toolchain};

/// The browser.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// Where the package lies, in the repository.
pub const PACKAGE: &str = "www/pkg";
/// Of the workspace: small before fast.
const PROFILE: &str = "web";
const BUILD_LIMIT: Duration = Duration::from_secs(45 * 60);

/// Clippy over the crates that run in a browser, for the browser's target: it sees the code that only exists there, and
/// a configuration of its own forbids what compiles but panics there.
pub fn lint() -> Result<()> {
    let (mut cargo, _) = cargo("clippy", "release")?;
    cargo.args(["--package", "lastbit-core", "--package", "lastbit-web", "--lib", "--", "-D", "warnings"]);
    process::run(cargo.env("CLIPPY_CONF_DIR", process::root().join("xtask/clippy-wasm")), BUILD_LIMIT)
}

/// Builds and binds `lastbit-web`; returns the folder with `lastbit_web.js` and `lastbit_web_bg.wasm`.
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
        bail!("the build left no {}", wasm.display());
    }
    let arguments = ["run", "--quiet", "--package", "xtask", "--features", "bindgen", "--bin", "xtask-bindgen", "--"];
    let mut cargo = process::command("cargo", &arguments);
    process::run(cargo.arg(wasm).arg(package), BUILD_LIMIT)
}
