//! Child processes: every command runs in the repository's root, or in the folder that stands in for it, with a time limit and
//! the same kind of error message.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

static ROOT: OnceLock<PathBuf> = OnceLock::new();

/// The repository's root, unless [`set_root`] has named another folder.
pub fn root() -> &'static Path {
    let repository =
        || Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask/ lies in the workspace").to_owned();
    ROOT.get_or_init(repository)
}

/// Makes `folder` the root, on a machine without the repository.
///
/// # Panics
/// If [`root`] has been called before.
pub fn set_root(folder: &Path) {
    ROOT.set(folder.to_owned()).expect("the root is set before any command runs");
}

/// A command that runs in the root.
pub fn command(program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    // The cargo that runs xtask sets these. Build scripts that read them would run again here, and again in the user's cargo.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command
}

/// The command as a person would type it.
pub fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Runs `command` to its end, with xtask's own output streams; an error unless it succeeds within `limit`.
pub fn run(command: &mut Command, limit: Duration) -> Result<()> {
    let line = line_of(command);
    println!("$ {line}");
    let child = spawn(command.stdin(Stdio::null()), &line)?;
    succeeded(wait(child, limit, &line)?, &line)
}

/// Like [`run`], but returns stdout, and prints only what the command writes to stderr.
pub fn capture(command: &mut Command, limit: Duration) -> Result<String> {
    let line = line_of(command);
    let mut child = spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()), &line)?;
    let mut pipe = child.stdout.take().expect("stdout is piped");
    // In a thread: without a reader, a child that fills the pipe would never end.
    let reader = thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).map(|_| text)
    });
    let status = wait(child, limit, &line)?;
    let text = reader.join().expect("the reader does not panic").with_context(|| format!("cannot read from `{line}`"));
    succeeded(status, &line)?;
    text
}

/// True if the command starts and succeeds within a minute; its output is discarded.
pub fn succeeds(program: impl AsRef<OsStr>, arguments: &[&str]) -> bool {
    let mut command = command(program, arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let line = line_of(&command);
    spawn(&mut command, &line).and_then(|child| wait(child, Duration::from_secs(60), &line)).is_ok_and(|s| s.success())
}

/// The path of the first of `names` that is on the PATH; a name without extension gets the system's suffix of executables.
pub fn find_program(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let in_folder = |folder: &PathBuf, name: &str| {
        let suffix = if name.contains('.') { "" } else { std::env::consts::EXE_SUFFIX };
        let file = folder.join(format!("{name}{suffix}"));
        file.is_file().then_some(file)
    };
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.iter().find_map(|name| folders.iter().find_map(|folder| in_folder(folder, name)))
}

fn spawn(command: &mut Command, line: &str) -> Result<Child> {
    command.spawn().with_context(|| format!("cannot start `{line}`"))
}

fn wait(mut child: Child, limit: Duration, line: &str) -> Result<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().with_context(|| format!("cannot wait for `{line}`"))? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            // Errors only mean that the child has ended in the meantime.
            let _ = child.kill();
            let _ = child.wait();
            bail!("`{line}` did not end within {} s and was stopped", limit.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn succeeded(status: ExitStatus, line: &str) -> Result<()> {
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_hanging_child_is_stopped() {
        let started = Instant::now();
        let error = run(&mut command("sleep", &["60"]), Duration::from_millis(200)).unwrap_err();
        assert!(error.to_string().contains("did not end within"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn output_longer_than_a_pipe_is_captured() {
        let text = capture(&mut command("seq", &["1", "100000"]), Duration::from_secs(30)).unwrap();
        assert_eq!(text.lines().count(), 100_000);
    }

    #[test]
    fn failures_name_the_command() {
        let error = run(&mut command("false", &["--now"]), Duration::from_secs(30)).unwrap_err();
        assert!(error.to_string().starts_with("`false --now` failed"), "{error}");
        let error = run(&mut command("no-such-program", &[]), Duration::from_secs(30)).unwrap_err();
        assert_eq!(error.to_string(), "cannot start `no-such-program`");
    }
}
