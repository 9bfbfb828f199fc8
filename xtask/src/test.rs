//! `cargo xtask test`: everything that CI checks, cheapest first, with where the time went.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{browser, foreign, host, process, setup, wasm};

/// One check. It runs after those above it in [`STAGES`] and stops the whole when it fails.
struct Stage {
    name: &'static str,
    run: fn() -> Result<()>,
}

const STAGES: [Stage; 9] = [
    Stage { name: "set-up", run: setup::run },
    Stage { name: "format", run: || cargo(&["fmt", "--all", "--check"], &[]) },
    Stage { name: "lint", run: lint },
    Stage { name: "lint-web", run: wasm::lint },
    Stage { name: "check-windows", run: foreign::check_windows },
    Stage { name: "check-macos", run: foreign::check_macos },
    Stage { name: "docs", run: || cargo(&["doc", "--no-deps", "--workspace"], &[("RUSTDOCFLAGS", "-D warnings")]) },
    Stage { name: "tests", run: tests },
    Stage { name: "browser", run: browser::run },
];

/// Longer than any stage takes on two cores, shorter than a CI run may be.
const STAGE_LIMIT: Duration = Duration::from_secs(80 * 60);

/// The stages in their order.
pub fn stage_names() -> Vec<&'static str> {
    STAGES.iter().map(|stage| stage.name).collect()
}

/// Runs the stages called `names`, or all of them.
pub fn run(names: &[String]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| STAGES.iter().all(|stage| stage.name != name.as_str())) {
        bail!("no stage '{unknown}'; there are {}", stage_names().join(", "));
    }
    let chosen: Vec<&Stage> = STAGES.iter().filter(|s| names.is_empty() || names.iter().any(|n| n == s.name)).collect();
    let mut taken = Vec::new();
    let mut outcome = Ok(());
    for stage in &chosen {
        println!("\n== {}", stage.name);
        let started = Instant::now();
        outcome = (stage.run)().with_context(|| format!("stage '{}' failed", stage.name));
        taken.push((stage.name, started.elapsed()));
        if outcome.is_err() {
            break;
        }
    }
    println!("\n{}", table(&taken));
    let n_failed = usize::from(outcome.is_err());
    let n_passed = taken.len() - n_failed;
    println!("stages: {n_passed} passed, {n_failed} failed, {} skipped", STAGES.len() - taken.len());
    outcome
}

fn lint() -> Result<()> {
    cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"], &[])
}

/// All tests; then those that need a Vulkan driver of their own: Mesa's for AMD GPUs, which compiles without one, and a second
/// one that computes, which Chromium brings.
fn tests() -> Result<()> {
    let with_driver = |test: &str, variable: &str, driver: PathBuf| {
        let mut command = process::command("cargo", &["test", "--workspace", "--test", test, "--", "--ignored"]);
        process::run(command.env(variable, driver), STAGE_LIMIT)
    };
    cargo(&["test", "--workspace"], &[])?;
    if !cfg!(target_os = "linux") {
        println!(
            "not tested: two drivers of different make and registers of kernels (only Linux has a loader that is told of another driver)"
        );
        return Ok(());
    }
    match host::radv() {
        Some(driver) => with_driver("registers", "LASTBIT_RADV", driver)?,
        None => println!("not tested: registers of kernels (no radeon_icd.*.json; install Mesa's Vulkan drivers)"),
    }
    let chromium = host::chromium().context("no Chromium; run `cargo xtask test set-up`")?;
    let driver = host::swiftshader(&chromium).with_context(|| {
        format!("no vk_swiftshader_icd.json with '{}': name a Chromium that has it in CHROMIUM", chromium.display())
    })?;
    with_driver("drivers", "LASTBIT_SWIFTSHADER", driver)
}

fn cargo(arguments: &[&str], variables: &[(&str, &str)]) -> Result<()> {
    let mut command = process::command("cargo", arguments);
    process::run(command.envs(variables.iter().copied()), STAGE_LIMIT)
}

fn table(taken: &[(&str, Duration)]) -> String {
    let total: Duration = taken.iter().map(|(_, time)| *time).sum();
    let row = |name: &str, time: Duration| format!("{name:<14}{:>9.1} s", time.as_secs_f64());
    let mut rows: Vec<String> = taken.iter().map(|(name, time)| row(name, *time)).collect();
    rows.push(row("total", total));
    rows.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_stage_is_named_with_the_known_ones() {
        let error = run(&["browsers".to_owned()]).unwrap_err().to_string();
        let known = "set-up, format, lint, lint-web, check-windows, check-macos, docs, tests, browser";
        assert_eq!(error, format!("no stage 'browsers'; there are {known}"));
    }

    #[test]
    fn times_line_up_and_add_up() {
        let taken = [("format", Duration::from_millis(800)), ("tests", Duration::from_millis(123_400))];
        assert_eq!(table(&taken), "format              0.8 s\ntests             123.4 s\ntotal             124.2 s");
    }
}
