//! Core's tests on the adapter. Each test program may take half of the time that is left, the last one all of it, so that a slow
//! one leaves time for the others.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::hardware::child::{self, End, Stop};
use crate::hardware::pack::TESTS;
use crate::hardware::trial::{Incomplete, Trial};
use crate::process;

/// Less time is not worth a start.
const LEAST: Duration = Duration::from_secs(5);
/// Tests at a time: kernels compile beside each other, and the adapter computes.
const THREADS: &str = "--test-threads=4";

/// At most as many tests without time are named; of more, only their number.
const NAMED: usize = 5;

/// What a test program's tests did.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Tested {
    program: String,
    passed: usize,
    ignored: usize,
    failed: Vec<String>,
    unfinished: Vec<String>,
    /// The end of the program by something else than a test, such as a signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    crash: Option<String>,
}

impl Tested {
    /// Reads a line of the program's output: `test NAME ... ok`.
    fn read(&mut self, line: &str) {
        let Some((name, result)) = line.strip_prefix("test ").and_then(|line| line.rsplit_once(" ... ")) else {
            return;
        };
        // Tests that must panic have a suffix.
        let name = name.strip_suffix(" - should panic").unwrap_or(name);
        let Some(position) = self.unfinished.iter().position(|test| test == name) else { return };
        let name = self.unfinished.remove(position);
        match result.split_whitespace().next() {
            Some("ok") => self.passed += 1,
            Some("ignored" | "ignored,") => self.ignored += 1,
            _ => self.failed.push(name),
        }
    }
}

/// Runs the stage.
pub fn run(trial: &mut Trial) -> Result<()> {
    let mut all: Vec<Tested> = Vec::new();
    for (index, test) in TESTS.iter().enumerate() {
        let program = trial.options.work.join("tests").join(format!("{}{}", test.name, std::env::consts::EXE_SUFFIX));
        let left = trial.left();
        let is_last = index + 1 == TESTS.len();
        let limit = if is_last { left } else { left / 2 };
        println!("-- {}", test.name);
        let list =
            process::capture(&mut process::command(&program, &["--list", "--format=terse", test.filter]), LEAST * 4)?;
        let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
        let unfinished: Vec<String> = names.map(str::to_owned).collect();
        let mut tested = Tested { program: test.name.to_owned(), unfinished, ..Tested::default() };
        if tested.unfinished.is_empty() {
            bail!("{}: no test's name contains '{}'", test.name, test.filter);
        }
        if left > LEAST {
            let mut command = process::command(&program, &[THREADS, test.filter]);
            let end = child::run(&mut command, limit, Stop::Kill, |line| {
                if let Some(line) = line {
                    println!("{line}");
                    tested.read(line);
                }
                Ok(())
            });
            match end.with_context(|| format!("cannot run {}", program.display()))? {
                End::Stopped => println!("stopped after {} s", limit.as_secs()),
                // Libtest ends with 101 if tests have failed.
                End::Exited(status) if !status.success() && status.code() != Some(101) => {
                    tested.crash = Some(status.to_string());
                }
                End::Exited(_) => {}
            }
        }
        println!("{}", line(&tested));
        all.push(tested);
        trial.note("tests", &all)?;
    }
    verdict(&all)
}

fn line(tested: &Tested) -> String {
    let Tested { program, passed, failed, unfinished, crash, .. } = tested;
    let list = |what: &str, names: &[String]| {
        if names.is_empty() { String::new() } else { format!("; {what}: {}", names.join(", ")) }
    };
    let crash = crash.as_ref().map_or(String::new(), |crash| format!("; the program ended with {crash}"));
    format!("{program}: {passed} passed{}{}{crash}", list("failed", failed), list("not finished", unfinished))
}

/// An error if a test has failed, or has not finished.
fn verdict(all: &[Tested]) -> Result<()> {
    let names = |of: fn(&Tested) -> &[String]| {
        let named =
            all.iter().flat_map(|tested| of(tested).iter().map(move |test| format!("{}: {test}", tested.program)));
        named.collect::<Vec<_>>()
    };
    let crashes =
        all.iter().filter_map(|t| Some(format!("{}: the program ended with {}", t.program, t.crash.as_ref()?)));
    let failed: Vec<String> = names(|tested| &tested.failed).into_iter().chain(crashes).collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join("; "));
    }
    let unfinished = names(|tested| &tested.unfinished);
    if !unfinished.is_empty() {
        let passed: usize = all.iter().map(|tested| tested.passed).sum();
        let count = unfinished.len();
        let which = if count <= NAMED {
            unfinished.join(", ")
        } else {
            let some = all.iter().filter(|tested| !tested.unfinished.is_empty());
            let counts = some.map(|tested| format!("{} of {}", tested.unfinished.len(), tested.program));
            counts.collect::<Vec<_>>().join(", ")
        };
        return Err(Incomplete(format!("{passed} tests passed; {count} had no time: {which}")).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tested(output: &str) -> Tested {
        let unfinished = ["conv::exact", "conv::slow", "ignored_one", "panics"].map(str::to_owned).to_vec();
        let mut tested = Tested { program: "ops".to_owned(), unfinished, ..Tested::default() };
        output.lines().for_each(|line| tested.read(line));
        tested
    }

    #[test]
    fn tests_are_counted_from_their_lines() {
        let output = "running 4 tests\ntest ignored_one ... ignored, needs RADV\ntest conv::exact ... ok\n\
            test conv::slow has been running for over 60 seconds\ntest panics - should panic ... FAILED\n";
        let found = tested(output);
        assert_eq!((found.passed, found.ignored), (1, 1));
        assert_eq!(
            (found.failed.join(" "), found.unfinished.join(" ")),
            ("panics".to_owned(), "conv::slow".to_owned())
        );
        assert_eq!(line(&found), "ops: 1 passed; failed: panics; not finished: conv::slow");
    }

    #[test]
    fn a_failure_weighs_more_than_a_lack_of_time() {
        let all = "test conv::exact ... ok\ntest conv::slow ... ok\ntest ignored_one ... ignored\ntest panics ... ok";
        assert!(verdict(&[tested(all)]).is_ok());
        let error = verdict(&[tested(all), tested("test conv::exact ... ok")]).unwrap_err();
        assert!(
            error.is::<Incomplete>() && error.to_string().contains("4 tests passed; 3 had no time: ops: conv::slow")
        );
        let error = verdict(&[tested(""), tested("test conv::exact ... ok")]).unwrap_err().to_string();
        assert_eq!(error, "1 tests passed; 7 had no time: 4 of ops, 3 of ops");
        let error = verdict(&[tested("test conv::exact ... FAILED")]).unwrap_err();
        assert!(!error.is::<Incomplete>() && error.to_string() == "failed: ops: conv::exact");
        let crashed = Tested { crash: Some("signal: 11".to_owned()), ..tested(all) };
        assert_eq!(verdict(&[crashed]).unwrap_err().to_string(), "failed: ops: the program ended with signal: 11");
    }
}
