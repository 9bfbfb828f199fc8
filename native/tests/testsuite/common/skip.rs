//! Tests that cannot run on this machine say so in a way that is not lost: `cargo xtask test` lists them at the end, and fails for
//! them in CI.

use std::io::Write as _;

/// Tells that something is not tested, and why.
pub fn skip(what: &str) {
    // Not by a macro: the test program keeps what those print to itself.
    eprintln!("not tested: {what}");
    if let Some(file) = std::env::var_os("LASTBIT_SKIPS") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        writeln!(file, "{what}").unwrap();
    }
}
