//! A child process whose output is read line by line as it comes, and that is stopped at a limit.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::process;
use crate::signals::{self, Force};

/// How often a child is looked at while it prints nothing.
const POLL: Duration = Duration::from_millis(200);
/// How long the output of an ended child is waited for: something that it has left behind may hold it open.
const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Exited(ExitStatus),
    /// It was stopped at its limit.
    Stopped,
}

/// How a child is stopped at its limit.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// The child alone, at once. Commands of a stage are stopped so: they have no children.
    Kill,
    /// The child and all that it has started, with this time to end by themselves.
    Group(Duration),
}

/// The number of the process that leads the running group; 0 if there is none.
static GROUP: AtomicU32 = AtomicU32::new(0);

/// Ends the group that [`run`] waits for. Signals to this program do not reach it. May be called by a signal handler.
pub fn end_running_group() {
    let id = GROUP.swap(0, Ordering::SeqCst);
    if id != 0 {
        signals::end_group(id, Force::Kill);
    }
}

/// Runs `command` and passes each line of its output, standard and error alike, to `on_line`. Without output `on_line` gets
/// `None` a few times a second.
///
/// # Errors
/// If the command does not start, or `on_line` fails; the child is stopped then, too.
pub fn run(
    command: &mut Command,
    limit: Duration,
    stop: Stop,
    mut on_line: impl FnMut(Option<&str>) -> Result<()>,
) -> Result<End> {
    let line = process::line_of(command);
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    command.stdin(Stdio::null()).stdout(writer.try_clone().context("cannot make a pipe")?).stderr(writer);
    if let Stop::Group(_) = stop {
        signals::in_own_group(command);
    }
    let mut child = command.spawn().with_context(|| format!("cannot start `{line}`"))?;
    // The command keeps ends of the pipe; without this, the reader would wait for them.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    if let Stop::Group(_) = stop {
        GROUP.store(child.id(), Ordering::SeqCst);
    }
    let (sender, lines) = channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut bytes = Vec::new();
        // Ends with the output, or when the receiver is dropped.
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
            bytes.clear();
            if sender.send(text).is_err() {
                break;
            }
        }
    });
    let end = watch(&mut child, &lines, limit, stop, &mut on_line);
    if let Stop::Group(_) = stop {
        // Also what a child has left behind, and all of it if `on_line` failed.
        signals::end_group(child.id(), Force::Kill);
        GROUP.store(0, Ordering::SeqCst);
    } else if end.is_err() {
        let _ = child.kill();
    }
    let end = end.with_context(|| format!("cannot wait for `{line}`"))?;
    child.wait().with_context(|| format!("cannot wait for `{line}`"))?;
    let deadline = Instant::now() + LAST_OUTPUT;
    while let Ok(text) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        on_line(Some(&text))?;
    }
    Ok(end)
}

fn watch(
    child: &mut Child,
    lines: &Receiver<String>,
    limit: Duration,
    stop: Stop,
    on_line: &mut impl FnMut(Option<&str>) -> Result<()>,
) -> Result<End> {
    let deadline = Instant::now() + limit;
    let mut killed_at = None;
    loop {
        let text = lines.recv_timeout(POLL);
        on_line(text.as_deref().ok())?;
        if text == Err(RecvTimeoutError::Disconnected) {
            // The child has closed its output and may work on.
            thread::sleep(POLL);
        }
        // While lines come, the loop only looks at the clock: the end follows the last line.
        if text.is_err()
            && let Some(status) = child.try_wait()?
        {
            return Ok(if killed_at.is_some() { End::Stopped } else { End::Exited(status) });
        }
        let now = Instant::now();
        match (killed_at, stop) {
            (None, Stop::Group(grace)) if now >= deadline => {
                signals::end_group(child.id(), Force::Terminate);
                killed_at = Some(now + grace);
            }
            (None, Stop::Kill) if now >= deadline => {
                child.kill()?;
                killed_at = Some(now);
            }
            (Some(at), Stop::Group(_)) if now >= at => signals::end_group(child.id(), Force::Kill),
            _ => {}
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::CommandExt as _;

    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

    use super::*;

    fn lines_of(script: &str, limit: Duration, stop: Stop) -> (End, Vec<String>) {
        let mut lines = Vec::new();
        let end = run(&mut process::command("sh", &["-c", script]), limit, stop, |line| {
            lines.extend(line.map(str::to_owned));
            Ok(())
        });
        (end.unwrap(), lines)
    }

    #[test]
    fn lines_come_in_order_with_the_exit_code() {
        let (end, lines) = lines_of("echo a; echo b >&2; printf c; exit 3", Duration::from_secs(30), Stop::Kill);
        assert_eq!(lines, ["a", "b", "c"]);
        assert!(matches!(end, End::Exited(status) if status.code() == Some(3)), "{end:?}");
    }

    #[test]
    fn a_group_is_stopped_with_the_children_of_its_children() {
        // The inner shell ignores SIGTERM, so that only SIGKILL to the whole group ends it.
        let script = "sh -c 'trap \"\" TERM; echo $$; while true; do sleep 0.05; done' & wait; sleep 60";
        let started = Instant::now();
        let stop = Stop::Group(Duration::from_millis(500));
        let (end, lines) = lines_of(script, Duration::from_secs(1), stop);
        assert_eq!(end, End::Stopped);
        assert!(started.elapsed() < Duration::from_secs(20));
        wait_for_the_end_of(&lines[0]);
    }

    /// Waits until the process with this number has ended.
    fn wait_for_the_end_of(process: &str) {
        let number: i32 = process.parse().unwrap();
        // Signal 0 asks whether the process exists. It is a child of init now, which may take a moment to bury it.
        let exists = || nix::sys::signal::kill(nix::unistd::Pid::from_raw(number), None).is_ok();
        let is_zombie = || {
            let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
            stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while exists() && !is_zombie() {
            assert!(Instant::now() < deadline, "process {number} still runs");
            thread::sleep(Duration::from_millis(50));
        }
    }

    #[test]
    fn a_signal_ends_what_runs() {
        const IS_CHILD: &str = "LASTBIT_XTASK_TEST_CHILD";
        if std::env::var_os(IS_CHILD).is_some() {
            signals::before_the_end(end_running_group).unwrap();
            // The line's end comes first: the program that tests prints a name without one.
            let mut shell = process::command("sh", &["-c", "echo $$; while true; do sleep 0.05; done"]);
            let limit = Duration::from_secs(600);
            let end = run(&mut shell, limit, Stop::Group(Duration::ZERO), |line| {
                line.iter().for_each(|line| println!("\nshell {line}"));
                Ok(())
            });
            panic!("it was not ended: {end:?}");
        }
        let begin = |is_under_nohup: bool| {
            let script = if is_under_nohup { "trap '' HUP; exec \"$0\" \"$@\"" } else { "exec \"$0\" \"$@\"" };
            let mut program = Command::new("sh");
            program.args(["-c", script]).arg(std::env::current_exe().unwrap());
            let by_default = || {
                // The tests themselves may have been started under nohup or in the background.
                let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
                for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
                    // SAFETY: no handler is installed.
                    unsafe { sigaction(signal, &default) }?;
                }
                Ok(())
            };
            // SAFETY: it only calls `sigaction`, which may be called between fork and exec.
            unsafe { program.pre_exec(by_default) };
            program.args(["--exact", "hardware::child::tests::a_signal_ends_what_runs", "--nocapture"]);
            let mut child = program.env(IS_CHILD, "1").stdout(Stdio::piped()).spawn().unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let shell = lines.find_map(|line| line.unwrap().strip_prefix("shell ").map(str::to_owned)).unwrap();
            (child, shell)
        };
        let send = |child: &Child, signal: Signal| {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), signal).unwrap();
        };
        for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129), (Signal::SIGINT, 130)] {
            let (mut child, shell) = begin(false);
            send(&child, signal);
            assert_eq!(child.wait().unwrap().code(), Some(code));
            wait_for_the_end_of(&shell);
        }
        // Under nohup the end of the terminal changes nothing.
        let (mut child, shell) = begin(true);
        send(&child, Signal::SIGHUP);
        send(&child, Signal::SIGTERM);
        assert_eq!(child.wait().unwrap().code(), Some(143));
        wait_for_the_end_of(&shell);
    }

    #[test]
    fn a_group_may_end_by_itself_after_its_limit() {
        let script = "trap 'echo saved; exit 143' TERM; echo ready; while true; do sleep 0.05; done";
        let (end, lines) = lines_of(script, Duration::from_secs(1), Stop::Group(Duration::from_secs(20)));
        assert_eq!(end, End::Stopped);
        // A shell may report that its `sleep`, which is in the group, too, was terminated.
        let ends = [lines.first(), lines.last()].map(|line| line.map(String::as_str));
        assert_eq!(ends, [Some("ready"), Some("saved")]);
    }

    #[test]
    fn a_failing_reader_stops_the_child() {
        let started = Instant::now();
        let stop = Stop::Group(Duration::from_secs(1));
        let error =
            run(&mut process::command("sh", &["-c", "echo a; sleep 60"]), Duration::from_secs(50), stop, |line| {
                anyhow::ensure!(line.is_none(), "the disk is full");
                Ok(())
            });
        assert!(format!("{:#}", error.unwrap_err()).contains("the disk is full"));
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}
