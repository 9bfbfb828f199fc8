//! `cargo xtask hardware`: measures lastbit on a machine that has a GPU and no Rust. `pack` makes one folder for it, whose runner
//! is this program; `run` measures there, stage by stage; `report` turns the results into the project's documentation.

mod adapters;
mod archive;
mod certificate;
mod child;
mod images;
mod options;
mod pack;
mod report;
mod results;
mod run;
#[cfg(test)]
mod scratch;
mod stages;
mod stamp;
mod trial;

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::host;
use options::Options;
pub use pack::is_packed;

/// Words that ask for the runner's help.
const HELP: [&str; 3] = ["help", "-h", "--help"];

/// `cargo xtask hardware pack|run|report`.
pub fn verb(arguments: &[String]) -> Result<ExitCode> {
    match arguments.split_first().map(|(verb, rest)| (verb.as_str(), rest)) {
        Some(("pack", rest)) => pack::run(rest).map(|()| ExitCode::SUCCESS),
        Some(("run", rest)) => pack_and_run(rest),
        Some(("report", rest)) => report::run(rest).map(|()| ExitCode::SUCCESS),
        _ => {
            eprintln!("xtask hardware: give pack, run or report; `cargo xtask help` explains them");
            Ok(ExitCode::from(2))
        }
    }
}

/// Packs what this checkout builds, and runs it here.
fn pack_and_run(arguments: &[String]) -> Result<ExitCode> {
    if arguments.first().is_some_and(|word| HELP.contains(&word.as_str())) {
        println!("{}", help());
        return Ok(ExitCode::SUCCESS);
    }
    // Before a build of ten minutes.
    if let Err(error) = Options::parse(arguments) {
        return Ok(usage("cargo xtask hardware run", &error));
    }
    let folder = host::target_dir()?.join("lastbit-hardware-here");
    pack::pack(&folder, None)?;
    let runner = pack::runner(&folder);
    let status = Command::new(&runner).args(arguments).status();
    let status = status.with_context(|| format!("cannot start {}", runner.display()))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The runner of a packed folder: `run RESULTS [STAGE...]`. Ends with 0 if all stages are done, with 1 if not, with 2 if a flag is
/// invalid.
pub fn packed(arguments: &[String]) -> ExitCode {
    let (word, rest) = arguments.split_first().map_or((HELP[0], arguments), |(word, rest)| (word.as_str(), rest));
    if HELP.contains(&word) {
        println!("{}", help());
        return ExitCode::SUCCESS;
    }
    let outcome = if word == run::STAGE_VERB {
        run::stage(rest)
    } else {
        match Options::parse(arguments) {
            Ok(options) => {
                run::run(&options).map(|all_done| if all_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
            Err(error) => return usage("run", &error),
        }
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("run: {error:#}");
        ExitCode::FAILURE
    })
}

fn usage(program: &str, error: &anyhow::Error) -> ExitCode {
    eprintln!("{program}: {error:#}; `{program} help` lists stages and flags");
    ExitCode::from(2)
}

/// The flags of the runner.
fn help() -> String {
    format!(
        "\
Measures lastbit on a GPU of this machine, stage by stage, and leaves what it found in RESULTS.

    run RESULTS [STAGE...] [FLAG...]

Without a STAGE, all of them run, in this order; each has a limit. One that fails does not stop the next.

{}
    --adapter NAME       the adapter by index or part of its name (default: LASTBIT_ADAPTER, else the first that `adapters` lists)
    --limit STAGE=S,...  other limits in seconds, such as rules=90
    --small              a small network and batch, for a trial on a software adapter
    --nets NAME,...      networks that `peers` compares (default: the one that the other stages train)
    --replicas N         replicas of `bench`, and of lastbit in `peers` (default: 6; with --small 2)
    --peer-replicas N    networks that PyTorch trains in `peers` (default: 2; each is compiled)
    --rounds N           rounds of `peers` (default: 3)
    --work FOLDER        where programs and runs are kept (default: lastbit-hardware in the folder of temporary files)

RESULTS holds results.txt (all that was printed), results.json (what was measured), certificate/ and the run of `train` in parts
(train.tar.00, ...). To go on with that run on another machine, copy the parts into this folder or into the new RESULTS.",
        stages::help()
    )
}
