//! `lastbit export`: every number of a run in long form, as CSV or Parquet.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgGroup, Args};

use crate::export::{COLUMNS, CsvWriter, ParquetWriter, Read, RowWriter, Source, Sources, Stop, read_metrics};
use crate::failure::Failure;
use crate::files::PendingFile;
use crate::interrupt;
use crate::numbers::count;
use crate::run::{METRICS_FILE, finished_step, problems};
use crate::terminal::{note_lost, print_line, warn};

/// What `--help` shows after the flags.
pub const AFTER_HELP: &str = "\
The columns are step, replica, k, tensor, quantity, value. For a run in parts or a reproduction the name of the run (part-0, n2-seed1)
comes first, as run. The column tensor is empty (in Parquet null) where a number is of the whole network. A number of metrics.jsonl is a
row with the same digits; one that is not finite is NaN. Fingerprints are not numbers and are left out. docs/DATA.md explains each quantity.

Examples:
  lastbit export runs/first --parquet --out first.parquet
  lastbit export runs/fig2 --csv | gzip > fig2.csv.gz";

/// Flags of `export`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("format").required(true).args(["csv", "parquet"]))]
pub struct Arguments {
    /// Folder of a run, of a run in parts, or of a reproduction (then all its runs are exported)
    #[arg(value_name = "RUN_FOLDER")]
    folder: PathBuf,
    /// Write CSV
    #[arg(long)]
    csv: bool,
    /// Write Parquet (packed with gzip); needs --out
    #[arg(long)]
    parquet: bool,
    /// Where to write; - for standard output. An earlier export there is replaced [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes the rows of all runs of the folder.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let out = arguments.out.as_deref().filter(|out| *out != Path::new("-"));
    let sources = Sources::find(&arguments.folder)?;
    let Some(out) = out else {
        if arguments.parquet {
            return Err(Failure::usage("--parquet: standard output is for text: give a file, as in --out run.parquet"));
        }
        return to_standard_output(&sources);
    };
    check_replaceable(out)?;
    interrupt::install()?;
    let _unsaved = interrupt::UnsavedWork::begin();
    let pending = PendingFile::create(out)?;
    let failed = |error: io::Error| Failure::file("write", out, &error);
    let file = BufWriter::new(pending.file().map_err(failed)?);
    let written = if arguments.parquet {
        ParquetWriter::new(file, sources.is_named).map_err(Stop::Write).and_then(|rows| write(&sources, rows))
    } else {
        CsvWriter::new(file, sources.is_named).map_err(Stop::Write).and_then(|rows| write(&sources, rows))
    };
    let reads = written.map_err(|stop| match stop {
        Stop::Failed(failure) => failure,
        Stop::Write(error) => failed(error),
        Stop::Signal => interrupt::stopped(format!("stopped: '{}' is not written", out.display())),
    })?;
    pending.finish()?;
    report(&sources, &reads)?;
    let rows = reads.iter().map(|read| read.rows).sum();
    print_line(format!("data: {} ({})", out.display(), count(rows, "row")));
    Ok(ExitCode::SUCCESS)
}

fn to_standard_output(sources: &Sources) -> Result<ExitCode, Failure> {
    let rows = CsvWriter::new(BufWriter::new(io::stdout().lock()), sources.is_named);
    match rows.map_err(Stop::Write).and_then(|rows| write(sources, rows)) {
        Ok(reads) => report(sources, &reads)?,
        Err(Stop::Failed(failure)) => return Err(failure),
        // A reader that has enough is not an error.
        Err(Stop::Write(error)) => note_lost(Err(error)),
        Err(Stop::Signal) => return Err(interrupt::stopped("stopped")),
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the rows of all runs. Returns what was found in each.
fn write(sources: &Sources, mut rows: impl RowWriter) -> Result<Vec<Read>, Stop> {
    let read = |source: &Source| {
        rows.begin_run(&source.name);
        let path = source.folder.join(METRICS_FILE);
        match File::open(&path) {
            Ok(file) => read_metrics((BufReader::new(file), &path), &source.config.train.ks, &mut rows),
            // The run has not begun, or the file is named below as missing.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Read::default()),
            Err(error) => Err(Stop::Failed(Failure::file("read", &path, &error))),
        }
    };
    let reads = sources.runs.iter().map(read).collect::<Result<_, _>>()?;
    rows.finish().map_err(Stop::Write)?;
    Ok(reads)
}

/// Says what a user should know of the runs before trusting the rows.
fn report(sources: &Sources, reads: &[Read]) -> Result<(), Failure> {
    for (Source { folder, config, .. }, read) in sources.runs.iter().zip(reads) {
        let shown = folder.display();
        if let Some(first) = read.first_ignored {
            warn(format!(
                "lines of '{}' that are damaged or out of order were left out: {} (the first is line {first})",
                folder.join(METRICS_FILE).display(),
                read.ignored
            ));
        }
        for problem in problems(folder, config)? {
            warn(format!("'{shown}' is not as it was written: {problem}"));
        }
        if finished_step(folder, &config.train).is_none() {
            warn(format!("the run in '{shown}' is not finished: its rows end at step {}", read.last_step));
        }
        if let Some((replica, step)) = read.first_not_finite {
            warn(format!(
                "in '{shown}' the loss of replica {replica} is not finite at step {step}: from there on, a distance of 0 between two \
                 such replicas means nothing"
            ));
        }
    }
    Ok(())
}

/// Refuses to replace what is not an earlier export, such as a run's own metrics.
fn check_replaceable(out: &Path) -> Result<(), Failure> {
    let refuse = |what: &str| Err(Failure::usage(format!("--out: '{}' {what}: give another file", out.display())));
    let mut begin = String::new();
    match std::fs::metadata(out) {
        Ok(data) if data.is_dir() => return refuse("is a folder"),
        Ok(data) if !data.is_file() => return refuse("is not an ordinary file"),
        Ok(data) if data.len() == 0 => return Ok(()),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure::given("write", out, &error)),
    }
    let read = File::open(out).and_then(|file| file.take(COLUMNS.len() as u64 + 5).read_to_string(&mut begin));
    let is_csv = read.is_ok() && begin.trim_start_matches("run,").starts_with(COLUMNS);
    if is_csv || is_parquet(out) { Ok(()) } else { refuse("is not an earlier export") }
}

fn is_parquet(path: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"PAR1"
}
