//! `lastbit report`: rebuilds the page of a run from its folder alone.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::Args;

use crate::failure::Failure;
use crate::report;
use crate::terminal::{print_line, warn};

/// Flags of `report`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Run folder
    #[arg(value_name = "RUN_FOLDER")]
    folder: PathBuf,
    /// Where to write the page [default: RUN_FOLDER/report.html]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Address of a hosted page of lastbit: the report links to the same run there
    #[arg(long, value_name = "URL")]
    page_url: Option<String>,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
}

/// Writes the page and prints its path.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let page_url = arguments.page_url.as_deref();
    if page_url.is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
        return Err(Failure::usage(
            "--page-url: give the whole address of the page, as in https://example.org/lastbit/",
        ));
    }
    let written = report::write_linked(&arguments.folder, arguments.out.as_deref(), page_url)?;
    if written.ignored > 0 {
        warn(format!(
            "lines of '{}' that are damaged or out of order were left out: {}",
            arguments.folder.join("metrics.jsonl").display(),
            written.ignored
        ));
    }
    for problem in written.problems {
        warn(format!("'{}' is not as it was written: {problem}", arguments.folder.display()));
    }
    print_line(format!("report: {}", written.path.display()));
    if arguments.open && !open(&written.path) {
        warn("no program of this system opens the page: open the file in a browser");
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts the platform's opener; false if there is none.
fn open(path: &Path) -> bool {
    let (program, first): (&str, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("cmd", &["/C", "start", ""]),
        _ => ("xdg-open", &[]),
    };
    let mut opener = Command::new(program);
    opener.args(first).arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    opener.status().is_ok_and(|status| status.success())
}
