//! The flags of `hardware run`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::stages;
use crate::peers;

/// The parsed flags, with the paths that the runner adds. Each stage runs in a process of its own and gets them as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Folder for the results.
    pub results: PathBuf,
    /// Names of the stages, in the order in which they run.
    pub stages: Vec<String>,
    /// The adapter, as `lastbit train --adapter` takes it; `None` is lastbit's default.
    pub adapter: Option<String>,
    /// True for a trial on a software adapter: a small network and a small batch.
    pub small: bool,
    /// Networks that `peers` compares; empty for the one that the other stages train.
    pub nets: Vec<String>,
    /// Replicas in `bench`, and in lockstep in `peers`; `None` for the stages' own number.
    replicas: Option<u32>,
    /// Networks that PyTorch trains in `peers`.
    pub peer_replicas: u32,
    /// Rounds of `peers`.
    pub rounds: usize,
    /// Folder for everything that is not a result: unpacked programs, images, runs.
    pub work: PathBuf,
    /// Limits in seconds that differ from the stages' own.
    limits: BTreeMap<String, u64>,
}

impl Options {
    /// Parses `RESULTS [STAGE...]` and flags. Relative paths are relative to the current folder.
    ///
    /// # Errors
    /// A missing folder, an unknown flag or stage, a flag without its value, or a value that the flag does not take.
    pub fn parse(arguments: &[String]) -> Result<Self> {
        let absolute = |path: &str| std::path::absolute(path).with_context(|| format!("'{path}' is not a path"));
        let mut options = Self {
            results: PathBuf::new(),
            stages: Vec::new(),
            adapter: std::env::var("LASTBIT_ADAPTER").ok().filter(|name| !name.is_empty()),
            small: false,
            nets: Vec::new(),
            replicas: None,
            peer_replicas: 2,
            rounds: 3,
            work: std::env::temp_dir().join("lastbit-hardware"),
            limits: BTreeMap::new(),
        };
        let mut words = arguments.iter();
        let mut results = None;
        while let Some(word) = words.next() {
            if !word.starts_with('-') {
                if results.is_none() {
                    results = Some(absolute(word)?);
                } else {
                    stages::named(word)?;
                    options.stages.push(word.clone());
                }
                continue;
            }
            if word == "--small" {
                options.small = true;
                continue;
            }
            let value = words.next().with_context(|| format!("{word} needs a value"))?;
            let number = |most: u32| {
                let number = value.parse::<u32>().ok().filter(|number| (1..=most).contains(number));
                number.with_context(|| format!("{word} takes a number from 1 to {most}, not '{value}'"))
            };
            match word.as_str() {
                "--adapter" => options.adapter = Some(value.clone()),
                "--work" => options.work = absolute(value)?,
                "--limit" => options.limits.extend(value.split(',').map(limit).collect::<Result<Vec<_>>>()?),
                "--nets" => options.nets = value.split(',').map(net).collect::<Result<_>>()?,
                "--replicas" => options.replicas = Some(number(31)?),
                "--peer-replicas" => options.peer_replicas = number(31)?,
                "--rounds" => options.rounds = number(99)? as usize,
                _ => bail!("there is no flag {word}"),
            }
        }
        options.results = results.context("name a folder for the results")?;
        if options.stages.is_empty() {
            options.stages = stages::names().map(str::to_owned).collect();
        }
        Ok(options)
    }

    /// The time that a stage may take.
    pub fn limit(&self, stage: &stages::Stage) -> Duration {
        Duration::from_secs(self.limits.get(stage.name).copied().unwrap_or(stage.limit))
    }

    /// A text for results, without the paths of this machine: results are passed on.
    pub fn without_paths(&self, text: &str) -> String {
        text.replace(&format!("{}{}", self.work.display(), std::path::MAIN_SEPARATOR), "")
    }

    /// The network that the stages train.
    pub fn net(&self) -> &'static str {
        if self.small { "resnet8" } else { "resnet56" }
    }

    /// Samples in a batch.
    pub fn batch(&self) -> u32 {
        if self.small { 16 } else { 128 }
    }

    /// Replicas in `bench`, and in lockstep in `peers`.
    pub fn replicas(&self) -> u32 {
        self.replicas.unwrap_or(if self.small { 2 } else { 6 })
    }

    /// Steps of a short run.
    pub fn steps(&self) -> u32 {
        if self.small { 6 } else { 20 }
    }
}

/// `STAGE=SECONDS`.
fn limit(text: &str) -> Result<(String, u64)> {
    let (name, seconds) =
        text.split_once('=').with_context(|| format!("--limit takes STAGE=SECONDS, such as rules=90, not '{text}'"))?;
    stages::named(name)?;
    let seconds = seconds.parse::<u64>().ok().filter(|seconds| (1..=86_400).contains(seconds));
    let seconds =
        seconds.with_context(|| format!("--limit takes from 1 to 86400 seconds, as in rules=90, not '{text}'"))?;
    Ok((name.to_owned(), seconds))
}

fn net(name: &str) -> Result<String> {
    ensure!(peers::is_net(name), "--nets takes vgg16, resnet8, resnet20 and others of that family, not '{name}'");
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn seconds(options: &Options, stage: &str) -> u64 {
        options.limit(stages::named(stage).unwrap()).as_secs()
    }

    #[test]
    fn stages_and_flags_are_read() {
        let options =
            parse("out bench --limit rules=90,train=20 twice --adapter llvm --small --limit bench=7").unwrap();
        assert!(options.results.is_absolute() && options.results.ends_with("out"));
        assert_eq!(options.stages, ["bench", "twice"]);
        assert_eq!(["rules", "train", "bench"].map(|stage| seconds(&options, stage)), [90, 20, 7]);
        assert_eq!((options.adapter.as_deref(), options.net(), options.batch()), (Some("llvm"), "resnet8", 16));
        assert_eq!((options.replicas(), parse("out --small --replicas 4").unwrap().replicas()), (2, 4));
        let defaults = parse("out").unwrap();
        assert_eq!(defaults.stages, ["adapters", "rules", "certify", "twice", "bench", "peers", "tune", "train"]);
        assert_eq!((seconds(&defaults, "rules"), defaults.net(), defaults.steps()), (150, "resnet56", 20));
    }

    #[test]
    fn results_name_no_path_of_the_machine() {
        let options = parse("out --work there").unwrap();
        let program = options.work.join("lastbit").display().to_string();
        assert_eq!(options.without_paths(&format!("`{program} bench` failed")), "`lastbit bench` failed");
    }

    #[test]
    fn options_reach_a_stage_unchanged() {
        let options = parse("out --limit rules=90 --nets vgg16,resnet20").unwrap();
        let json = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<Options>(&json).unwrap(), options);
    }

    #[test]
    fn invalid_words_are_named() {
        for (line, named) in [
            ("", "a folder for the results"),
            ("out benches", "'benches'"),
            ("out --limit rules", "'rules'"),
            ("out --limit rules=0", "'rules=0'"),
            ("out --limit rules=90s", "'rules=90s'"),
            ("out --limit tests=90", "'tests'"),
            ("out --limit", "--limit needs a value"),
            ("out --nets vgg19", "'vgg19'"),
            ("out --rounds 0", "--rounds"),
            ("out --fast yes", "--fast"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(named), "{line}: {error}");
        }
    }
}
