//! What every experiment has: flags, and a stop on Ctrl-C.

use std::path::PathBuf;

use clap::Args;
use lastbit_core::train::self_test::Check;

use crate::device_test::parse_check;
use crate::failure::Failure;
use crate::interrupt;
use crate::run_config::OnBrokenDevice;
use crate::value_parsers::listed;

/// Flags that every experiment has.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Folder for data, figures and report; after a stop, the same command continues
    #[arg(long, value_name = "FOLDER", required_unless_present_any = ["dry_run", "tasks"])]
    pub out: Option<PathBuf>,
    /// Use a small size, for a machine without a GPU; the report says so
    #[arg(long)]
    pub quick: bool,
    /// Adapter by index or part of its name (see `lastbit adapters`) [default: $LASTBIT_ADAPTER, else a GPU, else the processor]
    #[arg(long)]
    pub adapter: Option<String>,
    /// Several adapters of one make, each as --adapter takes it: the experiment's runs are trained on all of them at the same
    /// time, each run on one; an adapter may be given twice (experiments that train several runs)
    #[arg(long, value_name = "ADAPTER,ADAPTER,...", value_delimiter = ',', value_parser = listed::<String>, conflicts_with = "adapter")]
    pub adapters: Option<Vec<String>>,
    /// List the experiment's independent runs, one a line, and stop; with --out, also how far each is
    #[arg(long, conflicts_with = "dry_run")]
    pub tasks: bool,
    /// Do only this independent run, counted from 0 as --tasks lists them; several processes may do so in one folder, and the same
    /// command without this flag then writes the report
    #[arg(long, value_name = "I", conflicts_with_all = ["adapters", "tasks"])]
    pub task: Option<usize>,
    /// Folder with the data set's files, or its parent, or the archive [default: ./data, then the user's data folder]
    #[arg(long, value_name = "PATH")]
    pub data_dir: Option<PathBuf>,
    /// What to do on an adapter that fails the start-up self-test [default: refuse]
    #[arg(long, value_name = "POLICY")]
    pub on_broken_device: Option<OnBrokenDevice>,
    /// Print an estimate of time and memory, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Print nothing but warnings and errors
    #[arg(long)]
    pub quiet: bool,
    /// Make a check of the self-test fail
    #[arg(long, value_name = "CHECK", hide = true, value_parser = parse_check)]
    pub break_device: Option<Check>,
}

/// Fails after Ctrl-C. Call it where little work is lost: an unfinished piece starts again from its beginning.
pub fn check_interrupt() -> Result<(), Failure> {
    if interrupt::requested() {
        return Err(interrupt::stopped("stopped: what is finished is kept, and the same command continues"));
    }
    Ok(())
}
