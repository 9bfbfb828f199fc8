//! `cargo xtask web`: builds the page as a static site in `www/dist/`, which any host can serve from any folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};

use crate::{host, process, setup, times, wasm};

const LIMIT: Duration = Duration::from_secs(10 * 60);
/// A server runs until it is stopped.
const SERVE_LIMIT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Builds the site; with `--serve`, serves it to this machine only.
pub fn run(flags: &[String]) -> Result<()> {
    let is_served = match flags {
        [] => false,
        [flag] if flag == "--serve" => true,
        _ => bail!("web takes only --serve, not '{}'", flags.join(" ")),
    };
    setup::for_web()?;
    let site = build()?;
    println!("the site is in {}", site.display());
    if is_served {
        let mut node = process::command("node", &["www/tests/server.mjs"]);
        process::run(node.arg(&site), SERVE_LIMIT)?;
    }
    Ok(())
}

/// Builds the site; returns its folder.
pub fn build() -> Result<PathBuf> {
    wasm::build()?;
    install_node_modules()?;
    let www = process::root().join("www");
    process::run(&mut npm(&www, &["run", "--silent", "types"])?, LIMIT)?;
    process::run(&mut npm(&www, &["run", "--silent", "build"])?, LIMIT)?;
    Ok(www.join("dist"))
}

/// Tests the page's pure functions, without a browser.
pub fn test_units() -> Result<()> {
    install_node_modules()?;
    let mut node = process::command("node", &["www/tests/unit.mjs"]);
    process::run(node.env(times::FILE_VARIABLE, times::file()?), LIMIT)
}

fn npm(www: &Path, arguments: &[&str]) -> Result<Command> {
    let npm = host::npm().context("no npm; run `cargo xtask test set-up`")?;
    let mut command = process::command(npm, arguments);
    command.current_dir(www);
    Ok(command)
}

/// Runs `npm ci`, unless the installed modules are at least as new as the lock file.
pub fn install_node_modules() -> Result<()> {
    let www = process::root().join("www");
    let changed = |file: &Path| file.metadata().and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    if changed(&www.join("node_modules/.package-lock.json")) >= changed(&www.join("package-lock.json")) {
        return Ok(());
    }
    process::run(&mut npm(&www, &["ci"])?, LIMIT)
}
