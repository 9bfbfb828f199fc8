//! `lastbit reproduce`: the paper's experiments, one file each, and what they share.
//!
//! An experiment is a struct of the values of its flags, which [`flags!`](flags::flags) declares, with the trait
//! [`Experiment`]. Its values identify the folder: the same command continues a reproduction, other values are refused.
//!
//! ```text
//! flags! {
//!     /// Figure X: the heat equation
//!     #[name = "figx"]
//!     pub struct FigX {
//!         /// Time step
//!         dt: f64 = 0.4;
//!     }
//! }
//!
//! impl Experiment for FigX {
//!     fn check(&self) -> Result<(), Failure> { check_positive("--dt", self.dt) }
//!     fn forecast(&self, study: &Study) -> Result<Forecast, Failure> { Ok(study.forecast_pieces([("edge", 2.0)])) }
//!     fn run(&self, study: &mut Study) -> Result<Findings, Failure> {
//!         // Kept in the folder: a reproduction that was stopped does not repeat it. The value is what serde_json reads
//!         // back, so put a number that may not be finite into an Option.
//!         let edge: f64 = study.piece("edge", |context| find_edge(context, self.dt))?;
//!         let mut findings = Findings::default();
//!         findings.claims.push(claim! {
//!             about: "Edge",
//!             paper: "0.5",
//!             found: format!("{edge}"),
//!             agrees: Agreement::of((edge - 0.5).abs() < 1e-3),
//!             certainty: "By algebra.",
//!         });
//!         findings.figures.push(Figure::new("figX", "...", Axis::linear("x"), Axis::linear("u")).line("t = 0", points));
//!         findings.tables.push(table!("figX", "...", for dt in [self.dt] => {
//!             "dt" = dt,
//!             "edge" as "largest stable step" = edge,
//!         }));
//!         Ok(findings)
//!     }
//! }
//! ```
//!
//! Then add a line to [`EXPERIMENTS`]. A long piece calls `check_interrupt` from time to time, or is split into several.
//! Networks are trained with [`Study::train`]: runs are run folders under `runs/` and resume in the middle. Those that
//! [`Experiment::independent_runs`] names are trained before `run`, on several adapters or as tasks of a cluster. The framework owns
//! the folder, the terminal, the files and the page.

mod checks;
mod common;
mod controls;
mod divergence;
mod edge;
mod eigenmodes;
mod experiment;
mod fig1;
mod fig2;
mod fig3;
mod fig4;
mod findings;
mod flags;
mod folder;
mod growth;
mod k_versus_seeds;
mod lyapunov;
mod page;
mod pde;
mod poke;
mod precision;
mod run;
mod sources;
mod study;
mod table1;
mod table2;
mod table3;
mod tasks;
mod threshold;
mod trained;

use std::path::Path;

use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};

use crate::failure::Failure;
use crate::interrupt;
use crate::run::REPORT_FILE;
use crate::terminal::columns;
pub use common::{Common, check_interrupt};
pub use experiment::Experiment;
pub use findings::{Agreement, Cell, Claim, Findings, Table};
pub use flags::{Flags, flag_text};
pub use folder::ReproductionFolder;
pub use study::{Forecast, Further, Study};
use tasks::Task;

/// The experiments, in the order of the help.
const EXPERIMENTS: [Entry; 13] = [
    Entry::of::<edge::Edge>(),
    Entry::of::<fig1::Fig1>(),
    Entry::of::<fig2::Fig2>(),
    Entry::of::<fig3::Fig3>(),
    Entry::of::<fig4::Fig4>(),
    Entry::of::<lyapunov::Lyapunov>(),
    Entry::of::<poke::Poke>(),
    Entry::of::<precision::Precision>(),
    Entry::of::<sources::Sources>(),
    Entry::of::<table1::Table1>(),
    Entry::of::<table2::Table2>(),
    Entry::of::<table3::Table3>(),
    Entry::of::<threshold::Threshold>(),
];

/// An experiment as the command line needs it.
struct Entry {
    command: fn() -> Command,
    read: fn(Option<&ArgMatches>, bool) -> Box<dyn Experiment>,
}

impl Entry {
    const fn of<E: Experiment + 'static>() -> Self {
        Self { command: command_of::<E>, read: |given, is_quick| Box::new(E::read(given, is_quick)) }
    }
}

fn command_of<E: Experiment>() -> Command {
    let own = E::command();
    // The common flags bring a description with them.
    let about = own.get_about().cloned().unwrap_or_default();
    Common::augment_args(own).about(about)
}

/// The experiment of the command line.
#[derive(Debug)]
pub struct Invocation {
    experiment: Box<dyn Experiment>,
    common: Common,
}

impl Subcommand for Invocation {
    fn augment_subcommands(command: Command) -> Command {
        command.subcommands(EXPERIMENTS.iter().map(|entry| (entry.command)()))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        EXPERIMENTS.iter().any(|entry| (entry.command)().get_name() == name)
    }
}

impl FromArgMatches for Invocation {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (name, given) = matches.subcommand().ok_or_else(missing)?;
        let entry = EXPERIMENTS.iter().find(|entry| (entry.command)().get_name() == name).ok_or_else(missing)?;
        let common = Common::from_arg_matches(given)?;
        Ok(Self { experiment: (entry.read)(Some(given), common.quick), common })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Runs the experiment of the command line and writes its report.
pub fn run(Invocation { experiment, common }: &Invocation) -> Result<(), Failure> {
    interrupt::install()?;
    experiment.check()?;
    let identity = folder::identity(&**experiment)?;
    let command = command(&**experiment)?;
    let folder = common.out.as_deref().map(|out| ReproductionFolder::inspect(out, &identity)).transpose()?;
    if common.tasks {
        return tasks::list(&**experiment, folder.as_ref());
    }
    let task = common.task.map(|index| Task::find(&**experiment, index)).transpose()?;
    if common.adapters.is_some() && experiment.independent_runs().is_empty() {
        return Err(Failure::usage(format!(
            "--adapters: {} has no independent runs to train at the same time: give --adapter",
            experiment.name()
        )));
    }
    let mut study = Study::new(common, folder.clone())?;
    let environment = study.environment();
    folder.as_ref().map_or(Ok(()), |folder| folder.check_environment(&environment))?;
    if common.dry_run {
        return dry_run(experiment.as_ref(), &study, task.as_ref());
    }
    let (Some(folder), Some(out)) = (folder, &common.out) else {
        return Err(Failure::usage("--out: give a folder for data, figures and report"));
    };
    if let Some(task) = task {
        let _unsaved = interrupt::UnsavedWork::begin();
        return task.run(&**experiment, &mut study, &folder, &identity, &command);
    }
    let forecast = experiment.forecast(&study)?;
    let _unsaved = interrupt::UnsavedWork::begin();
    let claimed = folder.claim(&identity, &command, &environment)?;
    study.print(format!("{} ({}) -> {}", experiment.title(), experiment.size_text()?, out.display()));
    study.print(format!("on '{}'; takes {}{}", environment.adapter, forecast.text(), study.workers_text()));
    study.expect(forecast.pieces);
    study.train_parallel(&experiment.independent_runs())?;
    let findings = experiment.run(&mut study)?;
    let report = page::Report {
        experiment: experiment.as_ref(),
        command: &command,
        environment: &environment,
        origins: folder.origins(),
        findings: &findings,
    };
    report.write(&claimed)?;
    conclude(&study, &findings, out);
    Ok(())
}

fn dry_run(experiment: &dyn Experiment, study: &Study, task: Option<&Task>) -> Result<(), Failure> {
    let forecast = task.map_or_else(|| experiment.forecast(study), |task| task.forecast(study))?;
    let adapter = study.context().adapter();
    study.print(format!("experiment  {} ({})", experiment.title(), experiment.size_text()?));
    task.iter().for_each(|task| study.print(format!("  {}", task.text())));
    for (name, value) in experiment.settings()? {
        study.print(format!("  --{name} {}", flag_text(&value)));
    }
    study.print(format!("adapter     {} ({}, {})", adapter.name, adapter.backend, adapter.driver));
    study.print(format!("takes       {}{}", forecast.text(), study.workers_text()));
    Ok(())
}

/// The command that repeats the reproduction, with a flag for each value that is not the default of its size.
fn command(experiment: &dyn Experiment) -> Result<String, Failure> {
    let flags: String = experiment.changed_flags()?.iter().map(|flag| format!(" {flag}")).collect();
    let quick = if experiment.is_quick() { " --quick" } else { "" };
    Ok(format!("lastbit reproduce {}{quick}{flags} --out FOLDER", experiment.name()))
}

/// Prints the verdict and the path of the report.
fn conclude(study: &Study, findings: &Findings, out: &Path) {
    let head = ["claim", "agrees", "this run"].map(str::to_owned).to_vec();
    let rows = findings
        .claims
        .iter()
        .map(|claim| vec![claim.about.clone(), claim.agrees.word().to_owned(), claim.found.clone()]);
    for line in columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>()) {
        study.print(line);
    }
    study.print(format!("report: {}", out.join(REPORT_FILE).display()));
}
