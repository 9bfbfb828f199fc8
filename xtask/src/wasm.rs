//! Builds the crate `lastbit-web` as WebAssembly, with the JavaScript and types that load it, into `www/pkg/`: one module for
//! WebGPU and one for the processor, because no visitor needs both.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{process, toolchain};

/// The browser's target.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// Folder of the package, relative to the repository's root.
pub const PACKAGE: &str = "www/pkg";
/// A module of the page.
struct Module {
    /// The feature of `lastbit-web` with the code of its device.
    feature: &'static str,
    /// Profile of the workspace.
    profile: &'static str,
    /// Flags for the compiler.
    rustflags: &'static str,
    /// Folder, relative to the repository's root.
    folder: &'static str,
}

const MODULES: [Module; 2] = [
    Module { feature: "gpu", profile: "web", rustflags: "", folder: PACKAGE },
    // Chromium 91, Firefox 89 and Safari 16.4, and later ones, have simd128. The kernels say themselves what is inlined; further inlining
    // only makes the download larger.
    Module {
        feature: "processor",
        profile: "web-processor",
        rustflags: "-C target-feature=+simd128 -C llvm-args=-inline-threshold=30",
        folder: "www/pkg/processor",
    },
];
const BUILD_LIMIT: Duration = Duration::from_secs(45 * 60);

/// Runs clippy for the browser's target on the crates that run there: it sees code that exists only for that target, and
/// the configuration in `xtask/clippy-wasm` forbids functions that compile but panic in a browser.
pub fn lint() -> Result<()> {
    // With the same flags, the two have most dependencies in common. Only the kernels of the processor look at them.
    let [_, Module { rustflags, .. }] = MODULES;
    MODULES.iter().try_for_each(|module| {
        let (mut cargo, _) = cargo("clippy", "release", &Module { rustflags, ..*module })?;
        cargo.args(["--package", "lastbit-core", "--package", "lastbit-web", "--lib", "--", "-D", "warnings"]);
        process::run(cargo.env("CLIPPY_CONF_DIR", process::root().join("xtask/clippy-wasm")), BUILD_LIMIT)
    })
}

/// Builds both modules and their bindings; returns the folder with `lastbit_web.js` and `lastbit_web_bg.wasm` of the one for WebGPU,
/// in which `processor/` has those of the other.
pub fn build() -> Result<PathBuf> {
    // At the same time, because the end of a build, which takes longest, has one thread. Each profile has its own folder and lock.
    let built = thread::scope(|scope| {
        let builds = MODULES.each_ref().map(|module| scope.spawn(|| compile(module)));
        builds.map(|build| build.join().expect("a build does not panic"))
    });
    for (module, wasm) in MODULES.iter().zip(built) {
        bind(&wasm?, &process::root().join(module.folder))?;
    }
    Ok(process::root().join(PACKAGE))
}

/// Compiles a module; returns its file.
fn compile(module: &Module) -> Result<PathBuf> {
    let (mut cargo, build_dir) = cargo("build", module.profile, module)?;
    process::run(cargo.args(["--package", "lastbit-web"]), BUILD_LIMIT)?;
    Ok(build_dir.join(TARGET).join(module.profile).join("lastbit_web.wasm"))
}

/// `cargo VERB` of a module for the browser's target, and the folder that it builds into.
fn cargo(verb: &str, profile: &str, module: &Module) -> Result<(Command, PathBuf)> {
    let found = toolchain::find(TARGET).context("no toolchain for wasm32; run `cargo xtask test set-up`")?;
    let (mut cargo, build_dir) = toolchain::cargo(&found, verb, TARGET, profile)?;
    cargo.args(["--no-default-features", "--features", &format!("lastbit-web/{}", module.feature)]);
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", module.rustflags);
    Ok((cargo, build_dir))
}

fn bind(wasm: &Path, package: &Path) -> Result<()> {
    if !wasm.is_file() {
        bail!("the build did not write {}", wasm.display());
    }
    let arguments = ["run", "--quiet", "--package", "xtask", "--features", "bindgen", "--bin", "xtask-bindgen", "--"];
    let mut cargo = process::command("cargo", &arguments);
    process::run(cargo.arg(wasm).arg(package), BUILD_LIMIT)
}
