//! Signals. Ctrl-C and the signals that schedulers send before they kill (SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU) ask a run to
//! stop after its step; before anything has begun, they end the program at once. A second Ctrl-C always ends the program. A
//! scheduler's second signal does not: some send the same one twice, and all can send SIGKILL. Ctrl-C ends a download at once. A
//! run that fails asks the runs beside it to stop in the same way.

use std::fmt::Display;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use crate::failure::{Failure, OTHER};

/// The exit code after Ctrl-C (128 + SIGINT).
const INTERRUPTED: u8 = 130;

/// The exit code of the first signal; before any signal, [`OTHER`] after a failed run, else 0.
static REQUESTED: AtomicU8 = AtomicU8::new(0);
/// Number of [`UnsavedWork`] values alive.
static UNSAVED: AtomicUsize = AtomicUsize::new(0);

/// The message of a signal that finds nothing to save.
const NOT_BEGUN: &str = "\nstopped before anything began: run the same command again\n";

/// True if `code` is the request of a signal, not that of a failed run.
fn is_signal(code: u8) -> bool {
    code != 0 && code != OTHER
}

/// Asks all runs to stop with the exit code of a signal, unless an earlier signal did. Returns the code before. A signal
/// handler may call it.
fn request(code: u8) -> u8 {
    let keep_first = |before| (!is_signal(before)).then_some(code);
    REQUESTED.fetch_update(Ordering::SeqCst, Ordering::SeqCst, keep_first).unwrap_or_else(|before| before)
}

/// True if nothing needs to be saved.
fn is_idle() -> bool {
    UNSAVED.load(Ordering::SeqCst) == 0
}

/// While a value of this type lives, the program has something to save, and a signal only asks it to stop. While there is none, a
/// signal ends the program.
pub struct UnsavedWork(());

impl UnsavedWork {
    /// Marks that there is something to save from now on.
    pub fn begin() -> Self {
        UNSAVED.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for UnsavedWork {
    fn drop(&mut self) {
        UNSAVED.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Installs the signal handlers. Later calls do nothing.
pub fn install() -> Result<(), Failure> {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    let handler = || {
        let before = request(INTERRUPTED);
        if is_idle() {
            write_stderr(NOT_BEGUN);
            exit_now(INTERRUPTED);
        }
        if is_signal(before) {
            exit_now(INTERRUPTED);
        }
        write_stderr(
            "\nstopping: the work under way is finished and saved first (press Ctrl-C again to end at once)\n",
        );
    };
    ctrlc::set_handler(handler).map_err(cannot_listen)?;
    schedulers::install()
}

/// Writes to standard error. Errors are ignored, because the terminal may be gone.
fn write_stderr(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Ends the program while other threads compute. Skips the exit handlers of drivers, which would free memory that the threads use.
fn exit_now(code: u8) -> ! {
    #[cfg(unix)]
    // SAFETY: it only ends the program.
    unsafe {
        nix::libc::_exit(nix::libc::c_int::from(code))
    }
    #[cfg(not(unix))]
    std::process::exit(i32::from(code))
}

/// The signals that schedulers send before they kill. Only Unix has them.
#[cfg(unix)]
mod schedulers {
    use nix::libc;
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

    use super::{NOT_BEGUN, exit_now, is_idle, request};
    use crate::failure::Failure;

    /// The notices of Slurm and LSF, the end of a terminal, and a used-up time limit.
    const SIGNALS: [Signal; 5] = [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGXCPU];

    extern "C" fn handler(signal: libc::c_int) {
        let code = 128 + signal as u8;
        request(code);
        if is_idle() {
            // SAFETY: a handler may call `write`, and the text lives as long as the program.
            let _ = unsafe { libc::write(libc::STDERR_FILENO, NOT_BEGUN.as_ptr().cast(), NOT_BEGUN.len()) };
            exit_now(code);
        }
    }

    pub fn install() -> Result<(), Failure> {
        let action = SigAction::new(SigHandler::Handler(handler), SaFlags::SA_RESTART, SigSet::empty());
        for signal in SIGNALS {
            let install = || {
                // SAFETY: the handler only does what a handler may: atomic operations, `write` and `_exit`.
                let before = unsafe { sigaction(signal, &action) }?;
                // A signal that was ignored at the start, as under nohup, stays ignored.
                if matches!(before.handler(), SigHandler::SigIgn) {
                    // SAFETY: this restores the previous action.
                    unsafe { sigaction(signal, &before) }?;
                }
                Ok(())
            };
            install().map_err(|error: nix::Error| Failure::other(format!("cannot handle {signal}: {error}")))?;
        }
        Ok(())
    }
}

#[cfg(not(unix))]
mod schedulers {
    use crate::failure::Failure;

    pub fn install() -> Result<(), Failure> {
        Ok(())
    }
}

/// Makes Ctrl-C print `message` and end the program at once. Call it only once.
pub fn exit_on_ctrl_c(message: &'static str) -> Result<(), Failure> {
    let handler = move || {
        eprintln!("\n{message}");
        std::process::exit(i32::from(INTERRUPTED));
    };
    ctrlc::set_handler(handler).map_err(cannot_listen)
}

fn cannot_listen(error: ctrlc::Error) -> Failure {
    Failure::other(format!("cannot handle Ctrl-C: {error}"))
}

/// Asks all runs of this process to stop and save, because one of them has failed.
pub fn stop_all() {
    let _ = REQUESTED.compare_exchange(0, OTHER, Ordering::SeqCst, Ordering::SeqCst);
}

/// Stops all runs if the thread that holds it panics. Otherwise, joining the threads of the others would wait until those have
/// trained.
pub struct StopAllOnPanic;

impl Drop for StopAllOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            stop_all();
        }
    }
}

/// True after the first signal, or after another run failed.
pub fn requested() -> bool {
    exit_code() != 0
}

/// The exit code of a run that was stopped: 128 and the number of the first signal, 1 after another run failed, 0 if nothing
/// asked it to stop.
pub fn exit_code() -> u8 {
    REQUESTED.load(Ordering::SeqCst)
}

/// The failure of work that was stopped. What is finished is kept; `message` says how to continue.
pub fn stopped(message: impl Display) -> Failure {
    Failure::new(exit_code(), message)
}
