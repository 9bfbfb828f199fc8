//! The program in the background: started, watched, stopped.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[cfg(unix)]
use super::Ended;

/// Starts a command whose output is kept.
pub fn spawn(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the metrics of the run in `run` have `steps` steps.
pub fn wait_for_step(run: &Path, steps: usize) {
    let deadline = Instant::now() + Duration::from_secs(600);
    let recorded = || std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    while recorded().matches("\"kind\":\"step\"").count() < steps {
        assert!(Instant::now() < deadline, "'{}' does not get to step {steps}", run.display());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends the signal `name`, as in `TERM`.
#[cfg(unix)]
pub fn send_signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Sends the signal `name` and waits for the end.
#[cfg(unix)]
pub fn stop(child: Child, name: &str) -> Ended {
    send_signal(&child, name);
    child.wait_with_output().unwrap().into()
}

/// Kills the program.
pub fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}
