//! Lines for standard output. A reader that went away (`lastbit ... | head`) is no error; output that is lost for another reason
//! is, and [`lost_output`] tells of it at the end.

use std::cell::RefCell;
use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

use indicatif::ProgressDrawTarget;

use crate::failure::Failure;
use crate::log;

/// Why a line for standard output was lost first.
static LOST: OnceLock<String> = OnceLock::new();

/// Writes a line to standard output.
pub fn say(line: impl Display) {
    note(writeln!(io::stdout().lock(), "{line}"));
}

/// Takes notice of output that is lost. Work goes on: what it writes to files is worth having.
pub fn note(written: io::Result<()>) {
    if let Some(error) = written.err().filter(|error| error.kind() != ErrorKind::BrokenPipe) {
        let _ = LOST.set(error.to_string());
    }
}

/// Output that did not arrive, to be asked for when everything is written.
pub fn lost_output() -> Option<Failure> {
    note(io::stdout().lock().flush());
    let why = LOST.get()?;
    Some(Failure::other(format!(
        "cannot write to standard output: {why}: some of the output is lost; make room, or send the output elsewhere"
    )))
}

thread_local! {
    /// Whose thread this is, where several runs go on at the same time.
    #[allow(clippy::missing_const_for_thread_local, reason = "it is const, which clippy does not see on every target")]
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Has the warnings of this thread begin with `place`, or with nothing where it is empty.
pub fn name_thread(place: &str) {
    PLACE.set(if place.is_empty() { String::new() } else { format!("{place}: ") });
}

/// Writes a line to standard error: something to know that is no error. In the log's format where one was asked for.
pub fn warn(line: impl Display) {
    let line = PLACE.with_borrow(|place| format!("{place}{line}"));
    if log::is_structured() {
        return tracing::warn!("{line}");
    }
    let _ = writeln!(io::stderr().lock(), "warning: {line}");
}

/// Writes a line to standard error: why the program ends.
pub fn error(line: impl Display) {
    if log::is_structured() {
        return tracing::error!("{line}");
    }
    let _ = writeln!(io::stderr().lock(), "error: {line}");
}

/// True when a person looks at the output and the terminal can move it: bars are drawn on standard error, and not where TERM
/// is unset or `dumb`.
pub fn is_interactive() -> bool {
    io::stdout().is_terminal() && !ProgressDrawTarget::stderr().is_hidden()
}

/// Rows of equally many cells as lines of aligned columns, the first row being the head.
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
