//! The browser stage: builds the page and the native program, and tests the page in headless Chromium as a visitor uses it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{host, process, setup, site, times};

const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);
/// Covers ten thousand steps of the one-layer network.
const BENCH_LIMIT: Duration = Duration::from_secs(4 * 60 * 60);
/// Limit of all tests of the page.
const SITE_LIMIT: Duration = Duration::from_secs(40 * 60);

/// Runs the stage.
pub fn run() -> Result<()> {
    let chromium = host::chromium().context("no Chromium; run `cargo xtask test set-up`")?;
    let site = site::build()?;
    // There are no examples, but with `--examples` Cargo gives dependencies the features that the tests have built them with.
    let arguments = ["build", "--quiet", "--workspace", "--bin", "lastbit", "--examples"];
    process::run(&mut process::command("cargo", &arguments), BUILD_LIMIT)?;
    // Without this file beside the browser, the test that compares with the native program uses another driver.
    let driver = host::swiftshader(&chromium);
    println!("testing {}", site.display());
    let mut node = process::command("node", &["www/tests/site.mjs"]);
    node.env(times::FILE_VARIABLE, times::file()?);
    process::run(node.arg(&chromium).arg(program()?).args(driver), SITE_LIMIT)
}

/// Measures the page and the native program, both in release builds; with `--memory-steps N`, only memory, over N steps of
/// the one-layer network.
pub fn bench(flags: &[String]) -> Result<()> {
    let memory_steps = match flags {
        [] => None,
        [flag, steps] if flag == "--memory-steps" => Some(memory_steps(steps)?),
        _ => bail!("bench --web takes only --memory-steps N, not '{}'", flags.join(" ")),
    };
    setup::for_browser()?;
    let chromium = host::chromium().context("no Chromium; install it, or name its executable in CHROMIUM")?;
    site::build()?;
    let mut cargo = process::command("cargo", &["build", "--release", "--quiet", "--package", "lastbit"]);
    process::run(&mut cargo, BUILD_LIMIT)?;
    let program = host::target_dir()?.join(format!("release/lastbit{}", std::env::consts::EXE_SUFFIX));
    let mut node = process::command("node", &["www/tests/bench.mjs"]);
    node.envs(memory_steps.map(|steps| ("BENCH_MEMORY_STEPS", steps.to_string())));
    process::run(node.arg(&chromium).arg(program).args(host::swiftshader(&chromium)), BENCH_LIMIT)
}

fn memory_steps(text: &str) -> Result<u64> {
    let steps = text.parse().ok().filter(|steps| *steps >= 10);
    steps.with_context(|| format!("--memory-steps takes a whole number of at least 10, not '{text}'"))
}

/// Path of the native program's debug build.
fn program() -> Result<PathBuf> {
    Ok(host::target_dir()?.join(format!("debug/lastbit{}", std::env::consts::EXE_SUFFIX)))
}
