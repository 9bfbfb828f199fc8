//! Records tests that cannot run on this machine. `cargo xtask test` lists them at the end; in CI it fails for them.

use std::io::Write as _;

/// Records that `what` is not tested. `what` contains the reason.
pub fn skip(what: &str) {
    // Not `eprintln!`, whose output the test program captures.
    writeln!(std::io::stderr(), "not tested: {what}").expect("a screen");
    if let Some(file) = std::env::var_os("LASTBIT_SKIPS") {
        let mut file =
            std::fs::OpenOptions::new().create(true).append(true).open(file).expect("the list of skipped tests");
        writeln!(file, "{what}").expect("the list of skipped tests");
    }
}
