//! The browser stage: one training step of ResNet-8 in headless Chromium and the same step natively on the driver that
//! Chromium brings along (SwiftShader). Same kernels, same driver: the same bits, or a report of how far apart.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::smoke::{self, Report};
use crate::{host, process, site, wasm};

/// Of each side's step, start of the browser included; SwiftShader takes seconds.
const STEP_LIMIT: Duration = Duration::from_secs(300);

/// Runs the stage.
pub fn run() -> Result<()> {
    let chromium = host::chromium().context("no Chromium; run `cargo xtask test set-up`")?;
    let package = wasm::build()?;
    site::install_node_modules()?;
    let in_browser = browser_step(&chromium, &package)?;
    let driver = host::swiftshader(&chromium);
    let native = native_step(driver.as_deref())?;
    println!("browser: {}\nnative:  {}", in_browser.line()?, native.line()?);
    println!("{}", smoke::verdict(&in_browser, &native)?);
    if driver.is_none() {
        println!("this Chromium has no vk_swiftshader_icd.json beside it, so the native step ran on another driver");
    }
    Ok(())
}

fn browser_step(chromium: &Path, package: &Path) -> Result<Report> {
    let mut node = process::command("node", &["www/tests/smoke.mjs"]);
    let answer = process::capture(node.arg(chromium).arg(package), STEP_LIMIT).context("the browser's step")?;
    Report::from_answer(&answer).context("the browser's step")
}

fn native_step(driver: Option<&Path>) -> Result<Report> {
    let mut cargo = process::command("cargo", &["build", "--quiet", "--package", "lastbit"]);
    process::run(&mut cargo, Duration::from_secs(30 * 60))?;
    let program = host::target_dir()?.join(format!("debug/lastbit{}", std::env::consts::EXE_SUFFIX));
    let mut lastbit = process::command(program, &["smoke", "--json"]);
    if let Some(driver) = driver {
        lastbit.env("VK_DRIVER_FILES", driver);
    }
    let json = process::capture(&mut lastbit, STEP_LIMIT).context("the native step")?;
    Report::from_json(&json).context("the native step")
}
