//! Contenders as child processes. One kind answers each line of text with a line of JSON, the other runs to its end; both
//! have their peak memory measured.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process;

/// Time in which a child has to end by itself after its stdin is closed.
const EXIT_LIMIT: Duration = Duration::from_secs(15);

/// A child process that answers each line of text with a line of JSON.
pub struct PeerProcess {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Receiver<String>,
    log: PathBuf,
}

impl PeerProcess {
    /// Starts the child; its stderr goes to the file `log`.
    pub fn start(mut command: Command, log: &Path) -> Result<Self> {
        let line = process::line_of(&command);
        println!("$ {line}");
        let stderr = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().with_context(|| format!("cannot start `{line}`"))?;
        let stdout = child.stdout.take().expect("stdout is piped");
        let stdin = child.stdin.take();
        let (sender, answers) = channel();
        thread::spawn(move || {
            // Ends with the child, or when the receiver is dropped.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, stdin, answers, log: log.to_owned() })
    }

    /// Waits for the next answer; an error if there is none within `limit`, or if the answer itself reports one.
    pub fn answer(&mut self, limit: Duration) -> Result<Value> {
        let line = match self.answers.recv_timeout(limit) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                bail!("no answer within {} s; see the log {}", limit.as_secs(), self.log.display())
            }
            Err(RecvTimeoutError::Disconnected) => match self.end(EXIT_LIMIT) {
                Some(status) => bail!("the process ended ({status}); see the log {}", self.log.display()),
                None => bail!("the process closed its output; see the log {}", self.log.display()),
            },
        };
        let answer: Value = serde_json::from_str(&line).with_context(|| format!("not JSON: {line}"))?;
        match answer["error"].as_str() {
            Some(error) => bail!("{error}"),
            None => Ok(answer),
        }
    }

    /// Writes a line and waits for the answer.
    pub fn ask(&mut self, request: &str, limit: Duration) -> Result<Value> {
        let stdin = self.stdin.as_mut().expect("open until the process is dropped");
        writeln!(stdin, "{request}")
            .with_context(|| format!("cannot write to the process; see the log {}", self.log.display()))?;
        self.answer(limit)
    }

    /// The exit status, if the child ends within `limit`.
    fn end(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            match self.child.try_wait() {
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(50)),
                ended => return ended.ok().flatten(),
            }
        }
    }

    /// Peak resident memory so far in MiB; `None` on systems without `/proc`.
    pub fn peak_mib(&self) -> Option<f64> {
        peak_mib(self.child.id())
    }
}

impl Drop for PeerProcess {
    fn drop(&mut self) {
        self.stdin = None;
        if self.end(EXIT_LIMIT).is_some() {
            return;
        }
        // Errors only mean that the child has ended in the meantime.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `command` to its end, without output. Returns its peak resident memory in MiB, 0 on systems without `/proc`.
pub fn run_watched(command: &mut Command, limit: Duration) -> Result<f64> {
    let line = process::line_of(command);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().with_context(|| format!("cannot start `{line}`"))?;
    let deadline = Instant::now() + limit;
    let mut peak: f64 = 0.0;
    loop {
        peak = peak.max(peak_mib(child.id()).unwrap_or(0.0));
        if let Some(status) = child.try_wait()? {
            if status.success() {
                return Ok(peak);
            }
            bail!("`{line}` failed ({status})");
        }
        if Instant::now() >= deadline {
            // Errors only mean that the child has ended in the meantime.
            let _ = child.kill();
            let _ = child.wait();
            bail!("`{line}` did not end within {} s and was stopped", limit.as_secs());
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Peak resident memory of a process in MiB, from `/proc`.
fn peak_mib(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(value.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    fn start(script: &str) -> PeerProcess {
        PeerProcess::start(process::command("sh", &["-c", script]), Path::new("/dev/null")).unwrap()
    }

    #[test]
    fn a_child_answers_line_by_line() {
        let mut child = start(r#"echo '{"parameters":3}'; while read n; do echo "{\"seconds\":[$n]}"; done"#);
        assert_eq!(child.answer(LIMIT).unwrap()["parameters"], 3);
        assert_eq!(child.ask("7", LIMIT).unwrap()["seconds"][0], 7);
        if cfg!(target_os = "linux") {
            assert!(child.peak_mib().unwrap() > 0.0);
        }
    }

    #[test]
    fn errors_and_the_end_of_a_child_are_reported() {
        let error = |script: &str| start(script).answer(LIMIT).unwrap_err().to_string();
        assert_eq!(error(r#"echo '{"error":"no adapter"}'"#), "no adapter");
        assert!(error("echo Segmentation fault").starts_with("not JSON: Segmentation"));
        assert!(error("exit 3; # silent").contains("see the log"));
    }
}
