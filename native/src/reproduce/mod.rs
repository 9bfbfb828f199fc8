//! `lastbit reproduce`: the paper's experiments, one file each, and what they share.
//!
//! An experiment is a file here with two types. Its *flags* (clap `Args`, every one an `Option`) implement [`Setup`]: they
//! become the experiment with every value filled in. The experiment itself implements [`Experiment`]. Its serialized values
//! identify the folder: the same command continues a reproduction, other values are refused.
//!
//! ```text
//! /// Flags of `reproduce figX`.
//! #[derive(Debug, Default, Args)]
//! pub struct Flags {
//!     /// Time step [default: 0.4]
//!     #[arg(long, value_name = "X", allow_negative_numbers = true, value_parser = real)]
//!     dt: Option<f64>,
//! }
//!
//! #[derive(Serialize)]
//! #[serde(rename_all = "kebab-case")]
//! struct FigX { dt: f64 }
//!
//! impl Setup for Flags {
//!     fn experiment(&self, is_quick: bool) -> Result<Box<dyn Experiment>, Failure> {
//!         let dt = self.dt.unwrap_or(0.4);
//!         if !(dt > 0.0) { return Err(Failure::usage(format!("--dt: must be above 0, not {dt}"))); }
//!         Ok(Box::new(FigX { dt }))
//!     }
//! }
//!
//! impl Experiment for FigX {
//!     fn name(&self) -> &'static str { "figX" }
//!     fn title(&self) -> String { "Figure X: the heat equation".to_owned() }
//!     fn settings(&self) -> Result<toml::Table, Failure> { settings_of(self) }
//!     fn forecast(&self, _: &Study) -> Result<Forecast, Failure> { Ok(Forecast { seconds: 2.0, ..Forecast::default() }) }
//!     fn run(&self, study: &mut Study) -> Result<Findings, Failure> {
//!         // Kept in the folder: a reproduction that was stopped does not repeat it. The value is what serde_json reads
//!         // back, so put a number that may not be finite into an Option.
//!         let edge: f64 = study.piece("edge", |context| find_edge(context, self.dt))?;
//!         let mut findings = Findings::default();
//!         findings.claims.push(Claim { about: "Edge".into(), paper: "0.5".into(), found: format!("{edge}"),
//!             agrees: Agreement::of((edge - 0.5).abs() < 1e-3), certainty: "by algebra".into() });
//!         findings.figures.push(Figure::new("figX", "...", Axis::linear("x"), Axis::linear("u")).line("t = 0", points));
//!         let mut table = Table::new("figX", "...", &[("dt", "dt"), ("growth", "growth a step")]);
//!         table.row([self.dt.into(), edge.into()]);
//!         findings.tables.push(table);
//!         Ok(findings)
//!     }
//! }
//! ```
//!
//! Then add a line to [`Which`] and its arm to [`Which::setup`]. A long piece calls `equations::go_on` from time to time, or
//! is split into several. Networks are trained with [`Study::train`]: runs are run folders under `runs/` and resume in the
//! middle; independent runs are passed to [`Study::train_ahead`] first. The framework owns the folder, the terminal, the
//! files and the page.

mod beside;
mod churn;
mod equations;
mod fig1;
mod fig2;
mod fig3;
mod fig4;
mod figure;
mod findings;
mod folder;
mod growth;
mod modes;
mod onset;
mod page;
mod precision;
mod run;
mod statistics;
mod study;
mod table1;
mod table2;
mod table3;
mod threshold;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use lastbit_core::train::self_test::Check;
use serde::Serialize;

use crate::device_test::parse_check;
use crate::failure::Failure;
use crate::interrupt;
use crate::run_config::OnBrokenDevice;
use crate::terminal::columns;
use crate::value_parsers::listed;
pub use figure::{Axis, Figure};
pub use findings::{Agreement, Cell, Claim, Findings, Table};
pub use folder::Place;
pub use study::{Forecast, Study};

/// The experiments.
#[derive(Debug, Subcommand)]
pub enum Which {
    /// Figure 1: the heat equation, stable and unstable
    Fig1(Line<fig1::Flags>),
    /// Figure 2, right: distance between two copies at decreasing learning rates
    #[command(after_help = "Example: lastbit reproduce fig2 --n-max 8 --seeds 1,2,3,4,5 --out runs/fig2")]
    Fig2(Line<fig2::Flags>),
    /// Figure 3: the linear one-layer equation near its stability bounds
    Fig3(Line<fig3::Flags>),
    /// Figure 4: the nonlinear one-layer network, from a fixed point to chaos
    Fig4(Line<fig4::Flags>),
    /// What precision changes: float32 on the adapter compared with float64 on the host
    Precision(Line<precision::Flags>),
    /// Table 1: spread of the test accuracy over k, compared with that over seeds
    #[command(
        after_help = "Example: lastbit reproduce table1 --rows vgg16:relu:cifar10 --seeds 1,2,3 --out runs/vgg16"
    )]
    Table1(Line<table1::Flags>),
    /// Table 2: stability bounds by bisection, compared with theory
    Table2(Line<table2::Flags>),
    /// Table 3: stability in three regimes, growth on both sides of each bound
    Table3(Line<table3::Flags>),
    /// The largest learning rate at which k = 3 stays close to k = 1
    #[command(
        after_help = "Example: lastbit reproduce threshold --net vgg16 --dataset fashion-mnist --out runs/threshold"
    )]
    Threshold(Line<threshold::Flags>),
}

impl Which {
    /// The experiment's flags as given, its flags with none given, and the common flags.
    fn setup(&self) -> (&dyn Setup, Box<dyn Setup>, &Common) {
        match self {
            Self::Fig1(line) => line.setup(),
            Self::Fig2(line) => line.setup(),
            Self::Fig3(line) => line.setup(),
            Self::Fig4(line) => line.setup(),
            Self::Precision(line) => line.setup(),
            Self::Table1(line) => line.setup(),
            Self::Table2(line) => line.setup(),
            Self::Table3(line) => line.setup(),
            Self::Threshold(line) => line.setup(),
        }
    }
}

/// Arguments of an experiment: its own flags and the common ones.
#[derive(Debug, Args)]
pub struct Line<T: Args> {
    #[command(flatten)]
    own: T,
    #[command(flatten)]
    common: Common,
}

impl<T: Args + Setup + Default + 'static> Line<T> {
    fn setup(&self) -> (&dyn Setup, Box<dyn Setup>, &Common) {
        (&self.own, Box::new(T::default()), &self.common)
    }
}

/// Flags that every experiment has.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Folder for data, figures and report; after a stop, the same command continues
    #[arg(long, value_name = "FOLDER", required_unless_present = "dry_run")]
    pub out: Option<PathBuf>,
    /// Use a small size, for a machine without a GPU; the report says so
    #[arg(long)]
    pub quick: bool,
    /// Adapter by index or part of its name (see `lastbit adapters`) [default: $LASTBIT_ADAPTER, else a GPU, else the processor]
    #[arg(long)]
    pub adapter: Option<String>,
    /// Several adapters of one make, each as --adapter takes it: the experiment's runs are trained on all of them at the same
    /// time, each run on one; an adapter may be given twice (fig2, table1, threshold)
    #[arg(long, value_name = "ADAPTER,ADAPTER,...", value_delimiter = ',', value_parser = listed::<String>, conflicts_with = "adapter")]
    pub adapters: Option<Vec<String>>,
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

/// An experiment's flags.
pub trait Setup {
    /// The experiment with every value filled in; `is_quick` chooses between the two sizes.
    ///
    /// # Errors
    /// A usage failure that names the flag of an invalid value.
    fn experiment(&self, is_quick: bool) -> Result<Box<dyn Experiment>, Failure>;
}

/// One figure or table of the paper.
pub trait Experiment {
    /// Name of the experiment on the command line.
    fn name(&self) -> &'static str;
    /// Title of the page: which part of the paper it is, and its subject.
    fn title(&self) -> String;
    /// Every value that determines the results, by its flag's name. [`settings_of`] builds it from a struct.
    ///
    /// # Errors
    /// If TOML cannot represent a value.
    fn settings(&self) -> Result<toml::Table, Failure>;
    /// Forecast of the remaining work.
    ///
    /// # Errors
    /// If images are missing or invalid, a flag's value is invalid, or a timed step fails on the adapter.
    fn forecast(&self, study: &Study) -> Result<Forecast, Failure>;
    /// True if the experiment trains independent runs and passes them to [`Study::train_ahead`].
    fn has_independent_runs(&self) -> bool {
        false
    }
    /// Computes what is not finished yet and judges the results.
    ///
    /// # Errors
    /// If a piece or a run fails, a file cannot be read or written, or Ctrl-C stops the work.
    fn run(&self, study: &mut Study) -> Result<Findings, Failure>;
}

/// [`Experiment::settings`] of a struct whose fields are in kebab case.
pub fn settings_of(experiment: &impl Serialize) -> Result<toml::Table, Failure> {
    toml::Table::try_from(experiment).map_err(Failure::usage)
}

/// True if a value is given more than once. A run that is counted twice is not evidence.
fn has_twins<T: PartialEq>(values: &[T]) -> bool {
    values.iter().enumerate().any(|(i, value)| values[..i].contains(value))
}

/// Serializes a value as its `Display` text.
fn as_text<T: std::fmt::Display, S: serde::Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Runs the experiment of the command line and writes its report.
pub fn run(which: &Which) -> Result<(), Failure> {
    interrupt::install()?;
    let (own, default, common) = which.setup();
    let experiment = own.experiment(common.quick)?;
    let identity = folder::identity(experiment.as_ref(), common.quick)?;
    let default = folder::identity(default.experiment(common.quick)?.as_ref(), common.quick)?;
    let command = command(experiment.name(), common.quick, &identity, &default);
    let place = common.out.as_deref().map(|out| Place::inspect(out, &identity)).transpose()?;
    if common.adapters.is_some() && !experiment.has_independent_runs() {
        return Err(Failure::usage(format!(
            "--adapters: {} has no independent runs to train at the same time: give --adapter",
            experiment.name()
        )));
    }
    let mut study = Study::new(common, place.clone())?;
    let environment = study.environment();
    place.as_ref().map_or(Ok(()), |place| place.check_environment(&environment))?;
    let forecast = experiment.forecast(&study)?;
    if common.dry_run {
        return dry_run(experiment.as_ref(), &study, &forecast);
    }
    let (Some(place), Some(out)) = (place, &common.out) else {
        return Err(Failure::usage("--out: give a folder for data, figures and report"));
    };
    let _to_save = interrupt::UnsavedWork::begin();
    let folder = place.claim(&identity, &command, &environment)?;
    study.tell(format!("{}{} -> {}", experiment.title(), size_text(common.quick), out.display()));
    study.tell(format!("on '{}'; takes {}{}", environment.adapter, forecast.text(), study.hands_text()));
    study.expect(forecast.pieces);
    let findings = experiment.run(&mut study)?;
    let report = page::Report {
        experiment: experiment.as_ref(),
        is_quick: common.quick,
        command: &command,
        environment: &environment,
        origins: place.origins(),
        findings: &findings,
    };
    report.write(&folder)?;
    conclude(&study, &findings, out);
    Ok(())
}

fn size_text(is_quick: bool) -> &'static str {
    if is_quick { " (quick size)" } else { " (full size)" }
}

fn dry_run(experiment: &dyn Experiment, study: &Study, forecast: &Forecast) -> Result<(), Failure> {
    let adapter = study.context().adapter();
    study.tell(format!("experiment  {}{}", experiment.title(), size_text(study.is_quick())));
    for (name, value) in experiment.settings()? {
        study.tell(format!("  --{name} {}", plain(&value)));
    }
    study.tell(format!("adapter     {} ({}, {})", adapter.name, adapter.backend, adapter.driver));
    study.tell(format!("takes       {}{}", forecast.text(), study.hands_text()));
    Ok(())
}

/// A value in the form that a flag takes.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The command that repeats the reproduction, with a flag for each value that is not the default of its size.
fn command(name: &str, is_quick: bool, identity: &toml::Table, default: &toml::Table) -> String {
    let given = identity.iter().filter(|(key, value)| default.get(*key) != Some(*value));
    let flags: String = given.map(|(key, value)| format!(" --{key} {}", plain(value))).collect();
    format!("lastbit reproduce {name}{}{flags} --out FOLDER", if is_quick { " --quick" } else { "" })
}

/// Prints the verdict and the path of the report.
fn conclude(study: &Study, findings: &Findings, out: &Path) {
    let head = ["claim", "agrees", "this run"].map(str::to_owned).to_vec();
    let rows = findings
        .claims
        .iter()
        .map(|claim| vec![claim.about.clone(), claim.agrees.word().to_owned(), claim.found.clone()]);
    for line in columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>()) {
        study.tell(line);
    }
    study.tell(format!("report: {}", out.join(page::REPORT_FILE).display()));
}
