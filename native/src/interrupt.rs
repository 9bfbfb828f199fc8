//! Signals. Ctrl-C and SIGTERM ask a run to stop after its step; a second one kills. A download ends at once. A run that
//! fails asks those beside it in the same way.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::failure::{Failure, INTERRUPTED, OTHER};

/// The exit code of what came, or 0.
static REQUESTED: AtomicU8 = AtomicU8::new(0);

/// True for what a signal left: the next one ends the program. A failure beside is none.
fn is_signal(code: u8) -> bool {
    code != 0 && code != OTHER
}

/// Installs the handlers, unless they are there already.
pub fn install() -> Result<(), Failure> {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    let handler = || {
        if is_signal(REQUESTED.swap(INTERRUPTED, Ordering::SeqCst)) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        eprintln!("\nstopping: this step is finished and saved first (Ctrl-C again ends at once)");
    };
    ctrlc::set_handler(handler).map_err(cannot_listen)?;
    terminate::install()
}

/// SIGTERM: what schedulers send before they kill. Elsewhere than on Unix there is no such signal.
#[cfg(unix)]
mod terminate {
    use std::sync::atomic::Ordering;

    use nix::libc;
    use nix::sys::signal::{SigHandler, Signal, signal};

    use super::{REQUESTED, is_signal};
    use crate::failure::{Failure, REQUEUE};

    extern "C" fn handler(_: libc::c_int) {
        if is_signal(REQUESTED.swap(REQUEUE, Ordering::SeqCst)) {
            // SAFETY: one of the few calls that a handler may make.
            unsafe { libc::_exit(libc::c_int::from(REQUEUE)) };
        }
    }

    pub fn install() -> Result<(), Failure> {
        // SAFETY: the handler does nothing but what a handler may: an atomic swap and `_exit`.
        let installed = unsafe { signal(Signal::SIGTERM, SigHandler::Handler(handler)) };
        installed.map(drop).map_err(|error| Failure::other(format!("cannot listen to SIGTERM: {error}")))
    }
}

#[cfg(not(unix))]
mod terminate {
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

/// What a run that was stopped ends with: 130 after Ctrl-C, 143 after SIGTERM, 1 after a failure beside it, 0 if there was
/// none.
pub fn exit_code() -> u8 {
    REQUESTED.load(Ordering::SeqCst)
}
