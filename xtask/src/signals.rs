//! Ends child processes: politely where the system can, alone or with all that they have started.

use std::io;
use std::process::{Child, Command};

/// Asks a child to end: SIGTERM, on which a run saves first. On Windows, which has no such signal, ends it at once.
pub fn terminate(child: &mut Child) -> io::Result<()> {
    #[cfg(unix)]
    return Ok(nix::sys::signal::kill(pid(child.id()), nix::sys::signal::SIGTERM)?);
    #[cfg(not(unix))]
    child.kill()
}

/// Gives the command's process, with all that it starts, a group of its own, which [`end_group`] can end.
pub fn in_own_group(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

/// How a group of processes is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// By SIGTERM, so that a run saves. On Windows the same as [`Force::Kill`].
    Terminate,
    /// At once.
    Kill,
}

/// Ends the process with this number and all that it has started. The process must come from a command that
/// [`in_own_group`] has prepared. Does nothing if none of them is left.
pub fn end_group(id: u32, force: Force) {
    // Errors only mean that the processes have ended in the meantime.
    #[cfg(unix)]
    {
        let signal = match force {
            Force::Terminate => nix::sys::signal::SIGTERM,
            Force::Kill => nix::sys::signal::SIGKILL,
        };
        let _ = nix::sys::signal::killpg(pid(id), signal);
    }
    #[cfg(not(unix))]
    {
        let _ = force;
        let _ = Command::new("taskkill").args(["/T", "/F", "/PID", &id.to_string()]).output();
    }
}

/// Calls `act` when this program is asked to end: by Ctrl-C, and on Unix also by SIGTERM or the end of its terminal. The program ends then.
/// `act` may only do what a signal handler may. Call it once.
///
/// # Errors
/// If the system refuses.
#[cfg(unix)]
pub fn before_the_end(act: fn()) -> io::Result<()> {
    use std::sync::OnceLock;

    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

    static ACT: OnceLock<fn()> = OnceLock::new();
    extern "C" fn handler(signal: nix::libc::c_int) {
        if let Some(act) = ACT.get() {
            act();
        }
        // SAFETY: it only ends the program.
        unsafe { nix::libc::_exit(128 + signal) }
    }
    let _ = ACT.set(act);
    let action = SigAction::new(SigHandler::Handler(handler), SaFlags::SA_RESTART, SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: the handler reads memory that no longer changes, calls `act` and `_exit`.
        let before = unsafe { sigaction(signal, &action) }?;
        // A signal that was ignored at the start, as under nohup, stays ignored.
        if matches!(before.handler(), SigHandler::SigIgn) {
            // SAFETY: this restores the previous action.
            unsafe { sigaction(signal, &before) }?;
        }
    }
    Ok(())
}

#[cfg(not(unix))]
pub fn before_the_end(act: fn()) -> io::Result<()> {
    ctrlc::set_handler(move || {
        act();
        std::process::exit(130);
    })
    .map_err(io::Error::other)
}

#[cfg(unix)]
fn pid(id: u32) -> nix::unistd::Pid {
    nix::unistd::Pid::from_raw(i32::try_from(id).expect("process numbers are small"))
}
