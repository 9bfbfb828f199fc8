//! Records tests that cannot run on this machine. `cargo xtask test` lists them at the end; in CI it fails for them.

use std::io::Write as _;

/// Records that `what` is not tested. `what` contains the reason.
pub fn skip(what: &str) {
    // The test program captures this line, but not the file.
    eprintln!("not tested: {what}");
    if let Some(file) = std::env::var_os("LASTBIT_SKIPS") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        writeln!(file, "{what}").unwrap();
    }
}
