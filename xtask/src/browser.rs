//! The browser stage: builds the page, takes one training step of ResNet-8 in headless Chromium and the same step natively
//! on Chromium's own driver (SwiftShader). Kernels and driver are the same, so the bits should be; the stage reports how far
//! apart they are, and fails beyond rounding. Then it tests the page as a visitor uses it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::smoke::{self, Report};
use crate::{host, process, setup, site, times, wasm};

/// Limit of each side's step, with the start of the browser; SwiftShader takes seconds.
const STEP_LIMIT: Duration = Duration::from_secs(300);
/// Covers ten thousand steps of the one-layer network.
const BENCH_LIMIT: Duration = Duration::from_secs(4 * 60 * 60);
/// Limit of all tests of the page.
const SITE_LIMIT: Duration = Duration::from_secs(40 * 60);

/// Runs the stage.
pub fn run() -> Result<()> {
    let chromium = host::chromium().context("no Chromium; run `cargo xtask test set-up`")?;
    let site = site::build()?;
    let package = process::root().join(wasm::PACKAGE);
    let in_browser = browser_step(&chromium, &package)?;
    let driver = host::swiftshader(&chromium);
    let native = native_step(driver.as_deref())?;
    println!("browser: {}\nnative:  {}", in_browser.line()?, native.line()?);
    println!("{}", smoke::verdict(&in_browser, &native)?);
    if driver.is_none() {
        println!("this Chromium has no vk_swiftshader_icd.json beside it, so the native step ran on another driver");
    }
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
    process::run(&mut cargo, Duration::from_secs(30 * 60))?;
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

fn browser_step(chromium: &Path, package: &Path) -> Result<Report> {
    let mut node = process::command("node", &["www/tests/smoke.mjs"]);
    let answer = process::capture(node.arg(chromium).arg(package), STEP_LIMIT).context("the browser's step failed")?;
    Report::from_answer(&answer).context("the browser's step failed")
}

fn native_step(driver: Option<&Path>) -> Result<Report> {
    // There are no examples, but with `--examples` Cargo gives dependencies the features that the tests have built them with.
    let arguments = ["build", "--quiet", "--workspace", "--bin", "lastbit", "--examples"];
    let mut cargo = process::command("cargo", &arguments);
    process::run(&mut cargo, Duration::from_secs(30 * 60))?;
    let mut lastbit = process::command(program()?, &["smoke", "--json"]);
    if let Some(driver) = driver {
        lastbit.args(["--adapter", "SwiftShader"]).env("VK_DRIVER_FILES", driver);
    }
    let json = process::capture(&mut lastbit, STEP_LIMIT).context("the native step failed")?;
    Report::from_json(&json).context("the native step failed")
}
