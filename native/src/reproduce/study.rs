//! A reproduction in progress: its pieces and runs, each done once, and what the terminal says meanwhile.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use lastbit_core::data::Dataset;
use lastbit_core::gpu::{AdapterChoice, Context, human_bytes};
use lastbit_core::train::{Estimate, Plan, TrainConfig, estimate, memory_estimate};
use pollster::block_on;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Common;
use super::folder::Place;
use super::growth::median;
use super::run::Run;
use crate::failure::Failure;
use crate::forecast::duration_text;
use crate::progress::Manner;
use crate::run::{Contents, Found, Manifest, OnChange, Outcome, Prepared, TIMING_FILE, finished_step, inspect};
use crate::run_config::{CheckpointEvery, HostConfig, RunConfig};
use crate::terminal::say;
use crate::{datasets, device_test, host_memory, interrupt, report};

/// What is left to do will take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forecast {
    /// Time.
    pub seconds: f64,
    /// Most memory at a time, where a software adapter's is the host's.
    pub memory_bytes: u64,
    /// Files that stay.
    pub disk_bytes: u64,
    /// Pieces and runs that are left, for the line at the beginning of each; 0 where that is not known.
    pub pieces: usize,
}

impl Forecast {
    /// Both, one after the other.
    pub fn and(self, other: Self) -> Self {
        Self {
            seconds: self.seconds + other.seconds,
            memory_bytes: self.memory_bytes.max(other.memory_bytes),
            disk_bytes: self.disk_bytes + other.disk_bytes,
            pieces: self.pieces + other.pieces,
        }
    }

    /// `about 12 min in 7 pieces, 1.2 GiB of memory, 30.1 MiB of files`.
    pub fn text(&self) -> String {
        let mut text = format!("about {}", duration_text(self.seconds));
        if self.pieces > 0 {
            text += &format!(" in {} piece{}", self.pieces, if self.pieces == 1 { "" } else { "s" });
        }
        for (bytes, of) in [(self.memory_bytes, "memory"), (self.disk_bytes, "files")] {
            if bytes > 0 {
                text += &format!(", {} of {of}", human_bytes(bytes));
            }
        }
        text
    }
}

/// Bytes that the host keeps when a software adapter's buffers are planned: images, kernels, one checkpoint.
const HOST_BYTES: u64 = 1 << 29;

/// A reproduction in progress.
pub struct Study {
    context: Rc<Context>,
    /// Promises that the adapter breaks, where the user goes on all the same.
    broken: Vec<String>,
    host: HostConfig,
    is_quick: bool,
    manner: Manner,
    place: Option<Place>,
    datasets: RefCell<HashMap<String, Rc<Dataset>>>,
    /// Pieces and runs begun in this session, and how many there are.
    begun: usize,
    pieces: usize,
}

impl Study {
    /// On the adapter that was asked for, with the results that are in `place`.
    pub fn new(common: &Common, place: Option<Place>) -> Result<Self, Failure> {
        let choice = common.adapter.clone().map_or(AdapterChoice::Best, AdapterChoice::Named);
        let mut context = block_on(Context::new(&choice))?;
        if let Some(free) = host_memory::budget().filter(|_| context.adapter().software) {
            context = context.with_memory_budget(free.saturating_sub(HOST_BYTES));
        }
        let context = Rc::new(context);
        let on_broken_device = common.on_broken_device.unwrap_or_default();
        let broken = device_test::run(&context, on_broken_device, common.break_device)?;
        let data_dir = common.data_dir.as_ref().and_then(|path| std::path::absolute(path).ok());
        Ok(Self {
            context,
            broken,
            host: HostConfig {
                data_dir,
                adapter: common.adapter.clone(),
                checkpoint_every: CheckpointEvery::Minutes(10),
                on_broken_device,
                ..HostConfig::default()
            },
            is_quick: common.quick,
            manner: if common.quiet { Manner::Quiet } else { Manner::Text },
            place,
            datasets: RefCell::default(),
            begun: 0,
            pieces: 0,
        })
    }

    /// The adapter.
    pub fn context(&self) -> &Rc<Context> {
        &self.context
    }

    /// Promises that the adapter breaks, where the user goes on all the same.
    pub(super) fn broken(&self) -> &[String] {
        &self.broken
    }

    /// True at the small size.
    pub fn is_quick(&self) -> bool {
        self.is_quick
    }

    /// So many pieces and runs are left.
    pub(super) fn expect(&mut self, pieces: usize) {
        self.pieces = pieces;
    }

    /// A line for the person who waits.
    pub fn tell(&self, line: impl std::fmt::Display) {
        if self.manner == Manner::Text {
            say(line);
        }
    }

    /// Ends the reproduction after Ctrl-C. To be asked wherever nothing is lost.
    pub fn go_on(&self) -> Result<(), Failure> {
        if interrupt::requested() {
            return Err(Failure::interrupted("stopped: what is finished is kept, and the same line goes on"));
        }
        Ok(())
    }

    fn place(&self) -> Result<&Place, Failure> {
        self.place.as_ref().ok_or_else(|| Failure::usage("--out: give a folder"))
    }

    /// True if the piece `name` is done.
    pub fn is_done(&self, name: &str) -> bool {
        self.place.as_ref().is_some_and(|place| place.has_piece(name))
    }

    fn begin(&mut self, what: &str) {
        self.begun += 1;
        if self.pieces > 0 {
            self.tell(format!("[{}/{}] {what}", self.begun.min(self.pieces), self.pieces));
        } else {
            self.tell(what);
        }
    }

    /// A part of the work by its name (letters, digits, `-` and `.`; unique in the experiment): done, or read from the
    /// folder if it was done before. The value is what serde_json reads back of it, then as now, so that a reproduction
    /// that was stopped has the same bytes. A number that is not finite is no JSON: put it into an `Option`.
    pub fn piece<T: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        work: impl FnOnce(&Rc<Context>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if let Some(done) = self.place()?.read_piece(name) {
            return Ok(done);
        }
        self.go_on()?;
        self.begin(name);
        let start = Instant::now();
        let value = work(&self.context)?;
        let kept = self.place()?.write_piece(name, &value)?;
        let seconds = start.elapsed().as_secs_f64();
        if seconds >= 10.0 {
            self.tell(format!("  took {}", duration_text(seconds)));
        }
        Ok(kept)
    }

    /// The images of a run, read once.
    pub fn dataset(&self, config: &TrainConfig) -> Result<Rc<Dataset>, Failure> {
        let key = format!("{} {}", config.dataset, config.net == lastbit_core::nets::NetKind::OneLayer);
        if let Some(dataset) = self.datasets.borrow().get(&key) {
            return Ok(Rc::clone(dataset));
        }
        let dataset = Rc::new(datasets::load(config, self.host.data_dir.as_deref())?);
        self.datasets.borrow_mut().insert(key, Rc::clone(&dataset));
        Ok(dataset)
    }

    fn prepared(&self, train: &TrainConfig) -> Result<Prepared, Failure> {
        train.validate()?;
        let config = RunConfig { train: train.clone(), host: self.host.clone() };
        Prepared::sharing(config, &self.dataset(train)?, &self.context, &self.broken)
    }

    /// Trains, or goes on where the run `name` was stopped, or takes it as it is if it is finished.
    pub fn train(&mut self, name: &str, config: &TrainConfig) -> Result<Run, Failure> {
        let out = self.place()?.run(name);
        match inspect(&out)? {
            Contents::Run(old) if old.train != *config => {
                let out = out.display();
                return Err(Failure::other(format!("'{out}' holds another run: give another --out")));
            }
            Contents::Other => {
                let out = out.display();
                return Err(Failure::other(format!("'{out}' is not empty and holds no run: give another --out")));
            }
            Contents::Run(_) if finished_step(&out, config).is_some() => self.check_unchanged(&out, config)?,
            Contents::Run(_) | Contents::Nothing => {
                self.go_on()?;
                self.begin(&format!("run {name}"));
                let opened = self.prepared(config)?.open(&out, OnChange::Never)?;
                let (outcome, _) = opened.session(self.manner).run()?;
                // The run is saved, whatever becomes of its page.
                let _ = report::write(&out, None);
                if let Outcome::Interrupted(_) = outcome {
                    self.go_on()?;
                }
            }
        }
        Run::read(name, out, config.clone())
    }

    /// Refuses a finished run that would have other bits if it were made now: beside it new ones would prove nothing.
    fn check_unchanged(&self, out: &Path, config: &TrainConfig) -> Result<(), Failure> {
        let changes = match Manifest::read(out) {
            Found::Whole(old) => old.changes(&self.prepared(config)?.manifest()),
            Found::Nothing | Found::Damaged => vec!["its manifest.json, which is missing or damaged".to_owned()],
        };
        if changes.is_empty() {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "--out: since the run in '{}' was made, this has changed: {}; a reproduction has runs of one make only: go back \
             to what it was made with, or give another --out",
            out.display(),
            changes.join(", "),
        )))
    }

    /// What each replica of a finished run says of each test image: `[replica][image]` class indices.
    pub fn predictions(&mut self, run: &Run) -> Result<Vec<Vec<u32>>, Failure> {
        let name = format!("predictions-{}", run.name);
        if let Some(done) = self.place()?.read_piece(&name) {
            return Ok(done);
        }
        let prepared = self.prepared(&run.config)?;
        self.piece(&name, |_| {
            let mut trainer = prepared.open(&run.path, OnChange::Never)?.trainer;
            let classes = trainer.network().shapes[trainer.network().logits().0].channels as usize;
            let logits = block_on(trainer.logits())?;
            Ok(logits.iter().map(|replica| replica.chunks(classes.max(1)).map(winner).collect()).collect())
        })
    }

    /// What the runs that are not finished take, with one more evaluation each for [`Study::predictions`]. Steps of equal
    /// networks and batches take equally long: they are timed once, or were when a run was stopped.
    pub fn forecast_runs(&self, runs: &[(String, TrainConfig)]) -> Result<Forecast, Failure> {
        let mut known: HashMap<String, Estimate> = HashMap::new();
        let mut total = Forecast::default();
        for (name, config) in runs {
            if let Some(measured) = self.place.as_ref().and_then(|place| measured(&place.run(name), config)) {
                known.insert(kind(config), measured);
            }
        }
        for (name, config) in runs {
            if self.place.as_ref().is_some_and(|place| finished_step(&place.run(name), config).is_some()) {
                continue;
            }
            let mut prepared = self.prepared(config)?;
            let measured = match known.get(&kind(config)) {
                Some(measured) => *measured,
                None => {
                    let measured = block_on(estimate(&self.context, config, &prepared.dataset))?;
                    known.insert(kind(config), measured);
                    measured
                }
            };
            let images = prepared.dataset.train.len();
            let length = config.length(config.train_limit.map_or(images, |n| n.min(images)));
            let evaluations = (length.evaluations + 1) as f64;
            let memory = memory_estimate(&self.context, &mut prepared.plan, &prepared.dataset);
            total = total.and(Forecast {
                seconds: measured.step * length.steps as f64 + measured.evaluation * evaluations,
                memory_bytes: memory.total(),
                disk_bytes: run_bytes(config, &prepared.plan, length.steps),
                pieces: 2,
            });
        }
        Ok(total)
    }
}

/// What a step's time depends on.
fn kind(config: &TrainConfig) -> String {
    let TrainConfig { net, width, dataset, batch_size, ks, test_limit, .. } = config;
    format!("{net} {width} {} {dataset} {batch_size} {} {test_limit:?}", config.activation(), ks.len())
}

/// Median of the last steps of a run that was begun; `None` for less than three. Going forward alone takes about a third
/// of a step.
fn measured(run: &Path, config: &TrainConfig) -> Option<Estimate> {
    const STEPS: usize = 30;
    const FORWARD: f64 = 1.0 / 3.0;
    let text = std::fs::read_to_string(run.join(TIMING_FILE)).ok()?;
    let read = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok()?["seconds"].as_f64();
    let seconds: Vec<f64> = text.lines().rev().take(STEPS).filter_map(read).collect();
    if seconds.len() < 3 {
        return None;
    }
    let step = median(&seconds);
    let images = config.test_limit.unwrap_or(10_000) as f64;
    let evaluation = step * FORWARD * images / f64::from(config.batch_size);
    Some(Estimate { step, evaluation, steps: 0, evaluations: 0 })
}

/// Files of a run: two checkpoints of every replica, the initial weights, and lines of metrics.
fn run_bytes(config: &TrainConfig, plan: &Plan, steps: u64) -> u64 {
    const STEP_LINE: u64 = 120;
    const REPLICA: u64 = 60;
    const TENSOR: u64 = 45;
    let (replicas, parameters) = (config.ks.len() as u64, plan.network.parameter_count());
    let tensors = plan.network.parameters.iter().filter(|p| p.convolution).count() as u64;
    let layers = config.log_every.map_or(100, |every| steps / every.max(1)) * replicas * (100 + tensors * TENSOR);
    (4 * replicas + 1) * parameters * 4 + steps * (STEP_LINE + replicas * REPLICA) + layers
}

/// The first of the largest, as the evaluation counts. A replica that has one logit says class 1 where it is positive.
fn winner(logits: &[f32]) -> u32 {
    if let [logit] = logits {
        return u32::from(*logit > 0.0);
    }
    let mut best = 0;
    for (class, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = class;
        }
    }
    best as u32
}
