//! A contender: one line of the table while it is measured.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde::Deserialize;

use super::child::PeerProcess;
use super::lastbit::Lastbit;
use super::reference::{self, About, Reference};
use super::table::{Adapter, Measurement, median};

/// Limit of building, compiling and the first steps.
const START_LIMIT: Duration = Duration::from_secs(40 * 60);
const TURN_LIMIT: Duration = Duration::from_secs(20 * 60);
/// Length of a turn, in seconds.
const TURN_SECONDS: f64 = 3.0;
/// Largest number of steps in a turn, for steps that take milliseconds.
const MOST_STEPS: f64 = 100.0;
/// Steps of a lastbit run before the timed ones: kernels compile in the first.
const WARM_UP: usize = 3;
/// Steps after the timed ones: the host runs ahead by this many, so the last ones are reported together.
const AHEAD: usize = 2;

/// Where a contender runs. It is compared with lastbit on the same platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// As a native program.
    Native,
    /// In Chromium.
    Browser,
}

/// How a contender trains.
pub enum Runner {
    /// A process that waits for its turns.
    Peer(PeerProcess),
    /// A new `lastbit train` for each turn, which does everything that a user's run does.
    Lastbit { lastbit: Lastbit, folder: PathBuf, ks: String },
}

/// A line of the table.
pub struct Contender<'a> {
    name: String,
    platform: Platform,
    /// Index of the adapter whose FMA rate it is compared with: 0, unless it is lastbit on another adapter.
    adapter: usize,
    reference: &'a Reference,
    replicas: u32,
    about: About,
    runner: Result<Runner>,
    steps: usize,
    /// Median seconds of a step of all replicas, for each round that counts.
    seconds: Vec<f64>,
    peak_mib: Option<f64>,
}

/// The answer to a turn.
#[derive(Deserialize)]
struct Turn {
    seconds: Vec<f64>,
    /// Peak memory in MiB, if the process's own resident memory is not the right figure (a GPU, a browser).
    mib: Option<f64>,
}

impl Runner {
    /// Starts a peer, whose log is `NAME.log` in `work`.
    pub fn start(command: std::process::Command, work: &Path, name: &str) -> Result<Self> {
        Ok(Self::Peer(PeerProcess::start(command, &work.join(format!("{name}.log")))?))
    }

    fn turn(&mut self, reference: &Reference, steps: usize) -> Result<Turn> {
        match self {
            Self::Peer(peer) => {
                let turn = peer.ask(&steps.to_string(), reference.budget.limit(TURN_LIMIT))?;
                let turn: Turn = serde_json::from_value(turn).context("cannot parse the answer to a turn")?;
                Ok(Turn { mib: turn.mib.or_else(|| peer.peak_mib()), ..turn })
            }
            Self::Lastbit { lastbit, folder, ks } => {
                let peak = reference.train(lastbit, folder, ks, WARM_UP + steps + AHEAD)?;
                // The adapter may not be the reference's, and must train the same.
                reference.check_losses(&reference::losses(folder)?)?;
                let timing = std::fs::read_to_string(folder.join("timing.jsonl"))
                    .context("cannot read the run's timing.jsonl")?;
                let line = |line: &str| Ok(serde_json::from_str::<serde_json::Value>(line)?["seconds"].as_f64());
                let all = timing.lines().map(line).collect::<Result<Option<Vec<f64>>>>()?;
                let timed = all.as_deref().and_then(|all| all.get(WARM_UP..WARM_UP + steps));
                let seconds = timed.context("timing.jsonl lacks the seconds of a step")?.to_vec();
                Ok(Turn { seconds, mib: Some(peak).filter(|peak| *peak > 0.0) })
            }
        }
    }
}

impl<'a> Contender<'a> {
    /// Starts a peer and checks that it trains what lastbit trains.
    pub fn new(
        name: &str,
        platform: Platform,
        reference: &'a Reference,
        replicas: u32,
        start: impl FnOnce() -> Result<Runner>,
    ) -> Self {
        let mut about = About::default();
        let runner = start().and_then(|mut runner| {
            if let Runner::Peer(peer) = &mut runner {
                let answer = peer.answer(reference.budget.limit(START_LIMIT))?;
                about = serde_json::from_value(answer).context("cannot parse its first line")?;
                reference.check(&about)?;
            }
            Ok(runner)
        });
        let mut new = Self {
            name: name.to_owned(),
            platform,
            adapter: 0,
            reference,
            replicas,
            about,
            runner,
            steps: 1,
            seconds: Vec::new(),
            peak_mib: None,
        };
        new.report_failure();
        new
    }

    /// lastbit's own program on the adapter with this index and name.
    pub fn lastbit(
        lastbit: &Lastbit,
        (index, adapter): (usize, &str),
        work: &Path,
        reference: &'a Reference,
        replicas: u32,
    ) -> Self {
        // 1, 3, 5, ... as in the paper.
        let ks: Vec<String> = (0..replicas).map(|r| (2 * r + 1).to_string()).collect();
        let folder = work.join("lastbit-run");
        let runner = Runner::Lastbit { lastbit: lastbit.clone(), folder, ks: ks.join(",") };
        let mut new = Self::new(&format!("lastbit on {adapter}"), Platform::Native, reference, replicas, || Ok(runner));
        new.adapter = index;
        let lockstep = if replicas > 1 { ", in lockstep" } else { "" };
        new.about.version = lastbit.version();
        new.about.setting = format!("`lastbit train` on {adapter}, divergence measured{lockstep}");
        new
    }

    /// Trains for some seconds. Round 0 only determines how many steps the other rounds take; its time is not kept.
    pub fn take_turn(&mut self, round: usize) {
        let Ok(runner) = &mut self.runner else { return };
        let turn = match self.reference.budget.is_spent(1.0) {
            true => Err(anyhow!("no time was left for its turn")),
            false => runner.turn(self.reference, self.steps),
        };
        match turn {
            Ok(turn) => {
                let seconds = median(&turn.seconds).unwrap_or(f64::NAN);
                self.peak_mib = turn.mib.or(self.peak_mib);
                if round == 0 {
                    self.steps = (TURN_SECONDS / seconds.max(1e-9)).clamp(1.0, MOST_STEPS).ceil() as usize;
                } else {
                    self.seconds.push(seconds);
                }
                println!("  {:<18} {seconds:.3} s a step", self.name);
            }
            Err(error) => {
                self.runner = Err(error);
                self.report_failure();
            }
        }
    }

    fn report_failure(&mut self) {
        if let Err(error) = &self.runner {
            println!("peers: {}: {error:#}", self.name);
        }
    }

    /// The finished line. `adapters` holds the FMA rates; contenders in the browser are not compared with one.
    pub fn measurement(&self, adapters: &[Adapter]) -> Measurement {
        let per_replica = self.seconds.iter().map(|seconds| seconds * 1e3 / f64::from(self.replicas)).collect();
        // A turn that the end of the time has cut says nothing about the turns before.
        let problem = self.runner.as_ref().err();
        let problem = problem.filter(|_| self.seconds.is_empty() || !self.reference.budget.is_spent(1.0));
        Measurement::new(
            [&self.name, &self.about.version, &self.about.setting],
            self.platform == Platform::Browser,
            [self.replicas, self.reference.batch],
            problem.map_or(Ok(per_replica), |error| Err(format!("{error:#}"))),
            self.reference.flops,
            adapters[self.adapter].fma_gflops.filter(|_| self.platform == Platform::Native),
            self.peak_mib,
        )
    }
}
