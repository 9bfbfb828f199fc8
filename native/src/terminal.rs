//! Lines for standard output. A reader that went away (`lastbit ... | head`) is not an error. Output that is lost for another
//! reason is, and [`lost_output`] returns that error at the end.

use std::cell::RefCell;
use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

use indicatif::ProgressDrawTarget;

use crate::failure::Failure;
use crate::log;

/// The first error that lost output.
static LOST: OnceLock<String> = OnceLock::new();

/// Writes a line to standard output.
pub fn print_line(line: impl Display) {
    note_lost(writeln!(io::stdout().lock(), "{line}"));
}

/// Records that output was lost. Work continues, because its files are still worth having.
pub fn note_lost(written: io::Result<()>) {
    if let Some(error) = written.err().filter(|error| error.kind() != ErrorKind::BrokenPipe) {
        let _ = LOST.set(error.to_string());
    }
}

/// The failure of lost output, if any. Call it after everything is written.
pub fn lost_output() -> Option<Failure> {
    note_lost(io::stdout().lock().flush());
    let why = LOST.get()?;
    Some(Failure::other(format!(
        "cannot write to standard output: {why}: some of the output is lost: make room, or send the output elsewhere"
    )))
}

thread_local! {
    /// Begins the warnings of this thread, if several runs train at the same time.
    #[allow(clippy::missing_const_for_thread_local, reason = "it is const, which clippy does not see on every target")]
    static PREFIX: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Makes the warnings of this thread begin with `prefix`; an empty `prefix` removes the prefix.
pub fn prefix_warnings(prefix: &str) {
    PREFIX.set(if prefix.is_empty() { String::new() } else { format!("{prefix}: ") });
}

/// Writes a warning to standard error, as a log line if `--log-format json` is given.
pub fn warn(line: impl Display) {
    let line = PREFIX.with_borrow(|prefix| format!("{prefix}{line}"));
    if log::is_structured() {
        return tracing::warn!("{line}");
    }
    let _ = writeln!(io::stderr().lock(), "warning: {line}");
}

/// Reports the failure that ends the program, and returns its exit code. An error goes to standard error, as a log line if
/// `--log-format json` is given.
pub fn report(failure: &Failure) -> ExitCode {
    match failure.code() {
        // 128 and the number of a signal: a stop, not an error.
        129.. => print_line(failure),
        _ if log::is_structured() => tracing::error!("{failure}"),
        _ => drop(writeln!(io::stderr().lock(), "error: {failure}")),
    }
    ExitCode::from(failure.code())
}

/// True if standard output is a terminal, and standard error is one that can draw progress bars (`TERM` is set and not `dumb`).
pub fn is_interactive() -> bool {
    io::stdout().is_terminal() && !ProgressDrawTarget::stderr().is_hidden()
}

/// Formats rows with the same number of cells as lines of aligned columns. The first row is the head.
pub fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..n_columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [["k", "loss"], ["11", "2.30"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(columns(&rows), ["k   loss", "11  2.30"]);
        assert!(columns(&[]).is_empty());
    }
}
