//! Compares two runs of one experiment from their folders alone: their configs, where they were made, every line, and the
//! states in the checkpoints that both have. If they were made on two machines, the hardware is the perturbation.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use lastbit_core::double::relative_l1;
use lastbit_core::nets::Network;
use lastbit_core::train::checkpoint::{decode_weights, replica_file};
use lastbit_core::train::{Difference, ReplicaState, Weights, difference};
use serde_json::Value;

use super::metrics::{LineDifference, MetricsReader, RecordedLine, first_difference};
use crate::failure::Failure;
use crate::run::{
    Found, INIT_FILE, Manifest, Promise, checkpoint_folders, problems, read_checkpoint, read_config, summary_json,
};
use crate::run_config::RunConfig;

/// One value for each of the two runs.
pub type Pair<T> = [T; 2];

/// How far a replica of one run is from the same replica of the other.
pub struct StateDistance {
    /// Step of the checkpoint; 0 for the initial weights.
    pub step: u64,
    /// Position in `--ks`.
    pub replica: usize,
    /// Relative L1 between the runs, averaged over all measured weights.
    pub rel_l1: f64,
    /// The first element that differs; `None` if every bit is the same.
    pub difference: Option<Difference>,
}

/// One replica's numbers at a step of both runs.
#[derive(Clone, Copy)]
pub struct Numbers {
    /// Loss in either run; NaN where it is not finite.
    pub loss: Pair<f64>,
    /// Relative L1 to the first replica in either run.
    pub rel_l1: Pair<f64>,
}

/// Everything that was compared.
pub struct Comparison {
    /// The folders.
    pub folders: Pair<PathBuf>,
    /// The configs.
    pub configs: Pair<RunConfig>,
    /// Their manifests; `None` if missing or damaged.
    pub manifests: Pair<Option<Manifest>>,
    /// What is missing from either folder or not as it was written, one text each.
    pub problems: Pair<Vec<String>>,
    /// Keys of the configs that differ in what is trained, with their values.
    pub different_keys: Vec<(String, Pair<String>)>,
    /// Steps that both recorded.
    pub steps: Vec<u64>,
    /// Numbers of those steps, `[step][replica]`.
    pub numbers: Vec<Vec<Numbers>>,
    /// Number of fingerprints that were compared.
    pub fingerprints: u64,
    /// The last step at which all fingerprints are the same.
    pub last_equal_fingerprint: Option<u64>,
    /// The first line that differs.
    pub line: Option<LineDifference>,
    /// Number of lines of either run that are not JSON or have no step.
    pub damaged_lines: Pair<u64>,
    /// States that both have, in order of steps, then replicas.
    pub states: Vec<StateDistance>,
    /// Whether either run's control was red.
    pub is_control_red: Pair<bool>,
}

impl Comparison {
    /// Compares the runs in two folders.
    pub fn of(folders: Pair<PathBuf>) -> Result<Self, Failure> {
        let configs = [read_config(&folders[0])?, read_config(&folders[1])?];
        let of_train = |key: fn(&RunConfig) -> String| configs.each_ref().map(key);
        for (flag, [a, b]) in [
            ("--net", of_train(|c| c.train.net.to_string())),
            ("--width", of_train(|c| c.train.width.to_string())),
            ("--dataset", of_train(|c| c.train.dataset.to_string())),
            ("--ks", of_train(|c| format!("{:?}", c.train.ks))),
        ] {
            if a != b {
                return Err(Failure::usage(format!(
                    "the runs cannot be compared: {flag} is {a} in '{}' and {b} in '{}': give two runs of one experiment",
                    folders[0].display(),
                    folders[1].display()
                )));
            }
        }
        let manifests = folders.each_ref().map(|folder| match Manifest::read(folder) {
            Found::Whole(manifest) => Some(*manifest),
            Found::Damaged | Found::Nothing => None,
        });
        let problems = [problems(&folders[0], &configs[0])?, problems(&folders[1], &configs[1])?];
        let different_keys = different_keys(&configs)?;
        let is_control_red = folders.each_ref().map(|folder| {
            let control = &summary_json(folder)["control"];
            control["green"] == false && control["not_finite"] != true
        });
        let mut comparison = Self {
            folders,
            configs,
            manifests,
            problems,
            different_keys,
            steps: Vec::new(),
            numbers: Vec::new(),
            fingerprints: 0,
            last_equal_fingerprint: None,
            line: None,
            damaged_lines: [0, 0],
            states: Vec::new(),
            is_control_red,
        };
        comparison.compare_lines()?;
        comparison.compare_states()?;
        Ok(comparison)
    }

    /// True if the runs have steps in common, nothing that both have differs, and nothing is missing or damaged.
    pub fn is_equal(&self) -> bool {
        !self.steps.is_empty()
            && self.line.is_none()
            && self.problems.iter().all(Vec::is_empty)
            && self.damaged_lines == [0, 0]
            && self.states.iter().all(|state| state.difference.is_none())
    }

    /// From the first step to the last one that both recorded.
    pub fn common_steps(&self) -> RangeInclusive<u64> {
        1..=self.steps.last().copied().unwrap_or(u64::MAX)
    }

    /// Whether the runs can be compared by their fingerprints.
    pub fn promise(&self) -> Promise {
        match &self.manifests {
            _ if !self.different_keys.is_empty() => {
                Promise::Nothing("the configs differ in what is trained".to_owned())
            }
            [Some(first), Some(second)] => first.promise(second, self.common_steps()),
            _ => Promise::Nothing("a manifest.json is missing or damaged".to_owned()),
        }
    }

    /// What is missing from either run, is not as it was written or cannot be read, one text each. `name` names a folder.
    pub fn damages(&self, name: impl Fn(&Path) -> String) -> Vec<String> {
        let missing = self.folders.iter().zip(&self.problems);
        let missing = missing.flat_map(|(folder, problems)| {
            let name = name(folder);
            problems.iter().map(move |problem| format!("'{name}' is not as it was written: {problem}"))
        });
        let none = self.steps.is_empty().then(|| "no step is recorded in both runs: nothing was compared".to_owned());
        let found = self.folders.iter().zip(self.damaged_lines).filter(|(_, lines)| *lines > 0);
        let unreadable = found.map(|(folder, lines)| {
            let lines = if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") };
            format!("metrics.jsonl in '{}' has {lines} that cannot be read", name(folder))
        });
        missing.chain(none).chain(unreadable).collect()
    }

    /// The first state that differs, and its first element that does.
    pub fn first_state(&self) -> Option<(&StateDistance, &Difference)> {
        self.states.iter().find_map(|state| Some((state, state.difference.as_ref()?)))
    }

    fn compare_lines(&mut self) -> Result<(), Failure> {
        let mut recorded = [MetricsReader::open(&self.folders[0])?, MetricsReader::open(&self.folders[1])?];
        let n = self.configs[0].train.ks.len();
        let mut is_apart = false;
        // A line waits for its counterpart. Lines that only one run has (another --log-every, another length) are skipped.
        let mut waiting: Pair<HashMap<(u64, String), Value>> = Default::default();
        // A damaged line has no step and comes first, so that it holds up nothing.
        let at = |line: &RecordedLine| line.value["step"].as_u64();
        loop {
            let turn = match [&recorded[0], &recorded[1]].map(MetricsReader::peek) {
                [None, None] => break,
                [Some(_), None] => 0,
                [None, Some(_)] => 1,
                [Some(x), Some(y)] => usize::from(at(y) < at(x)),
            };
            let Some(line) = recorded[turn].take()? else { break };
            let Some(step) = at(&line) else {
                self.damaged_lines[turn] += 1;
                continue;
            };
            let kind = line.value["kind"].as_str().unwrap_or("?");
            let key = (step, format!("{kind} {}", line.value["replica"]));
            let Some(other) = waiting[1 - turn].remove(&key) else {
                waiting[turn].insert(key, line.value);
                waiting.iter_mut().for_each(|lines| lines.retain(|(at, _), _| at + 1 >= step));
                continue;
            };
            let pair = if turn == 0 { [&line.value, &other] } else { [&other, &line.value] };
            self.compare_pair(step, pair, n, &mut is_apart);
        }
        Ok(())
    }

    fn compare_pair(&mut self, step: u64, [a, b]: Pair<&Value>, n: usize, is_apart: &mut bool) {
        if self.line.is_none() {
            self.line = first_difference(a, b).map(|what| LineDifference { step, what });
        }
        match a["kind"].as_str() {
            Some("step") => {
                let number = |line: &Value, key: &str, r: usize| line[key][r].as_f64().unwrap_or(f64::NAN);
                let of = |r: usize| Numbers {
                    loss: [a, b].map(|line| number(line, "loss", r)),
                    rel_l1: [a, b].map(|line| number(line, "rel_l1", r)),
                };
                self.steps.push(step);
                self.numbers.push((0..n).map(of).collect());
            }
            Some("layers") => {
                self.fingerprints += 1;
                *is_apart |= a["fingerprint"] != b["fingerprint"];
                if *is_apart {
                    // A step counts only if all of its replicas are the same.
                    self.last_equal_fingerprint = self.last_equal_fingerprint.filter(|last| *last < step);
                } else {
                    self.last_equal_fingerprint = Some(step);
                }
            }
            _ => {}
        }
    }

    fn compare_states(&mut self) -> Result<(), Failure> {
        let Some(network) = self.network() else { return Ok(()) };
        let start = self.folders.each_ref().map(|folder| {
            let weights = decode_weights(&network, INIT_FILE, &std::fs::read(folder.join(INIT_FILE)).ok()?).ok()?;
            Some(ReplicaState { weights, optimizer: Vec::new() })
        });
        if let [Some(a), Some(b)] = &start {
            self.states.push(distance(&network, 0, 0, a, b));
        }
        let [mine, theirs] = self.folders.each_ref().map(|folder| checkpoint_folders(folder));
        for (step, folder) in mine.into_iter().rev() {
            let Some((_, other)) = theirs.iter().find(|(at, _)| *at == step) else { continue };
            let read = |folder: &Path, config: &RunConfig| {
                let read = read_checkpoint(folder, &network, &config.train);
                read.map_err(|problem| Failure::other(format!("'{}' {problem}", folder.display())))
            };
            let (a, b) = (read(&folder, &self.configs[0])?.0, read(other, &self.configs[1])?.0);
            let replicas = a.replicas.iter().zip(&b.replicas).enumerate();
            self.states.extend(replicas.map(|(r, (a, b))| distance(&network, step, r, a, b)));
        }
        Ok(())
    }

    /// The network, found from the shapes of the first run's tensors, because the data set may be elsewhere.
    fn network(&self) -> Option<Network> {
        let train = &self.configs[0].train;
        let (_, folder) = checkpoint_folders(&self.folders[0]).into_iter().next()?;
        let file = folder.join(replica_file(0, *train.ks.first()?));
        let bytes = std::fs::read(&file).ok()?;
        crate::datasets::shapes(train.dataset, train.net).into_iter().find_map(|(shape, classes)| {
            let network = train.network(shape, classes).ok()?;
            decode_weights(&network, "", &bytes).ok().map(|_: Weights| network)
        })
    }
}

/// Keys that differ and say what is trained, with both values. Keys that say where, how or how long do not matter.
fn different_keys(configs: &Pair<RunConfig>) -> Result<Vec<(String, Pair<String>)>, Failure> {
    let tables = [configs[0].filled().to_table()?, configs[1].filled().to_table()?];
    let keys = tables[0].keys().chain(tables[1].keys().filter(|key| !tables[0].contains_key(*key)));
    let matters = |key: &str| configs.iter().any(|config| config.fixes_bits(key));
    let differing = keys.filter(|key| matters(key) && tables[0].get(*key) != tables[1].get(*key));
    let show = |table: &toml::Table, key: &str| table.get(key).map_or("-".to_owned(), toml::Value::to_string);
    Ok(differing.map(|key| (key.clone(), tables.each_ref().map(|table| show(table, key)))).collect())
}

fn distance(network: &Network, step: u64, replica: usize, a: &ReplicaState, b: &ReplicaState) -> StateDistance {
    let pairs = a.weights.parameters.iter().zip(&b.weights.parameters).zip(&network.parameters);
    let measured: Vec<f64> =
        pairs.filter(|(_, parameter)| parameter.measured).map(|((a, b), _)| relative_l1(a, b)).collect();
    let rel_l1 = measured.iter().sum::<f64>() / measured.len().max(1) as f64;
    StateDistance { step, replica, rel_l1, difference: difference(network, a, b) }
}
