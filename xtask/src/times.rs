//! How long each test takes. Node.js's test runner reports it (`www/tests/report.mjs`). For Rust's tests, cargo starts each test
//! program through `xtask test-program`, which has libtest print the times. Both append to one file.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{host, process};

/// Names the file, in the environment of all test programs. A line is the seconds of a test, a tab and its name.
pub const FILE_VARIABLE: &str = "LASTBIT_TEST_TIMES";

/// The verb of xtask that runs a test program.
pub const PROGRAM_VERB: &str = "test-program";

/// Flags with which libtest prints times. They are unstable; a stable libtest accepts them if [`BOOTSTRAP`] is set.
const LIBTEST_FLAGS: [&str; 3] = ["-Z", "unstable-options", "--report-time"];
const BOOTSTRAP: (&str, &str) = ("RUSTC_BOOTSTRAP", "1");

/// A test that has run.
pub struct TestTime {
    seconds: f64,
    stage: &'static str,
    name: String,
}

/// The path of the file.
pub fn file() -> Result<PathBuf> {
    Ok(host::target_dir()?.join("test-times.txt"))
}

/// Empties the file and returns the tests of `stage` that it named.
pub fn take(stage: &'static str) -> Result<Vec<TestTime>> {
    let text = fs::read_to_string(file()?).unwrap_or_default();
    let _ = fs::remove_file(file()?);
    let tests = text.lines().filter_map(|line| {
        let (seconds, name) = line.split_once('\t')?;
        Some(TestTime { seconds: seconds.parse().ok()?, stage, name: name.to_owned() })
    });
    Ok(tests.collect())
}

/// The `n` slowest of `tests`, one a line.
pub fn slowest(mut tests: Vec<TestTime>, n: usize) -> String {
    tests.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    let lines =
        tests.iter().take(n).map(|TestTime { seconds, stage, name }| format!("{seconds:>9.1} s  {stage:<9} {name}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The variable that makes cargo start test programs through [`run_program`]; `None` if the user has set it, or if cargo cannot
/// start this xtask so (it splits the variable at white space).
pub fn runner() -> Result<Option<(String, String)>> {
    let version = process::capture(&mut process::command("rustc", &["-vV"]), Duration::from_secs(60))?;
    let triple = version.lines().find_map(|line| line.strip_prefix("host: ")).context("`rustc -vV` names no host")?;
    let variable = format!("CARGO_TARGET_{}_RUNNER", triple.replace('-', "_").to_uppercase());
    let xtask = std::env::current_exe().context("cannot find the path of xtask")?;
    let path = xtask.to_str().filter(|path| !path.contains(char::is_whitespace));
    let path = path.filter(|_| std::env::var_os(&variable).is_none());
    Ok(path.map(|path| (variable, format!("{path} {PROGRAM_VERB}"))))
}

/// Runs a test program with its arguments, passes its output on, and appends the times of its tests to the file. Runs it without
/// times if its libtest refuses the flags. Ends xtask with the program's exit code if that is not 0.
pub fn run_program(arguments: &[String]) -> Result<()> {
    let (program, arguments) = arguments.split_first().with_context(|| format!("{PROGRAM_VERB} needs a program"))?;
    let mut command = Command::new(program);
    let status = match std::env::var_os(FILE_VARIABLE).filter(|_| accepts_flags(program)) {
        None => command.args(arguments).status(),
        Some(times) => {
            command.args(LIBTEST_FLAGS).args(arguments).env(BOOTSTRAP.0, BOOTSTRAP.1).stdout(Stdio::piped());
            if std::io::stdout().is_terminal() {
                command.args(["--color", "always"]);
            }
            let mut child = command.spawn().with_context(|| format!("cannot start `{program}`"))?;
            let output = child.stdout.take().context("stdout is piped")?;
            pass_on(BufReader::new(output), Path::new(program), Path::new(&times))?;
            child.wait()
        }
    };
    let status = status.with_context(|| format!("cannot run `{program}`"))?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => std::process::exit(code),
        None => anyhow::bail!("`{program}` failed ({status})"),
    }
}

/// Whether the program's tests can be timed: its libtest takes the flags. Programs of doctests, which are not in `deps`, ignore them.
fn accepts_flags(program: &str) -> bool {
    if Path::new(program).parent().is_none_or(|folder| !folder.ends_with("deps")) {
        return false;
    }
    let mut list = Command::new(program);
    list.args(LIBTEST_FLAGS).arg("--list").env(BOOTSTRAP.0, BOOTSTRAP.1);
    list.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    list.status().is_ok_and(|status| status.success())
}

/// Copies the output of a test program to stdout, and the times in it to the file `times`.
fn pass_on(mut output: impl BufRead, program: &Path, times: &Path) -> Result<()> {
    let mut times =
        OpenOptions::new().create(true).append(true).open(times).context("cannot write the tests' times")?;
    let program = program.file_stem().unwrap_or_default().to_string_lossy();
    // Cargo appends a hash to the name of the test.
    let program = program.rsplit_once('-').map_or(&*program, |(name, _)| name);
    let adapter = std::env::var("LASTBIT_ADAPTER").map(|adapter| format!(" on {adapter}")).unwrap_or_default();
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).context("cannot read from the test program")? > 0 {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&line)?;
        stdout.flush()?;
        if let Some((test, seconds)) = time_of(&String::from_utf8_lossy(&line)) {
            writeln!(times, "{seconds}\t{program}: {test}{adapter}")?;
        }
        line.clear();
    }
    Ok(())
}

/// Name and seconds of the test in a line of libtest's output: `test NAME ... ok <0.123s>`.
fn time_of(line: &str) -> Option<(&str, f64)> {
    let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    // On a terminal the result and a long time have a colour.
    let (time, _) = result.rsplit_once('<')?.1.split_once("s>")?;
    Some((name, time.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_from_the_lines_of_tests() {
        assert_eq!(time_of("test faults::a_cut ... ok <1.250s>\n"), Some(("faults::a_cut", 1.25)));
        assert_eq!(
            time_of("test a - should panic ... \u{1b}[31mFAILED\u{1b}[m\u{1b}[31m <0.001s>\u{1b}[m\n"),
            Some(("a - should panic", 0.001))
        );
        for line in [
            "test a ... ok\n",
            "test a ... ignored\n",
            "test result: ok. 1 passed; finished in 0.00s\n",
            "running 3 tests\n",
        ] {
            assert_eq!(time_of(line), None, "{line}");
        }
    }

    #[test]
    fn the_slowest_come_first() {
        let test = |seconds, stage, name: &str| TestTime { seconds, stage, name: name.to_owned() };
        let tests = vec![test(0.25, "tests", "a"), test(12.0, "browser", "b"), test(1.0, "tests", "c")];
        assert_eq!(slowest(tests, 2), "     12.0 s  browser   b\n      1.0 s  tests     c");
    }
}
