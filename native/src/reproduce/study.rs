//! A reproduction in progress: its pieces and runs, each computed once, and its progress on the terminal.

mod forecast;
mod parallel;
mod worker;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use lastbit_core::arithmetic::Arithmetic;
use lastbit_core::device::Context;
use lastbit_core::train::{Outputs, TrainConfig};
use pollster::block_on;
use serde::Serialize;
use serde::de::DeserializeOwned;

use worker::Worker;

use super::common::{Common, check_interrupt};
use super::folder::ReproductionFolder;
use super::run::Run;
use crate::datasets::Images;
use crate::ends::{Comparer, Place};
use crate::failure::Failure;
use crate::forecast::duration_text;
use crate::progress::OutputMode;
use crate::run::{
    Contents, EndsRecord, Environment, Found, Manifest, OnChange, Outcome, Prepared, inspect, read_logits,
    whole_finished_step, write_logits,
};
use crate::run_config::{CheckpointEvery, HostConfig, RunConfig};
use crate::terminal::print_line;
use crate::{datasets, device, device_test, host_memory, report};

pub use forecast::{Forecast, Further};

/// Host memory in bytes left for images, kernels and one checkpoint where buffers are in host memory.
const HOST_BYTES: u64 = 1 << 29;

/// A reproduction in progress.
pub struct Study {
    context: Rc<Context>,
    /// What the adapter computes with.
    arithmetic: Arithmetic,
    /// Promises that the adapter breaks, if the user continues nevertheless (`--on-broken-device warn`).
    broken: Vec<String>,
    host: HostConfig,
    output: OutputMode,
    /// The other adapters of `--adapters`, on which runs are trained at the same time.
    workers: Vec<Worker>,
    /// True while several adapters train, so that lines of progress name their run.
    is_parallel: bool,
    folder: Option<ReproductionFolder>,
    images: RefCell<HashMap<String, Images>>,
    /// Pieces and runs begun in this session.
    begun: usize,
    /// Pieces and runs that were left at its beginning; 0 if unknown.
    pieces: usize,
}

impl Study {
    /// Opens the adapter of one of `studies` studies at the same time, which share the host's memory.
    fn open(common: &Common, studies: u64) -> Result<Rc<Context>, Failure> {
        let context = Rc::new(device::open(common.adapter.as_deref())?);
        if let Some(free) = host_memory::budget().filter(|_| context.adapter().uses_host_memory()) {
            context.set_memory_budget((free / studies).saturating_sub(HOST_BYTES));
        }
        Ok(context)
    }

    /// A study on one adapter, which is tested first.
    fn on(context: Rc<Context>, common: &Common, folder: Option<ReproductionFolder>) -> Result<Self, Failure> {
        let on_broken_device = common.on_broken_device.unwrap_or_default();
        let broken = device_test::run(&context, common.break_device)?;
        let broken = device_test::judge(&context, &broken, on_broken_device)?;
        let arithmetic = device_test::arithmetic(&context)?;
        let data_dir = common.data_dir.as_ref().and_then(|path| std::path::absolute(path).ok());
        Ok(Self {
            context,
            arithmetic,
            broken,
            host: HostConfig {
                data_dir,
                adapter: common.adapter.clone(),
                checkpoint_every: CheckpointEvery::Minutes(10),
                on_broken_device,
                ..HostConfig::default()
            },
            output: if common.quiet { OutputMode::Quiet } else { OutputMode::Text },
            workers: Vec::new(),
            is_parallel: false,
            folder,
            images: RefCell::default(),
            begun: 0,
            pieces: 0,
        })
    }

    /// The study's device.
    pub fn context(&self) -> &Rc<Context> {
        &self.context
    }

    /// What determines the bits besides the experiment's values.
    pub(super) fn environment(&self) -> Environment {
        Environment::of_all_shaders(self.context.adapter(), self.arithmetic, &self.broken)
    }

    /// Sets the number of pieces and runs that are left.
    pub(super) fn expect(&mut self, pieces: usize) {
        self.pieces = pieces;
    }

    /// Prints a line of progress, unless the study is quiet.
    pub fn print(&self, line: impl std::fmt::Display) {
        if self.output == OutputMode::Text {
            print_line(line);
        }
    }

    fn folder(&self) -> Result<&ReproductionFolder, Failure> {
        self.folder.as_ref().ok_or_else(|| Failure::usage("--out: give a folder"))
    }

    /// True if the piece `name` is done.
    pub fn is_done(&self, name: &str) -> bool {
        self.folder.as_ref().is_some_and(|folder| folder.has_piece(name))
    }

    fn begin(&mut self, what: &str) {
        self.begun += 1;
        if self.pieces > 0 && !self.is_parallel {
            self.print(format!("[{}/{}] {what}", self.begun.min(self.pieces), self.pieces));
        } else {
            self.print(what);
        }
    }

    /// Computes a piece of the work, or reads it from the folder if it was computed before. Its name is unique in the
    /// experiment and consists of letters, digits, `-` and `.`. The value is always the one that serde_json reads back, so a
    /// reproduction that was stopped has the same bytes. JSON has no infinity and no NaN: put such numbers into an `Option`.
    pub fn piece<T: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        work: impl FnOnce(&Rc<Context>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if let Some(done) = self.folder()?.read_piece(name, &self.environment()) {
            return Ok(done);
        }
        check_interrupt()?;
        self.begin(name);
        let start = Instant::now();
        let value = work(&self.context)?;
        let kept = self.folder()?.write_piece(name, &self.environment(), &value)?;
        let seconds = start.elapsed().as_secs_f64();
        if seconds >= 10.0 {
            self.print(format!("  took {}", duration_text(seconds)));
        }
        Ok(kept)
    }

    /// The images of a run. They are read only once.
    pub fn images(&self, config: &TrainConfig) -> Result<Images, Failure> {
        let key = format!("{} {}", config.dataset, config.net == lastbit_core::nets::NetKind::OneLayer);
        if let Some(images) = self.images.borrow().get(&key) {
            return Ok(images.clone());
        }
        let images = Images::new(datasets::load(config, self.host.data_dir.as_deref())?);
        if let Some(origin) = images.origin().filter(|origin| !origin.is_published()) {
            self.print(format!("these images are {origin}"));
        }
        if let Some(text) = images.not_read.text() {
            self.print(format!("not read in the image folder: {text}"));
        }
        self.images.borrow_mut().insert(key, images.clone());
        Ok(images)
    }

    fn prepared(&self, train: &TrainConfig) -> Result<Prepared, Failure> {
        train.validate()?;
        let config = RunConfig { train: train.clone(), host: self.host.clone() };
        Prepared::sharing(config, &self.images(train)?, &self.context, (self.arithmetic, &self.broken))
    }

    /// Trains the run `name`, resumes it if it was stopped, or reads it if it is finished.
    pub fn train(&mut self, name: &str, config: &TrainConfig) -> Result<Run, Failure> {
        let out = self.folder()?.run(name);
        match inspect(&out)? {
            Contents::Run(old) if old.train != *config => {
                let out = out.display();
                return Err(Failure::other(format!("'{out}' holds another run: give another --out")));
            }
            Contents::Remains(name) => {
                let out = out.display();
                return Err(Failure::other(format!(
                    "'{out}' holds '{name}' but no run that can be resumed: remove this folder to start the run again, or give \
                     another --out"
                )));
            }
            Contents::Run(old) if whole_finished_step(&out, &old)?.is_some() => self.check_unchanged(&out, config)?,
            Contents::Run(_) | Contents::Nothing => {
                check_interrupt()?;
                self.begin(&format!("run {name}"));
                let mut prepared = self.prepared(config)?;
                prepared.tune_for_long_run(|| {});
                check_interrupt()?;
                let session = prepared.open(&out, OnChange::Never)?;
                let output = match self.output {
                    OutputMode::Text if self.is_parallel => OutputMode::Prefixed(name.to_owned()),
                    _ => self.output.clone(),
                };
                let (outcome, _) = session.run(output)?;
                // The run is saved even if its page cannot be written.
                let _ = report::write(&out, None);
                if let Outcome::Interrupted(_) = outcome {
                    check_interrupt()?;
                }
            }
        }
        Run::read(name, out, config.clone())
    }

    /// Refuses a finished run that would have other bits if it were trained now: new runs are not comparable with it.
    fn check_unchanged(&self, out: &Path, config: &TrainConfig) -> Result<(), Failure> {
        let changes = match Manifest::read(out) {
            Found::Whole(old) => old.changes(&self.prepared(config)?.manifest()?, 1..=u64::MAX),
            Found::Nothing | Found::Damaged => vec!["its manifest.json, which is missing or damaged".to_owned()],
        };
        if changes.is_empty() {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "--out: since the run in '{}' was made, this has changed: {}; all runs of a reproduction must be of one make: go \
             back to what it was made with, or give another --out",
            out.display(),
            changes.join(", "),
        )))
    }

    /// Class that each replica of a finished run predicts for each test image: `[replica][image]`.
    pub fn predictions(&mut self, run: &Run) -> Result<Vec<Vec<u32>>, Failure> {
        let name = format!("predictions-{}", run.name);
        if let Some(done) = self.folder()?.read_piece(&name, &self.environment()) {
            return Ok(done);
        }
        let prepared = self.prepared(&run.config)?;
        self.piece(&name, |_| {
            let mut trainer = prepared.open(&run.path, OnChange::Never)?.trainer;
            Ok(block_on(trainer.predictions(usize::MAX))?)
        })
    }

    /// Outputs of each replica of a finished run on the test images, and their labels. They stay in the run's folder.
    pub fn outputs(&mut self, run: &Run) -> Result<(Vec<Outputs>, Vec<u8>), Failure> {
        let step = run.steps.last().copied().unwrap_or(0);
        let kept = || read_logits(&run.path, step).filter(|(outputs, _)| outputs.len() == run.config.ks.len());
        if let Some(kept) = kept() {
            return Ok(kept);
        }
        check_interrupt()?;
        self.begin(&format!("outputs of {}", run.name));
        let mut trainer = self.prepared(&run.config)?.open(&run.path, OnChange::Never)?.trainer;
        write_logits(&mut trainer, &run.path, step)?;
        let lost = || Failure::other(format!("the logits in '{}' cannot be read back", run.path.display()));
        kept().ok_or_else(lost)
    }

    /// The ends of a finished run's replicas, compared with the first one on at most `images` images of each set.
    pub fn ends(&mut self, run: &Run, images: usize) -> Result<EndsRecord, Failure> {
        let name = format!("ends-{}", run.name);
        if let Some(done) = self.folder()?.read_piece(&name, &self.environment()) {
            return Ok(done);
        }
        let set = self.images(&run.config)?;
        self.piece(&name, |context| {
            Comparer::new(context, &run.config, &set, images)?.replicas(&Place::find(&run.path)?, |_| {})
        })
    }
}
