//! Ctrl-C: the first one asks a run to stop after its step, the second one kills. A download ends at once.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::{Failure, INTERRUPTED};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Installs the handler, unless it is there already.
pub fn install() -> Result<(), Failure> {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    let handler = || {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        eprintln!("\nstopping: this step is finished and saved first (Ctrl-C again ends at once)");
    };
    ctrlc::set_handler(handler).map_err(cannot_listen)
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

/// True after the first Ctrl-C.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
