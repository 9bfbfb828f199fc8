//! Signals. Ctrl-C and what schedulers send before they kill (SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU) ask a run to stop after
//! its step; where nothing has begun yet, they end the program at once. A second Ctrl-C ends it in any case. A scheduler's second
//! signal does not: some send the same one twice, and all have SIGKILL. A download ends at once. A run that fails asks those
//! beside it to stop in the same way.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use crate::failure::{Failure, INTERRUPTED, OTHER};

/// The exit code of what came first, or 0.
static REQUESTED: AtomicU8 = AtomicU8::new(0);
/// Runs that have something to save before the program ends.
static TO_SAVE: AtomicUsize = AtomicUsize::new(0);

/// Said where there is nothing to save.
const NOT_BEGUN: &str = "\nstopped before anything began: give the same line again\n";

/// True for what a signal left. A failure beside is none.
fn is_signal(code: u8) -> bool {
    code != 0 && code != OTHER
}

/// Asks all to stop with the exit code of a signal, unless one came before. Gives what there was before. A signal handler
/// may call it.
fn request(code: u8) -> u8 {
    let keep_first = |before| (!is_signal(before)).then_some(code);
    REQUESTED.fetch_update(Ordering::SeqCst, Ordering::SeqCst, keep_first).unwrap_or_else(|before| before)
}

/// True where a signal finds nothing to save.
fn is_idle() -> bool {
    TO_SAVE.load(Ordering::SeqCst) == 0
}

/// Something that a signal has to leave time to save, as long as this lives. Before the first one a signal ends the program.
pub struct ToSave(());

impl ToSave {
    /// From here on.
    pub fn begin() -> Self {
        TO_SAVE.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for ToSave {
    fn drop(&mut self) {
        TO_SAVE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Installs the handlers, unless they are there already.
pub fn install() -> Result<(), Failure> {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    let handler = || {
        let before = request(INTERRUPTED);
        if is_idle() {
            tell(NOT_BEGUN);
            end(INTERRUPTED);
        }
        if is_signal(before) {
            end(INTERRUPTED);
        }
        tell("\nstopping: what is under way is finished and saved first (Ctrl-C again ends at once)\n");
    };
    ctrlc::set_handler(handler).map_err(cannot_listen)?;
    schedulers::install()
}

/// Writes to standard error, whose terminal may be gone.
fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Ends the program while other threads compute: without what drivers do at its end, which would take their memory away.
fn end(code: u8) -> ! {
    #[cfg(unix)]
    // SAFETY: it does nothing but end the program.
    unsafe {
        nix::libc::_exit(nix::libc::c_int::from(code))
    }
    #[cfg(not(unix))]
    std::process::exit(i32::from(code))
}

/// What schedulers send before they kill. Elsewhere than on Unix there are no such signals.
#[cfg(unix)]
mod schedulers {
    use nix::libc;
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

    use super::{NOT_BEGUN, end, is_idle, request};
    use crate::failure::Failure;

    /// Slurm's and LSF's notices, the end of a terminal, a used up allowance.
    const SIGNALS: [Signal; 5] = [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGXCPU];

    extern "C" fn handler(signal: libc::c_int) {
        let code = 128 + signal as u8;
        request(code);
        if is_idle() {
            // SAFETY: one of the few calls that a handler may make, with a text that lives as long as the program.
            let _ = unsafe { libc::write(libc::STDERR_FILENO, NOT_BEGUN.as_ptr().cast(), NOT_BEGUN.len()) };
            end(code);
        }
    }

    pub fn install() -> Result<(), Failure> {
        let action = SigAction::new(SigHandler::Handler(handler), SaFlags::SA_RESTART, SigSet::empty());
        for signal in SIGNALS {
            let install = || {
                // SAFETY: the handler does nothing but what a handler may: atomic operations, `write` and `_exit`.
                let before = unsafe { sigaction(signal, &action) }?;
                // As under nohup: who started the program wants it to go on.
                if matches!(before.handler(), SigHandler::SigIgn) {
                    // SAFETY: it is what was there before.
                    unsafe { sigaction(signal, &before) }?;
                }
                Ok(())
            };
            install().map_err(|error: nix::Error| Failure::other(format!("cannot listen to {signal}: {error}")))?;
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

/// Makes Ctrl-C end the program at once, saying `message`. To be called once.
pub fn end_at_once(message: &'static str) -> Result<(), Failure> {
    let handler = move || {
        eprintln!("\n{message}");
        std::process::exit(i32::from(INTERRUPTED));
    };
    ctrlc::set_handler(handler).map_err(cannot_listen)
}

fn cannot_listen(error: ctrlc::Error) -> Failure {
    Failure::other(format!("cannot listen to Ctrl-C: {error}"))
}

/// Asks all runs of this process to stop and save, because one of them has failed.
pub fn stop_all() {
    let _ = REQUESTED.compare_exchange(0, OTHER, Ordering::SeqCst, Ordering::SeqCst);
}

/// Stops all where a panic ends what holds it: whoever joins the threads of the others would wait until they have trained.
pub struct StopAllOnPanic;

impl Drop for StopAllOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            stop_all();
        }
    }
}

/// True after the first signal, or after a failure beside.
pub fn requested() -> bool {
    exit_code() != 0
}

/// What a run that was stopped ends with: 128 and the number of the first signal, 1 after a failure beside it, 0 if there was
/// none.
pub fn exit_code() -> u8 {
    REQUESTED.load(Ordering::SeqCst)
}
