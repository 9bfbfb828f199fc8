//! `lastbit train --adapters`: trains the replicas of one run in parts, one for each adapter, at the same time. Each part trains the
//! first k, so that every divergence is measured on one adapter, and its share of the others. A part is an ordinary run in
//! `OUT/part-N`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};

use toml::Table;

use super::arguments::{Arguments, new_run, occupied};
use super::messages::{TUNING, announcement, cost_lines, red_control, warn_of_not_read};
use crate::failure::Failure;
use crate::files::replace_file;
use crate::numbers::count;
use crate::progress::OutputMode;
use crate::run::{
    CONFIG_FILE, Contents, Found, Hooks, Manifest, OnChange, Outcome, PARTS_FILE, Prepared, Promise, RunFolder,
    Summary, inspect, is_in_parts, whole_finished_step,
};
use crate::run_config::{RunConfig, read_table};
use crate::terminal::{prefix_warnings, warn};
use crate::verify::References;
use crate::{device, interrupt, report};

/// The key of `parts.toml` that a config does not have: the list of adapters.
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
    output: OutputMode,
    on_change: OnChange,
}

/// Trains all parts.
pub fn run(arguments: &Arguments, mut given: Table, adapters: &[String]) -> Result<ExitCode, Failure> {
    // A config file may name an adapter, but each part has its own.
    given.remove("adapter");
    let out = arguments.folder();
    let whole = whole(&given, adapters, out, arguments.resume)?;
    let parts = split(&whole, adapters, out)?;
    let common = Common {
        n: parts.len() as u64,
        hooks: arguments.hooks(),
        output: arguments.output(),
        on_change: arguments.on_change(),
    };
    let Some(out) = out else { return common.dry_run(&parts) };
    if let Some(step) = parts.iter().map(|part| part.finished).min().flatten() {
        write_page(&parts, out);
        common.output.print(format!("the run in '{}' is finished after {step} steps", out.display()));
        return Ok(ExitCode::SUCCESS);
    }
    let _folder = RunFolder::claim(out)?;
    let identity = text_of(&whole, adapters)?;
    let mut unsaved = None;
    let ended = common.train(&parts, || {
        unsaved = Some(interrupt::UnsavedWork::begin());
        replace_file(&out.join(PARTS_FILE), identity.as_bytes())
    });
    let ended = ended.inspect_err(|_| {
        // The run was refused before any part began.
        if !parts.iter().any(|part| part.folder.join(CONFIG_FILE).exists()) {
            let _ = std::fs::remove_file(out.join(PARTS_FILE));
        }
    })?;
    common.conclude(&parts, &ended, adapters, out)
}

/// The config of the run that all parts make together: that of the folder, or a new one.
fn whole(given: &Table, adapters: &[String], out: Option<&Path>, resume: bool) -> Result<RunConfig, Failure> {
    let whole = match (out.map_or(Ok(Contents::Nothing), inspect)?, out) {
        (Contents::Run(_), Some(out)) => {
            return Err(Failure::usage(format!(
                "--out: '{}' holds a run on one adapter: continue it without --adapters, or give another folder",
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
                    "--adapters: the run in '{}' has {before} parts, not {}: give {before} adapters, or another --out",
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
        return Err(Failure::usage("--flip-bit: works only for a single run: give --adapter instead of --adapters"));
    }
    if whole.host.ends.is_some_and(|images| images > 0) {
        return Err(Failure::usage(
            "--ends: works only for a single run: leave it out, and give the folder of a part to `lastbit compare --ends` afterwards",
        ));
    }
    Ok(whole)
}

fn text_of(whole: &RunConfig, adapters: &[String]) -> Result<String, Failure> {
    let mut table = whole.to_table()?;
    table.insert(ADAPTERS.to_owned(), adapters.to_vec().into());
    let text = toml::to_string(&table).map_err(Failure::usage)?;
    Ok(format!(
        "# A run in parts, one for each adapter. Continue it with: lastbit train --adapters A,B,... --resume\n{text}"
    ))
}

/// Splits all replicas but the first into contiguous shares of equal size, as far as possible.
fn split(whole: &RunConfig, adapters: &[String], out: Option<&Path>) -> Result<Vec<Part>, Failure> {
    let others = whole.train.ks.len() - 1;
    let n = adapters.len();
    if others < 2 {
        return Err(Failure::usage(
            "--adapters: there are too few replicas to share: give --ks at least two besides the first, one for each \
             adapter, or --adapter",
        ));
    }
    if n < 2 || n > others {
        return Err(Failure::usage(format!(
            "--adapters: {n} given, for {} besides the first: give at least two adapters, and at most one for each of these \
             replicas, or --adapter",
            count(others as u64, "replica")
        )));
    }
    let part = |(index, adapter): (usize, &String)| {
        let mut config = whole.clone();
        let share = 1 + index * others / n..1 + (index + 1) * others / n;
        config.train = whole.train.with_replicas(&std::iter::once(0).chain(share).collect::<Vec<_>>());
        config.host.adapter = Some(adapter.clone());
        let folder = out.unwrap_or(Path::new("")).join(format!("part-{index}"));
        let finished = match (out.map_or(Ok(Contents::Nothing), |_| inspect(&folder))?, out) {
            (Contents::Nothing, _) => None,
            // A part without the file of the whole run.
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

/// How a part ended, and its summary; `None` if it was finished before.
type Ended = Option<(Outcome, Summary)>;

impl Part {
    fn name(&self) -> String {
        format!("part {}", self.index)
    }

    /// Name and adapter, for errors.
    fn place(&self) -> String {
        format!("{} (adapter {})", self.name(), self.config.host.adapter.as_deref().unwrap_or_default())
    }

    /// What to print of this part.
    fn output(&self, common: &Common) -> OutputMode {
        match common.output {
            OutputMode::Text => OutputMode::Prefixed(self.name()),
            _ => OutputMode::Quiet,
        }
    }

    /// Trains in the calling thread: sends to `ready` whether it can, then waits for `begin`.
    fn train(
        &self,
        common: &Common,
        ready: Sender<Result<(), Failure>>,
        begin: &Receiver<()>,
    ) -> Result<Ended, Failure> {
        let _span = tracing::info_span!("part", part = self.index).entered();
        prefix_warnings(&self.name());
        let _others = interrupt::StopAllOnPanic;
        let prepared = Prepared::beside(self.config.clone(), common.hooks, common.n).and_then(|mut prepared| {
            // Before any part trains, and before `parts.toml` is written.
            prepared.check_unchanged(&self.folder, common.on_change)?;
            prepared.warn_of_vanishing_rate();
            // All parts read the same files, so one warns.
            if self.index == 0 {
                warn_of_not_read(&prepared);
            }
            let lines = if common.output == OutputMode::Text { cost_lines(&prepared)? } else { Vec::new() };
            // Also before any part trains: beside another part on its adapter, the times of a tuning would mean nothing.
            prepared.tune_for_long_run(|| self.output(common).print(TUNING));
            Ok((prepared, lines))
        });
        let (prepared, lines) = match prepared {
            Ok(prepared) => prepared,
            Err(failure) => {
                let _ = ready.send(Err(failure.within(self.place())));
                return Ok(None);
            }
        };
        let _ = ready.send(Ok(()));
        drop(ready);
        // Another part cannot train.
        if begin.recv().is_err() {
            return Ok(None);
        }
        let ended = self.session(common, prepared, &lines);
        ended.map(Some).map_err(|failure| {
            interrupt::stop_all();
            failure.within(format!("{}; the other parts are saved, and --resume continues all", self.place()))
        })
    }

    fn session(&self, common: &Common, prepared: Prepared, lines: &[String]) -> Result<(Outcome, Summary), Failure> {
        let images = prepared.images.clone();
        let session = prepared.open(&self.folder, common.on_change)?;
        let output = self.output(common);
        output.print(announcement(&session.trainer, &images, &self.folder, session.first_step()));
        lines.iter().for_each(|line| output.print(line));
        let ended = session.run(output)?;
        // The run is saved, even if its page cannot be written.
        let _ = report::write(&self.folder, None).map_err(|failure| warn(format!("no report: {failure}")));
        Ok(ended)
    }
}

impl Common {
    /// Prints the forecast of each part. All are timed at the same time, as they will run.
    fn dry_run(&self, parts: &[Part]) -> Result<ExitCode, Failure> {
        let forecast = |part: &Part| {
            let prepared = Prepared::beside(part.config.clone(), self.hooks, self.n)?;
            prepared.check_inputs()?;
            let forecast = prepared.forecast();
            Ok(forecast.lines(&forecast.time()?))
        };
        let forecasts: Vec<Result<Vec<String>, Failure>> = std::thread::scope(|scope| {
            let spawn = |part| {
                device::thread_builder().spawn_scoped(scope, move || forecast(part)).map_err(device::thread_failure)
            };
            let threads = parts.iter().map(spawn).collect::<Result<Vec<_>, Failure>>()?;
            Ok::<_, Failure>(threads.into_iter().map(joined).collect())
        })?;
        for (part, lines) in parts.iter().zip(forecasts) {
            let lines = lines.map_err(|failure| failure.within(part.place()))?;
            self.output.print(part.place());
            lines.iter().for_each(|line| self.output.print(format!("  {line}")));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Trains the parts that are not finished, one thread for each. Calls `begin` when all can train.
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
                    Ok((start, device::thread_builder().spawn_scoped(scope, train).map_err(device::thread_failure)?))
                })
                .collect::<Result<Vec<_>, Failure>>()?;
            drop(ready);
            // If a part cannot train, the others see that their sender is gone.
            readiness.iter().collect::<Result<(), Failure>>().and_then(|()| begin())?;
            for (start, _) in &threads {
                let _ = start.send(());
            }
            let ended: Vec<Result<Ended, Failure>> = threads.into_iter().map(|(_, thread)| joined(thread)).collect();
            ended.into_iter().collect()
        })
    }

    /// Prints how the run ended, and writes one page over all parts.
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
                self.output.print(part.place());
                summary.table().iter().for_each(|line| self.output.print(format!("  {line}")));
            }
            if summary.is_control_red() {
                warn(format!("{}: {}", part.name(), red_control(summary)));
            }
        }
        if let Some((references, page)) = written {
            match references.difference {
                None if references.lines == 0 => {}
                None => self.output.print(format!(
                    "the reference has the same bits on all adapters ({} lines compared)",
                    references.lines
                )),
                Some((step, part)) => warn(format!(
                    "the reference of part {part} has other bits than that of part 0 from step {step} on: each divergence \
                     is measured on its own adapter, but what differs between the parts does not come from k alone ({})",
                    promise(&parts[0].folder, &parts[part].folder)
                )),
            }
            self.output.print(format!("report: {}", page.display()));
        }
        if stopped.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        self.output.print(format!(
            "stopped: {}; continue with: lastbit train --adapters '{}' --out '{}' --resume",
            stopped.join(", "),
            adapters.join(","),
            out.display()
        ));
        Ok(ExitCode::from(interrupt::exit_code()))
    }
}

/// Whether the adapters of two parts should have had the same bits.
fn promise(first: &Path, second: &Path) -> String {
    let promise = match (Manifest::read(first), Manifest::read(second)) {
        (Found::Whole(first), Found::Whole(second)) => first.promise(&second, 1..=u64::MAX),
        _ => Promise::Nothing("a manifest.json is missing or damaged".to_owned()),
    };
    match promise {
        Promise::Equal(class) => format!(
            "both adapters are of one class, {class}, where equal bits are promised: `lastbit certify` names the kernel on the one \
             that breaks the promise"
        ),
        Promise::Nothing(why) => format!("equal bits are not promised: {why}"),
    }
}

/// Compares the references, and writes the page over all parts. The parts are saved, even if this fails.
fn write_page(parts: &[Part], out: &Path) -> Option<(References, PathBuf)> {
    let folders: Vec<PathBuf> = parts.iter().map(|part| part.folder.clone()).collect();
    let written = References::of(&folders)
        .and_then(|references| report::write_parts(out, &folders, &references).map(|page| (references, page)));
    written.map_err(|failure| warn(format!("no report: {failure}"))).ok()
}

/// The result of a thread. A panic continues in this thread.
fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
