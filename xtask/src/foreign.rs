//! The stages that check types and lints of the command line, of xtask and of their tests for Windows and macOS, so that a compiler
//! sees code for these systems before a user does. Nothing is linked, so no linker and no SDK is needed.

use std::time::Duration;

use anyhow::Result;

use crate::process;
use crate::toolchain::{self, DLLTOOL, Toolchain};

/// The GNU target: with it, build scripts accept a C compiler that compiles nothing.
const WINDOWS: &str = "x86_64-pc-windows-gnu";
const MACOS: &str = "aarch64-apple-darwin";
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Checks for Windows.
pub fn check_windows() -> Result<()> {
    check(WINDOWS, cfg!(windows))
}

/// Checks for macOS.
pub fn check_macos() -> Result<()> {
    check(MACOS, cfg!(target_os = "macos"))
}

fn check(target: &str, is_this_system: bool) -> Result<()> {
    if is_this_system {
        println!("not checked: the other stages build for this system");
        return Ok(());
    }
    let not_checked = |reason: &str| {
        println!("not checked: {reason}");
        Ok(())
    };
    let Some(chosen) = toolchain::find(target).or_else(|| toolchain::add_target(target)) else {
        return not_checked(&format!(
            "`rustup target add {target}` fails here, and Debian's rustc-web is not installed"
        ));
    };
    if target == WINDOWS && chosen != Toolchain::Installed && process::find_program(&[DLLTOOL]).is_none() {
        return not_checked(&format!("Debian's Rust needs {DLLTOOL}; install the package binutils-mingw-w64-x86-64"));
    }
    // C code in dependencies (ring's) is not checked, and nothing links it.
    let Some(compiler) = process::find_program(&["true"]) else {
        return not_checked("no program `true` is on the PATH to stand in for the C compiler");
    };
    let (mut cargo, _) = toolchain::cargo(&chosen, "clippy", target, "release")?;
    for tool in ["CC", "AR"] {
        cargo.env(format!("{tool}_{}", target.replace('-', "_")), &compiler);
    }
    process::run(
        cargo.args(["--package", "lastbit", "--package", "xtask", "--all-targets", "--", "-D", "warnings"]),
        LIMIT,
    )
}
