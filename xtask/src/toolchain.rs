//! The Rust toolchain that builds for another target: the compiler in use if it has the target's standard library, else
//! Debian's second Rust, which includes the library's sources and compiles them as well.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::{host, process};

/// Packages of Debian's second Rust, which Debian keeps for its browsers, and of what it needs for Windows ([`DLLTOOL`]).
pub const DEBIAN_PACKAGES: [&str; 5] =
    ["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy", "binutils-mingw-w64-x86-64"];
/// Creates the import libraries of Windows' system functions. rustup's standard library contains them already.
pub const DLLTOOL: &str = "x86_64-w64-mingw32-dlltool";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_CLIPPY: &str = "/usr/bin/cargo-clippy";

/// A toolchain that builds for a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// The compiler in use, which has the target's standard library.
    Installed,
    /// Debian's compiler, which builds the standard library itself and links with this `rust-lld`.
    Debian(PathBuf),
}

/// The installed toolchain for `target`, if any.
pub fn find(target: &str) -> Option<Toolchain> {
    let rustc = |arguments: &[&str]| {
        let printed = process::capture(&mut process::command("rustc", arguments), Duration::from_secs(60)).ok()?;
        Some(PathBuf::from(printed.trim()))
    };
    let target_libraries = rustc(&["--print", "target-libdir", "--target", target])?;
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

/// Installs the standard library of `target` with rustup; `None` if that fails.
pub fn add_target(target: &str) -> Option<Toolchain> {
    println!("trying `rustup target add {target}`");
    let mut rustup = process::command("rustup", &["target", "add", target]);
    let is_added =
        process::find_program(&["rustup"]).is_some() && process::run(&mut rustup, Duration::from_secs(180)).is_ok();
    is_added.then_some(Toolchain::Installed)
}

/// `cargo VERB` for `target` with `profile`, and the folder that it builds into.
pub fn cargo(toolchain: &Toolchain, verb: &str, target: &str, profile: &str) -> Result<(Command, PathBuf)> {
    let target_dir = host::target_dir()?;
    let (mut cargo, build_dir) = match toolchain {
        Toolchain::Installed => (process::command("cargo", &[verb]), target_dir.to_path_buf()),
        // A separate folder: two compilers that share one rebuild each other's work.
        Toolchain::Debian(linker) => (debian_cargo(verb, target, linker), target_dir.join("web-toolchain")),
    };
    cargo.args(["--profile", profile, "--target", target, "--target-dir"]).arg(&build_dir);
    Ok((cargo, build_dir))
}

fn debian_cargo(verb: &str, target: &str, linker: &Path) -> Command {
    // `cargo clippy` would start rustup's clippy, which cannot read what Debian's compiler writes.
    let program = if verb == "clippy" { DEBIAN_CLIPPY } else { DEBIAN_CARGO };
    let mut cargo = process::command(program, &[verb, "-Zbuild-std=std,panic_abort"]);
    // `-Zbuild-std` is unstable; RUSTC_BOOTSTRAP makes a stable compiler accept it.
    clean(&mut cargo).env("RUSTC_BOOTSTRAP", "1").env("RUSTC", DEBIAN_RUSTC).env("CARGO", DEBIAN_CARGO);
    cargo.env(format!("CARGO_TARGET_{}_LINKER", target.replace('-', "_").to_uppercase()), linker);
    cargo
}

/// Removes the variables that the cargo running xtask has set for its own compiler.
fn clean(command: &mut Command) -> &mut Command {
    command.env_remove("LD_LIBRARY_PATH").env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTDOC")
}
