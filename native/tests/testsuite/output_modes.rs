//! The program's output: for a person, for a program (`--json`), none (`--quiet`), and completions for shells.

use std::fs;

use serde_json::Value;

use crate::common::skip::skip;
use crate::common::{SMALL, assert_refused, lastbit, scratch, text};

#[test]
fn json_has_the_metrics_and_the_end() {
    let out = scratch("json").join("run");
    let line = [SMALL, &["--steps", "3", "--json", "--resume", "--out", text(&out)]].concat();
    let ended = lastbit(&line);
    assert!(ended.code == Some(0) && ended.err.is_empty(), "{ended:?}");
    let (metrics, last) = ended.out.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(format!("{metrics}\n"), fs::read_to_string(out.join("metrics.jsonl")).unwrap());
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!((&last["kind"], &last["step"]), (&"finished".into(), &3.into()));
    assert_eq!(last["out"], text(&out));
    // The run is finished: the same command prints only the end.
    let ended = lastbit(&line);
    assert_eq!(serde_json::from_str::<Value>(&ended.out).unwrap(), last, "{ended:?}");
}

#[test]
fn quiet_is_quiet_until_something_is_wrong() {
    let home = scratch("quiet");
    let run = |name: &str, flags: &[&str]| {
        lastbit(&[SMALL, &["--steps", "2", "--quiet", "--out", text(&home.join(name))], flags].concat())
    };
    let ended = run("green", &[]);
    assert!(ended.code == Some(0) && ended.out.is_empty() && ended.err.is_empty(), "{ended:?}");
    assert!(home.join("green/report.html").is_file());
    let ended = run("red", &["--flip-bit", "conv1.weight:0:1:2"]);
    assert!(ended.code == Some(0) && ended.out.is_empty(), "{ended:?}");
    assert!(ended.err.lines().count() == 1 && ended.err.contains("CONTROL IS RED since step 1"), "{ended:?}");
    assert_refused(&run("both", &["--json"]), 2, &["--quiet", "--json"]);
}

/// The output of the small run on a terminal.
#[cfg(unix)]
fn on_a_terminal(name: &str, term: Option<&str>) -> String {
    use std::io::Read as _;
    use std::os::fd::{FromRawFd as _, OwnedFd};

    use nix::libc;

    let (mut ours, mut theirs) = (-1, -1);
    let null = std::ptr::null_mut();
    // SAFETY: openpty writes two descriptors through valid pointers, and does not read the null pointers.
    assert_eq!(unsafe { libc::openpty(&mut ours, &mut theirs, null, null.cast(), null.cast()) }, 0);
    // SAFETY: both descriptors are open and not owned elsewhere.
    let (mut terminal, theirs) = unsafe { (fs::File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
    let out = scratch(name).join("run");
    let mut command = crate::common::command([SMALL, &["--steps", "3", "--out", text(&out)]].concat());
    command.stdout(theirs.try_clone().unwrap()).stderr(theirs).env_remove("TERM").envs(term.map(|term| ("TERM", term)));
    let mut child = command.spawn().unwrap();
    // The command holds the other end of the terminal, too.
    drop(command);
    let (mut shown, mut bytes) = (Vec::new(), [0; 4096]);
    // When the other end is closed, Linux returns an error.
    while let Ok(n @ 1..) = terminal.read(&mut bytes) {
        shown.extend_from_slice(&bytes[..n]);
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    String::from_utf8_lossy(&shown).into_owned()
}

#[test]
#[cfg(unix)]
fn a_terminal_without_cursor_control_gets_lines() {
    for (name, term) in [("term-dumb", Some("dumb")), ("term-unset", None)] {
        let shown = on_a_terminal(name, term);
        for step in ["step 1/3: k=1 loss ", "step 2/3: k=1 loss ", "step 3/3: k=1 loss "] {
            assert!(shown.contains(step), "{name}: '{step}' is missing: {shown}");
        }
        assert!(!shown.contains('\u{1b}'), "{name}: {shown:?}");
    }
    let shown = on_a_terminal("term-xterm", Some("xterm"));
    assert!(shown.contains('\u{1b}') && !shown.contains("step 1/3: k=1"), "{shown:?}");
}

#[test]
fn a_dry_run_forecasts_memory_and_time() {
    let home = scratch("forecast");
    let out = home.join("run");
    let line = [SMALL, &["--epochs", "2", "--eval-every", "2", "--dry-run", "--out", text(&out)]].concat();
    let ended = lastbit(&line);
    assert!(ended.code == Some(0) && ended.err.is_empty(), "{ended:?}");
    for row in ["network", "replicas", "data", "steps", "adapter", "memory", "time"] {
        assert!(ended.out.lines().any(|line| line.starts_with(row)), "no {row}: {ended:?}");
    }
    let plan: Value = serde_json::from_str(&lastbit(&[&line[..], &["--json"]].concat()).out).unwrap();
    assert_eq!((&plan["steps"], &plan["steps_per_epoch"], &plan["evaluations"]), (&16.into(), &8.into(), &1.into()));
    let number = |key: &str| plan[key].as_f64().unwrap_or_else(|| panic!("{key}: {plan}"));
    assert!(number("seconds_per_step") > 0.0 && number("buffer_bytes") > 1e5, "{plan}");
    let sum = 16.0 * number("seconds_per_step") + number("seconds_per_evaluation");
    assert!((number("seconds") - sum).abs() < 1e-9 * sum, "{plan}");
    assert!(!out.exists());
}

#[test]
fn shells_can_complete() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ended = lastbit(&["completions", shell]);
        assert!(ended.code == Some(0) && ended.out.contains("weight-decay"), "{shell}: {ended:?}");
    }
    assert_refused(&lastbit(&["completions", "dos"]), 2, &["dos", "bash"]);
}

#[test]
fn every_command_has_a_manual_page() {
    let page = lastbit(&["man"]);
    assert!(page.code == Some(0) && page.out.contains(".TH lastbit 1") && page.out.contains("EXTRA"), "{page:?}");
    let fetch = lastbit(&["man", "data", "fetch"]);
    assert!(fetch.code == Some(0) && fetch.out.contains(".TH lastbit-data-fetch 1"), "{fetch:?}");
    let folder = scratch("man");
    assert_eq!(lastbit(&["man", "--out", text(&folder)]).code, Some(0));
    for page in ["lastbit.1", "lastbit-train.1", "lastbit-data-fetch.1", "lastbit-reproduce-fig2.1"] {
        let found = fs::read_to_string(folder.join(page)).unwrap_or_default();
        assert!(found.contains(".SH OPTIONS") && found.contains("\"lastbit 0."), "{page}: {found}");
        assert!(!found.contains("help(1)") && !found.contains("help\\fR(1)"), "{page}: {found}");
    }
    for hidden in ["lastbit-smoke.1", "lastbit-help.1"] {
        assert!(!folder.join(hidden).exists(), "{hidden}");
    }
    assert_refused(&lastbit(&["man", "trian"]), 2, &["trian", "train"]);
    assert_refused(&lastbit(&["man", "train", "x"]), 2, &["'x'", "lastbit train"]);
}

#[test]
fn help_has_examples_and_groups() {
    let help = lastbit(&["--help"]).out;
    assert!(help.contains("Examples:") && help.contains("--resume") && help.contains("Exit codes"), "{help}");
    let train = lastbit(&["train", "--help"]).out;
    let headings = ["Network:", "Data:", "Replicas:", "Optimiser:", "Length and recording:"];
    assert!(headings.iter().all(|heading| train.contains(heading)), "{train}");
}

#[test]
fn adapters_show_limits_beside_what_is_needed() {
    let adapters: Value = serde_json::from_str(&lastbit(&["adapters", "--json"]).out).unwrap();
    // The processor has no limits.
    let gpu = adapters.as_array().unwrap().iter().find(|adapter| adapter["family"] != "processor");
    let Some(gpu) = gpu else {
        return skip("limits of adapters (no GPU driver: install Mesa's Vulkan drivers)");
    };
    let ended = lastbit(&["adapters", "--limits"]);
    let is_row = |line: &str| line.starts_with("maxComputeWorkgroupStorageSize") && line.contains(" 16384 ");
    assert!(ended.code == Some(0) && ended.out.lines().any(is_row), "{ended:?}");
    let limits = gpu["limits"].as_array().unwrap();
    let is_enough = |limit: &Value| match limit["name"].as_str() {
        Some("minStorageBufferOffsetAlignment") => limit["available"].as_u64() <= limit["needed"].as_u64(),
        _ => limit["available"].as_u64() >= limit["needed"].as_u64(),
    };
    assert!(!limits.is_empty() && limits.iter().all(is_enough), "{limits:?}");
}
