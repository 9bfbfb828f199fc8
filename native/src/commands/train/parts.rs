//! `lastbit train --adapters`: the replicas of one run in parts, one for each adapter, at the same time. Every part trains
//! the first k, so that all divergences are measured on one adapter, and its share of the others; it is an ordinary run in
//! `OUT/part-N`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};

use toml::Table;

use super::{Arguments, TUNING, announcement, new_run, occupied, red_control, told, warn_of_not_read};
use crate::failure::Failure;
use crate::progress::Manner;
use crate::report::numbers::count;
use crate::run::{
    CONFIG_FILE, Contents, Hooks, OnChange, Outcome, PARTS_FILE, Prepared, RunFolder, Summary, inspect, is_in_parts,
    replace_file, whole_finished_step,
};
use crate::run_config::{RunConfig, read_table};
use crate::terminal::{name_thread, say, warn};
use crate::verify::References;
use crate::{device, interrupt, report};

/// Its key beside those of a config.
const ADAPTERS: &str = "adapters";

/// One adapter's share.
struct Part {
    index: usize,
    folder: PathBuf,
    config: RunConfig,
    /// The last step, if nothing is left to do.
    finished: Option<u64>,
}

/// What is the same for all parts.
struct Common {
    n: u64,
    hooks: Hooks,
    manner: Manner,
    on_change: OnChange,
}

/// Trains all parts.
pub fn run(arguments: &Arguments, mut given: Table, adapters: &[String], hooks: Hooks) -> Result<ExitCode, Failure> {
    // Of a file; each part has its own.
    given.remove("adapter");
    let out = arguments.out.as_deref().filter(|_| !arguments.dry_run);
    let whole = whole(&given, adapters, out, arguments.resume)?;
    let parts = split(&whole, adapters, out)?;
    let common = Common {
        n: parts.len() as u64,
        hooks,
        manner: if arguments.quiet { Manner::Quiet } else { Manner::Text },
        on_change: if arguments.allow_changed { OnChange::GoOn } else { OnChange::Refuse },
    };
    let Some(out) = out else { return common.dry_run(&parts) };
    if let Some(step) = parts.iter().map(|part| part.finished).min().flatten() {
        write_page(&parts, out);
        common.tell(format!("the run in '{}' is finished after {step} steps", out.display()));
        return Ok(ExitCode::SUCCESS);
    }
    let _folder = RunFolder::claim(out)?;
    let identity = text_of(&whole, adapters)?;
    let mut to_save = None;
    let ended = common.train(&parts, || {
        to_save = Some(interrupt::ToSave::begin());
        replace_file(&out.join(PARTS_FILE), identity.as_bytes())
    });
    let ended = ended.inspect_err(|_| {
        // Refused before any part began.
        if !parts.iter().any(|part| part.folder.join(CONFIG_FILE).exists()) {
            let _ = std::fs::remove_file(out.join(PARTS_FILE));
        }
    })?;
    common.conclude(&parts, &ended, adapters, out)
}

/// The run that all parts make together: as in the folder, or new.
fn whole(given: &Table, adapters: &[String], out: Option<&Path>, resume: bool) -> Result<RunConfig, Failure> {
    let whole = match (out.map_or(Ok(Contents::Nothing), inspect)?, out) {
        (Contents::Run(_), Some(out)) => {
            return Err(Failure::usage(format!(
                "--out: '{}' holds a run on one adapter: go on without --adapters, or give another folder",
                out.display()
            )));
        }
        (contents @ Contents::Remains(_), Some(out)) if is_in_parts(out) => {
            if !resume {
                return Err(occupied(&contents, out));
            }
            let file = out.join(PARTS_FILE);
            let mut stored = read_table(&file)?;
            let before = stored.remove(ADAPTERS).and_then(|adapters| Some(adapters.as_array()?.len())).unwrap_or(0);
            if before != adapters.len() {
                return Err(Failure::usage(format!(
                    "--adapters: the run in '{}' is in {before} parts, not {}: give as many adapters, or another --out",
                    out.display(),
                    adapters.len()
                )));
            }
            RunConfig::from_table(&stored, &format!("'{}'", file.display()))?.continued(given, out)?
        }
        (contents @ Contents::Remains(_), Some(out)) => return Err(occupied(&contents, out)),
        _ => new_run(given, out.filter(|_| resume))?,
    };
    whole.train.validate()?;
    if whole.host.flip_bit.is_some() {
        return Err(Failure::usage("--flip-bit: it is meant for one run: give --adapter instead of --adapters"));
    }
    Ok(whole)
}

fn text_of(whole: &RunConfig, adapters: &[String]) -> Result<String, Failure> {
    let mut table = whole.to_table()?;
    table.insert(ADAPTERS.to_owned(), adapters.to_vec().into());
    let text = toml::to_string(&table).map_err(Failure::usage)?;
    Ok(format!("# A run in parts, one for each adapter. lastbit train --adapters A,B,... --resume goes on.\n{text}"))
}

/// Contiguous shares of the replicas but the first, as even as can be.
fn split(whole: &RunConfig, adapters: &[String], out: Option<&Path>) -> Result<Vec<Part>, Failure> {
    let (reference, others) = (&whole.train.ks[..1], &whole.train.ks[1..]);
    let n = adapters.len();
    if others.len() < 2 {
        return Err(Failure::usage(
            "--adapters: there is nothing to share out: give --ks two more beside the first, or --adapter",
        ));
    }
    if n < 2 || n > others.len() {
        return Err(Failure::usage(format!(
            "--adapters: {n} given, for {} to compare with the first k: each adapter takes at least one, so give at least two \
             adapters and at most as many as --ks has beside the first, or --adapter",
            count(others.len() as u64, "replica")
        )));
    }
    let part = |(index, adapter): (usize, &String)| {
        let mut config = whole.clone();
        config.train.ks = [reference, &others[index * others.len() / n..(index + 1) * others.len() / n]].concat();
        config.host.adapter = Some(adapter.clone());
        let folder = out.unwrap_or(Path::new("")).join(format!("part-{index}"));
        let finished = match (out.map_or(Ok(Contents::Nothing), |_| inspect(&folder))?, out) {
            (Contents::Nothing, _) => None,
            // Without the file that says so it is a part of nothing.
            (Contents::Run(_), Some(out)) if !is_in_parts(out) => {
                return Err(occupied(&Contents::Remains(format!("part-{index}")), out));
            }
            (Contents::Run(old), _) => {
                config = old.continued(&config.to_table()?, &folder)?;
                whole_finished_step(&folder, &config)?
            }
            (contents @ Contents::Remains(_), _) => return Err(occupied(&contents, &folder)),
        };
        Ok(Part { index, folder, config, finished })
    };
    adapters.iter().enumerate().map(part).collect()
}

/// How a part ended, with what it saw; `None` if it had been finished before.
type Ended = Option<(Outcome, Summary)>;

impl Part {
    fn name(&self) -> String {
        format!("part {}", self.index)
    }

    /// For errors.
    fn place(&self) -> String {
        format!("{} (adapter {})", self.name(), self.config.host.adapter.as_deref().unwrap_or_default())
    }

    /// Trains in the thread that calls it, after it has reported that it can and was asked to begin.
    fn train(
        &self,
        common: &Common,
        ready: Sender<Result<(), Failure>>,
        begin: &Receiver<()>,
    ) -> Result<Ended, Failure> {
        let _span = tracing::info_span!("part", part = self.index).entered();
        name_thread(&self.name());
        let _others = interrupt::StopAllOnPanic;
        let prepared = Prepared::beside(self.config.clone(), common.hooks, common.n).and_then(|mut prepared| {
            // Before any part trains, and before the folder says that it does.
            prepared.check_unchanged(&self.folder, common.on_change)?;
            prepared.warn_of_vanishing_rate();
            // All parts see the same files.
            if self.index == 0 {
                warn_of_not_read(&prepared);
            }
            let told = if common.manner == Manner::Text { told(&prepared)? } else { Vec::new() };
            // Here, too: the times of two on one adapter would say nothing.
            prepared.tune_for_long_run(|| common.tell(format!("{}: {TUNING}", self.name())));
            Ok((prepared, told))
        });
        let (prepared, told) = match prepared {
            Ok(prepared) => prepared,
            Err(failure) => {
                let _ = ready.send(Err(failure.within(self.place())));
                return Ok(None);
            }
        };
        let _ = ready.send(Ok(()));
        drop(ready);
        // Another part cannot be trained.
        if begin.recv().is_err() {
            return Ok(None);
        }
        let ended = self.session(common, prepared, &told);
        ended.map(Some).map_err(|failure| {
            interrupt::stop_all();
            failure.within(format!("{}; the other parts are saved and --resume goes on with all", self.place()))
        })
    }

    fn session(&self, common: &Common, prepared: Prepared, told: &[String]) -> Result<(Outcome, Summary), Failure> {
        let images = prepared.images.clone();
        let opened = prepared.open(&self.folder, common.on_change)?;
        let announced = announcement(&opened.trainer, &images, &self.folder, opened.first_step());
        common.tell(format!("{}: {announced}", self.name()));
        told.iter().for_each(|line| common.tell(format!("{}: {line}", self.name())));
        let manner = match common.manner {
            Manner::Text => Manner::Beside(self.name()),
            _ => Manner::Quiet,
        };
        let ended = opened.session(manner).run()?;
        // The run is saved, whatever becomes of its page.
        let _ = report::write(&self.folder, None).map_err(|failure| warn(format!("no report: {failure}")));
        Ok(ended)
    }
}

impl Common {
    fn tell(&self, line: impl std::fmt::Display) {
        if self.manner == Manner::Text {
            say(line);
        }
    }

    /// The forecast of each part, timed at the same time, as they will run.
    fn dry_run(&self, parts: &[Part]) -> Result<ExitCode, Failure> {
        let forecast = |part: &Part| {
            let prepared = Prepared::beside(part.config.clone(), self.hooks, self.n)?;
            prepared.check_inputs()?;
            let forecast = prepared.forecast();
            Ok(forecast.lines(&forecast.time()?))
        };
        let forecasts: Vec<Result<Vec<String>, Failure>> = std::thread::scope(|scope| {
            let spawn = |part| device::thread().spawn_scoped(scope, move || forecast(part)).map_err(device::no_thread);
            let threads = parts.iter().map(spawn).collect::<Result<Vec<_>, Failure>>()?;
            Ok::<_, Failure>(threads.into_iter().map(joined).collect())
        })?;
        for (part, lines) in parts.iter().zip(forecasts) {
            let lines = lines.map_err(|failure| failure.within(part.place()))?;
            self.tell(part.place());
            lines.iter().for_each(|line| self.tell(format!("  {line}")));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Trains the parts that are not finished, one thread for each; `begin` is called when all can.
    fn train(&self, parts: &[Part], begin: impl FnOnce() -> Result<(), Failure>) -> Result<Vec<Ended>, Failure> {
        std::thread::scope(|scope| {
            let (ready, readiness) = channel();
            let threads = parts
                .iter()
                .map(|part| {
                    let ((start, started), ready) = (channel(), ready.clone());
                    let train = move || match part.finished {
                        Some(_) => Ok(None),
                        None => part.train(self, ready, &started),
                    };
                    Ok((start, device::thread().spawn_scoped(scope, train).map_err(device::no_thread)?))
                })
                .collect::<Result<Vec<_>, Failure>>()?;
            drop(ready);
            // Where a part cannot be trained, the others see that their sender is gone.
            readiness.iter().collect::<Result<(), Failure>>().and_then(|()| begin())?;
            for (start, _) in &threads {
                let _ = start.send(());
            }
            let ended: Vec<Result<Ended, Failure>> = threads.into_iter().map(|(_, thread)| joined(thread)).collect();
            ended.into_iter().collect()
        })
    }

    /// Says how it ended, with one page over all parts.
    fn conclude(&self, parts: &[Part], ended: &[Ended], adapters: &[String], out: &Path) -> Result<ExitCode, Failure> {
        let written = write_page(parts, out);
        let stopped: Vec<String> = ended
            .iter()
            .zip(parts)
            .filter_map(|(ended, part)| match ended {
                Some((Outcome::Interrupted(step), _)) => Some(format!("{} after step {step}", part.name())),
                _ => None,
            })
            .collect();
        let trained = parts.iter().zip(ended).filter_map(|(part, ended)| Some((part, &ended.as_ref()?.1)));
        for (part, summary) in trained {
            if stopped.is_empty() {
                self.tell(part.place());
                summary.table().iter().for_each(|line| self.tell(format!("  {line}")));
            }
            if summary.is_control_red() {
                warn(format!("{}: {}", part.name(), red_control(summary)));
            }
        }
        if let Some((references, page)) = written {
            match references.difference {
                None if references.lines == 0 => {}
                None => self.tell(format!(
                    "the reference has the same bits on all adapters ({} lines compared)",
                    references.lines
                )),
                Some((step, part)) => warn(format!(
                    "the reference of part {part} has other bits than that of part 0 from step {step} on: each divergence \
                     is measured on its own adapter, but what differs between the parts does not come from k alone"
                )),
            }
            self.tell(format!("report: {}", page.display()));
        }
        if stopped.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        self.tell(format!(
            "stopped: {}; go on with: lastbit train --adapters '{}' --out '{}' --resume",
            stopped.join(", "),
            adapters.join(","),
            out.display()
        ));
        Ok(ExitCode::from(interrupt::exit_code()))
    }
}

/// Compares the references, and writes the page over all parts. The parts are saved, whatever becomes of it.
fn write_page(parts: &[Part], out: &Path) -> Option<(References, PathBuf)> {
    let folders: Vec<PathBuf> = parts.iter().map(|part| part.folder.clone()).collect();
    let written = References::of(&folders)
        .and_then(|references| report::write_parts(out, &folders, &references).map(|page| (references, page)));
    written.map_err(|failure| warn(format!("no report: {failure}"))).ok()
}

/// What a thread gave. A panic goes on where it would without threads.
fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
