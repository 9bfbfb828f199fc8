//! Ctrl-C: the first one asks the run to stop after its step, the second one kills.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::{Failure, INTERRUPTED};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Installs the handler. To be called once.
pub fn install() -> Result<(), Failure> {
    let handler = || {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        eprintln!("\nstopping: this step is finished and saved first (Ctrl-C again ends at once)");
    };
    ctrlc::set_handler(handler).map_err(|error| Failure::other(format!("cannot listen to Ctrl-C: {error}")))
}

/// True after the first Ctrl-C.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
