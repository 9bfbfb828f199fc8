//! The independent runs of an experiment as tasks of a cluster's scheduler: `--tasks` lists them, `--task I` does one.

use lastbit_core::train::TrainConfig;
use toml::Table;

use super::{Experiment, Further, ReproductionFolder, Study};
use crate::failure::Failure;
use crate::numbers::count;
use crate::run::{Contents, finished_step, inspect};
use crate::terminal::{columns, print_line};

/// A task: an independent run.
pub struct Task {
    index: usize,
    /// Number of tasks of the experiment.
    of: usize,
    name: String,
    config: TrainConfig,
}

impl Task {
    /// The task with this index.
    ///
    /// # Errors
    /// If the experiment has no such task.
    pub fn find(experiment: &dyn Experiment, index: usize) -> Result<Self, Failure> {
        let runs = independent_runs(experiment, "--task")?;
        let of = runs.len();
        let Some((name, config)) = runs.into_iter().nth(index) else {
            return Err(Failure::usage(format!(
                "--task: {} has the tasks 0 to {} with these flags, not {index}: `--tasks` lists them",
                experiment.name(),
                of - 1
            )));
        };
        Ok(Self { index, of, name, config })
    }

    /// The run's cost. What follows it on the test images is not counted.
    pub fn forecast(&self, study: &Study) -> Result<super::Forecast, Failure> {
        study.forecast_runs(&[(self.name.clone(), self.config.clone())], Further::default())
    }

    /// `task 3 of 0 to 15, n8-seed1`
    pub fn text(&self) -> String {
        format!("task {} of 0 to {}, {}", self.index, self.of - 1, self.name)
    }

    /// Does the task in a folder that it shares with others: trains the run, resumes it, or finds it finished.
    pub fn run(
        &self,
        experiment: &dyn Experiment,
        study: &mut Study,
        folder: &ReproductionFolder,
        identity: &Table,
        command: &str,
    ) -> Result<(), Failure> {
        let _shared = folder.share(identity, command, &study.environment())?;
        let takes = self.forecast(study)?;
        study.print(format!("{} ({}): {}", experiment.title(), experiment.size_text()?, self.text()));
        study.print(format!("on '{}'; takes {}", study.environment().adapter, takes.text()));
        let run = study.train(&self.name, &self.config)?;
        experiment.complete(study, &run)?;
        let finished = independent_runs(experiment, "--task")?;
        let finished = finished.iter().filter(|(name, config)| is_finished(folder, name, config)).count();
        study.print(match self.of - finished {
            0 => "all tasks are finished: the same command without --task writes the report".to_owned(),
            left => format!("task {} is finished; {} left", self.index, count(left as u64, "task")),
        });
        Ok(())
    }
}

fn independent_runs(experiment: &dyn Experiment, flag: &str) -> Result<Vec<(String, TrainConfig)>, Failure> {
    let runs = experiment.independent_runs();
    if runs.is_empty() {
        let name = experiment.name();
        return Err(Failure::usage(format!("{flag}: {name} has no independent runs: leave the flag out")));
    }
    Ok(runs)
}

fn is_finished(folder: &ReproductionFolder, name: &str, config: &TrainConfig) -> bool {
    finished_step(&folder.run(name), config).is_some()
}

/// Prints a line for each task: index, name, number of copies, length and, with a folder, how far it is. Opens no adapter, so that
/// it works where tasks are submitted.
pub fn list(experiment: &dyn Experiment, folder: Option<&ReproductionFolder>) -> Result<(), Failure> {
    let runs = independent_runs(experiment, "--tasks")?;
    let row = |(index, (name, config)): (usize, &(String, TrainConfig))| {
        let mut row = vec![
            index.to_string(),
            name.clone(),
            if config.ks.len() == 1 { "1 copy".to_owned() } else { format!("{} copies", config.ks.len()) },
            config.steps.map_or_else(|| count(config.epochs.into(), "epoch"), |steps| count(steps, "step")),
        ];
        row.extend(folder.map(|folder| state(folder, name, config)).transpose()?.map(str::to_owned));
        Ok(row)
    };
    let rows = runs.iter().enumerate().map(row).collect::<Result<Vec<_>, Failure>>()?;
    columns(&rows).into_iter().for_each(print_line);
    Ok(())
}

fn state(folder: &ReproductionFolder, name: &str, config: &TrainConfig) -> Result<&'static str, Failure> {
    Ok(match inspect(&folder.run(name))? {
        _ if is_finished(folder, name, config) => "finished",
        Contents::Nothing => "to do",
        Contents::Run(_) | Contents::Remains(_) => "begun",
    })
}
