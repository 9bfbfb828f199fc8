//! The crate `lastbit-web` as WebAssembly, and the JavaScript that loads it, in `target/web-pkg/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{host, process};

const TARGET: &str = "wasm32-unknown-unknown";
const BUILD_LIMIT: Duration = Duration::from_secs(45 * 60);

/// Debian's second Rust, built for its browsers: it carries the sources of the standard library.
pub const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_CLIPPY: &str = "/usr/bin/cargo-clippy";

/// What builds for wasm32.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// The compiler in use, which has the target's standard library.
    Installed,
    /// Debian's compiler, which builds the standard library itself and links with this `rust-lld`.
    Debian(PathBuf),
}

/// The toolchain that is there, if any.
pub fn toolchain() -> Option<Toolchain> {
    let rustc = |arguments: &[&str]| {
        let printed = process::capture(&mut process::command("rustc", arguments), Duration::from_secs(60)).ok()?;
        Some(PathBuf::from(printed.trim()))
    };
    let target_libraries = rustc(&["--print", "target-libdir", "--target", TARGET])?;
    if fs::read_dir(target_libraries).is_ok_and(|mut files| files.next().is_some()) {
        return Some(Toolchain::Installed);
    }
    let host_libraries = rustc(&["--print", "target-libdir"])?;
    let linker = host_libraries.parent()?.join("bin/rust-lld");
    let sources = debian_sources(Path::new(DEBIAN_RUSTC))?;
    let files = [&linker, Path::new(DEBIAN_CARGO), Path::new(DEBIAN_CLIPPY), &sources.join("std/Cargo.toml")];
    files.iter().all(|file| file.is_file()).then_some(Toolchain::Debian(linker))
}

/// Where `rustc` looks for the standard library's sources.
fn debian_sources(rustc: &Path) -> Option<PathBuf> {
    let mut command = process::command(rustc, &["--print", "sysroot"]);
    let sysroot = process::capture(clean(&mut command), Duration::from_secs(60)).ok()?;
    Some(Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library"))
}

/// Asks rustup for the target's standard library; false where it cannot be had that way.
pub fn add_target() -> bool {
    println!("set-up: trying rustup for {TARGET}");
    let mut rustup = process::command("rustup", &["target", "add", TARGET]);
    process::find_program(&["rustup"]).is_some() && process::run(&mut rustup, Duration::from_secs(180)).is_ok()
}

/// Clippy over the crates that run in a browser, for the browser's target: it sees the code that only exists there, and
/// a configuration of its own forbids what compiles but panics there.
pub fn lint() -> Result<()> {
    let (mut cargo, _) = cargo("clippy")?;
    cargo.args(["--package", "lastbit-core", "--package", "lastbit-web", "--lib", "--", "-D", "warnings"]);
    process::run(cargo.env("CLIPPY_CONF_DIR", process::root().join("xtask/clippy-wasm")), BUILD_LIMIT)
}

/// Builds and binds `lastbit-web`; returns the folder with `lastbit_web.js` and `lastbit_web_bg.wasm`.
pub fn build() -> Result<PathBuf> {
    let (mut cargo, build_dir) = cargo("build")?;
    process::run(cargo.args(["--package", "lastbit-web"]), BUILD_LIMIT)?;
    let package = host::target_dir()?.join("web-pkg");
    bind(&build_dir.join(TARGET).join("release/lastbit_web.wasm"), &package)?;
    Ok(package)
}

/// `cargo VERB` for the browser's target, and the folder that it builds into.
fn cargo(verb: &str) -> Result<(Command, PathBuf)> {
    let toolchain = toolchain().context("no toolchain for wasm32; run `cargo xtask test set-up`")?;
    let target_dir = host::target_dir()?;
    let (mut cargo, build_dir) = match &toolchain {
        Toolchain::Installed => (process::command("cargo", &[verb]), target_dir.to_path_buf()),
        // A folder of its own: two compilers that share one rebuild each other's work.
        Toolchain::Debian(linker) => (debian_cargo(verb, linker), target_dir.join("web-toolchain")),
    };
    cargo.args(["--release", "--target", TARGET, "--target-dir"]).arg(&build_dir);
    Ok((cargo, build_dir))
}

fn debian_cargo(verb: &str, linker: &Path) -> Command {
    // Started as `cargo clippy`, it would find rustup's clippy, which cannot read what Debian's compiler writes.
    let program = if verb == "clippy" { DEBIAN_CLIPPY } else { DEBIAN_CARGO };
    let mut cargo = process::command(program, &[verb, "-Zbuild-std=std,panic_abort"]);
    // Build-std is an unstable flag; the bootstrap variable makes a stable compiler accept it.
    clean(&mut cargo).env("RUSTC_BOOTSTRAP", "1").env("RUSTC", DEBIAN_RUSTC).env("CARGO", DEBIAN_CARGO);
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    cargo
}

/// Takes away what the cargo that runs xtask has set for its own compiler.
fn clean(command: &mut Command) -> &mut Command {
    command.env_remove("LD_LIBRARY_PATH").env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTDOC")
}

fn bind(wasm: &Path, package: &Path) -> Result<()> {
    if !wasm.is_file() {
        bail!("the build left no {}", wasm.display());
    }
    let arguments = ["run", "--quiet", "--package", "xtask", "--features", "bindgen", "--bin", "xtask-bindgen", "--"];
    let mut cargo = process::command("cargo", &arguments);
    process::run(cargo.arg(wasm).arg(package), BUILD_LIMIT)
}
