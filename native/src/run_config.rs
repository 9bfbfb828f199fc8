//! `config.toml`: what is trained ([`TrainConfig`]) and where its inputs come from, everything needed to run it again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use lastbit_core::nets::{NetKind, Norm};
use lastbit_core::train::{FlipBit, LossKind, LrChange, Perturb, TrainConfig};
use serde::{Deserialize, Serialize};
use toml::de::DeTable;
use toml::{Table, Value};

use crate::failure::Failure;

/// What the command line adds to a [`TrainConfig`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct HostConfig {
    /// Folder or archive of the data set; `None` to search the default places.
    pub data_dir: Option<PathBuf>,
    /// File of the initial weights; `None` to draw them.
    pub init: Option<PathBuf>,
    /// Adapter by index or part of its name; `None` for the best one.
    pub adapter: Option<String>,
    /// Interval between checkpoints.
    pub checkpoint_every: CheckpointEvery,
    /// The bit to flip, as an injected fault.
    pub flip_bit: Option<FlipBitText>,
    /// Number of complete checkpoints to keep.
    pub keep_checkpoints: u32,
    /// Images of each set on which the ends are compared, 0 for no comparison; `None` for as many as take little time.
    pub ends: Option<u32>,
    /// Whether evaluations keep their logits.
    pub keep_logits: bool,
    /// What to do if the adapter fails the self-test.
    pub on_broken_device: OnBrokenDevice,
    /// Whether event files for TensorBoard are written.
    pub tensorboard: bool,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            data_dir: None,
            init: None,
            adapter: None,
            checkpoint_every: CheckpointEvery::default(),
            flip_bit: None,
            keep_checkpoints: 2,
            ends: None,
            keep_logits: false,
            on_broken_device: OnBrokenDevice::default(),
            tensorboard: false,
        }
    }
}

/// What to do on an adapter that fails the self-test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum OnBrokenDevice {
    /// Do not train.
    #[default]
    Refuse,
    /// Warn, record the failure, and train.
    Warn,
}

/// Source of a merged table, for errors: flags are checked when they are parsed, so a bad value comes from this flag's file.
pub const CONFIG_FLAG: &str = "--config";
/// Keys of [`HostConfig`].
const HOST_KEYS: [&str; 10] = [
    "data-dir",
    "init",
    "adapter",
    "checkpoint-every",
    "flip-bit",
    "keep-checkpoints",
    "ends",
    "keep-logits",
    "on-broken-device",
    "tensorboard",
];
/// Keys that may change when a run resumes: they say where and how to run, not what to train.
const FREE_KEYS: [&str; 8] = [
    "data-dir",
    "adapter",
    "checkpoint-every",
    "keep-checkpoints",
    "ends",
    "keep-logits",
    "on-broken-device",
    "tensorboard",
];
/// Keys whose values may grow when a run resumes, with the value of a key that is not set.
const GROWING_KEYS: [(&str, i64); 2] = [("steps", i64::MAX), ("epochs", 0)];

/// Keys with their values as TOML: the result of [`RunConfig::sealed`].
pub type Sealed = BTreeMap<String, String>;

/// The config of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunConfig {
    /// What is trained.
    pub train: TrainConfig,
    /// Where its inputs come from, what computes, and when it saves.
    pub host: HostConfig,
}

impl RunConfig {
    /// The config that a table describes. Missing keys have their defaults. `source` says where the table is from, for errors.
    pub fn from_table(table: &Table, source: &str) -> Result<Self, Failure> {
        if let Some(key) = table.keys().find(|key| !is_known(key)) {
            return Err(Failure::usage(format!("{source}: {}", no_key(key))));
        }
        let mut train = table.clone();
        let host = HOST_KEYS.iter().filter_map(|key| train.remove_entry(*key)).collect::<Table>();
        let unreadable = |error: toml::de::Error| Failure::usage(format!("{source}: {error}"));
        let mut config =
            Self { train: train.try_into().map_err(unreadable)?, host: host.try_into().map_err(unreadable)? };
        // Replicas that differ by a perturbation of their own need no other k.
        let differing = config.train.perturb.len().max(config.train.lyapunov_distances.len() + 1);
        if differing > 1 && !table.contains_key("ks") {
            config.train.ks = vec![1; differing];
        }
        if config.train.net == NetKind::OneLayer && !table.contains_key("dataset") {
            config.train.dataset = lastbit_core::train::DatasetKind::Synthetic;
        }
        Ok(config)
    }

    /// The table that [`RunConfig::from_table`] reads.
    pub fn to_table(&self) -> Result<Table, Failure> {
        let parts = (Table::try_from(&self.train), Table::try_from(&self.host));
        match parts {
            (Ok(mut table), Ok(host)) => {
                table.extend(host);
                Ok(table)
            }
            (Err(error), _) | (_, Err(error)) => Err(Failure::usage(format!("config: {error}"))),
        }
    }

    /// The text of `config.toml`: first what is trained in the order of [`TrainConfig`], then the rest.
    pub fn to_text(&self) -> Result<String, Failure> {
        let parts = (toml::to_string(&self.train), toml::to_string(&self.host));
        match parts {
            (Ok(train), Ok(host)) => {
                Ok(format!("# Run it again: lastbit train --config config.toml --out FOLDER\n{train}{host}"))
            }
            (Err(error), _) | (_, Err(error)) => Err(Failure::usage(format!("config: {error}"))),
        }
    }

    /// This config with the entries of `given`, for a run in `folder` that resumes. Refuses entries that change what is trained; the run
    /// may become longer, and its files may be in another place.
    pub fn continued(&self, given: &Table, folder: &Path) -> Result<Self, Failure> {
        let old = self.to_table()?;
        let mut merged = old.clone();
        merged.extend(given.clone());
        let config = Self::from_table(&merged, CONFIG_FLAG)?;
        let (old, new) = (self.filled().to_table()?, config.filled().to_table()?);
        for key in given.keys().filter(|key| !FREE_KEYS.contains(&key.as_str())) {
            let (was, is) = (old.get(key), new.get(key));
            let grows = GROWING_KEYS.iter().find(|(name, _)| name == key).is_some_and(|(_, unset)| {
                let number = |value: Option<&Value>| value.and_then(Value::as_integer).unwrap_or(*unset);
                number(is) >= number(was)
            });
            if was != is && grows && self.train.schedule.depends_on_length() {
                return Err(Failure::usage(format!(
                    "{}: the schedule {} of the run in '{}' ends with the run's last step, so the run cannot become longer: leave the \
                     flag out to resume, or give another --out",
                    flag_of(key),
                    self.train.schedule.name(),
                    folder.display(),
                )));
            }
            if was != is && !grows {
                let show = |value: Option<&Value>| value.map_or("none".to_owned(), Value::to_string);
                return Err(Failure::usage(format!(
                    "{}: the run in '{}' has {}, not {}: leave the flag out to resume, or give another --out",
                    flag_of(key),
                    folder.display(),
                    show(was),
                    show(is),
                )));
            }
        }
        Ok(config)
    }

    /// The keys that fix the bits of the run's steps, with their values as TOML: all but those that may change when a run resumes.
    pub fn sealed(&self) -> Result<Sealed, Failure> {
        let table = self.filled().to_table()?;
        let fixed = table.into_iter().filter(|(key, _)| self.fixes_bits(key));
        Ok(fixed.map(|(key, value)| (key, value.to_string())).collect())
    }

    /// How this config differs from `sealed`, one text for each key. An older version may have written `sealed`: a key that it lacks had
    /// its default.
    pub fn changes_since(&self, sealed: &Sealed) -> Result<Vec<String>, Failure> {
        let (now, defaults) = (self.sealed()?, Self::default().sealed()?);
        let keys: BTreeSet<&String> = sealed.keys().chain(now.keys()).collect();
        let change = |key: &String| {
            let (was, is) = (sealed.get(key).or_else(|| defaults.get(key)), now.get(key));
            let show = |value: Option<&String>| value.map_or("not set", String::as_str).to_owned();
            (was != is).then(|| format!("{key} is {} and was {}", show(is), show(was)))
        };
        Ok(keys.into_iter().filter_map(change).collect())
    }

    /// True for a key that says where, how or how long to train, not what.
    pub fn is_free(key: &str) -> bool {
        FREE_KEYS.contains(&key) || GROWING_KEYS.iter().any(|(growing, _)| *growing == key)
    }

    /// True for a key that says what this config trains. The length is one if the learning rates depend on it.
    pub fn fixes_bits(&self, key: &str) -> bool {
        let is_length = GROWING_KEYS.iter().any(|(growing, _)| *growing == key);
        !Self::is_free(key) || (is_length && self.train.schedule.depends_on_length())
    }

    /// The same config, with every default that depends on another value written out.
    pub fn filled(&self) -> Self {
        let mut filled = self.clone();
        let train = &mut filled.train;
        train.activation = Some(train.activation());
        for seed in [&mut train.seed_init, &mut train.seed_order, &mut train.seed_augment] {
            seed.get_or_insert(train.seed);
        }
        filled
    }
}

/// The flag that sets `key`.
fn flag_of(key: &str) -> String {
    match key {
        "augment" | "shuffle" => format!("--no-{key}"),
        _ => format!("--{key}"),
    }
}

/// All keys of a config.
pub fn known_keys() -> Vec<String> {
    // Serialization leaves these keys out at their defaults.
    let full = TrainConfig {
        norm: Norm::None,
        loss: LossKind::Mse,
        lr_changes: vec![LrChange { step: 1, lr: 0.1 }],
        perturb: vec![Perturb::default()],
        lyapunov_distances: vec![1.0],
        ..TrainConfig::default()
    };
    let train = serde_json::to_value(full).unwrap_or_default();
    let keys = train.as_object().into_iter().flat_map(|keys| keys.keys().cloned());
    keys.chain(HOST_KEYS.map(str::to_owned)).collect()
}

fn is_known(key: &str) -> bool {
    known_keys().iter().any(|known| known == key)
}

fn no_key(key: &str) -> String {
    let mut keys = known_keys();
    keys.sort();
    format!("unknown key '{key}': use one of {}", keys.join(", "))
}

/// What is wrong with one entry of a config; `None` if it is valid.
fn problem(key: &str, value: &Value) -> Option<String> {
    let entry = || Table::from_iter([(key.to_owned(), value.clone())]);
    let error = match is_known(key) {
        false => return Some(no_key(key)),
        true if HOST_KEYS.contains(&key) => entry().try_into::<HostConfig>().err()?,
        true => entry().try_into::<TrainConfig>().err()?,
    };
    // serde's messages name types of Rust.
    let words = [
        ("u64", "a whole number from 0 up"),
        ("u32", "a whole number from 0 up"),
        ("usize", "a whole number from 0 up"),
    ];
    let words = words.into_iter().chain([("f64", "a number"), ("a sequence", "a list")]);
    let message = words.fold(error.message().to_owned(), |message, (name, word)| {
        message.replace(&format!("expected {name}"), &format!("expected {word}"))
    });
    Some(format!("{key}: {message}: correct the file"))
}

/// A config as a person wrote it, with the place of each key.
pub struct ConfigFile {
    path: PathBuf,
    text: String,
    /// The entries of the file.
    pub table: Table,
}

impl ConfigFile {
    /// Reads the file that `--config` names. A bad key or value is named with its line.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        Self::parse(read_text(path, |error| Failure::given("read --config", path, error))?, path)
    }

    /// Reads the config of a run folder.
    pub fn read_in_folder(path: &Path) -> Result<Self, Failure> {
        Self::parse(read_text(path, |error| Failure::file("read", path, error))?, path)
    }

    /// Parses `text`, the content of `path`.
    pub fn parse(text: String, path: &Path) -> Result<Self, Failure> {
        let file = Self { path: path.to_owned(), table: parse_table(&text, path)?, text };
        let found = file.table.iter().find_map(|(key, value)| Some((file.place(key)?, problem(key, value)?)));
        match found {
            Some((place, problem)) => Err(Failure::usage(format!("{place}: {problem}"))),
            None => Ok(file),
        }
    }

    /// File and line of `key`, for errors; `None` if it is not in the file.
    pub fn place(&self, key: &str) -> Option<String> {
        let table = DeTable::parse(&self.text).ok()?;
        let span = table.get_ref().keys().find(|known| known.get_ref() == key)?.span();
        Some(format!("'{}' line {}", self.path.display(), line_of(&self.text, span.start)))
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

/// Reads a TOML file as a table.
pub fn read_table(path: &Path) -> Result<Table, Failure> {
    parse_table(&read_text(path, |error| Failure::file("read", path, error))?, path)
}

fn read_text(path: &Path, failed: impl Fn(&std::io::Error) -> Failure) -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MOST_CONFIG_BYTES + 1).read_to_string(&mut text));
    read.map_err(|error| failed(&error))?;
    if text.len() as u64 > MOST_CONFIG_BYTES {
        return Err(Failure::usage(format!(
            "'{}' has more than the {MOST_CONFIG_BYTES} bytes that a config may have: give a TOML file of lastbit train",
            path.display()
        )));
    }
    Ok(text)
}

/// Longest config file. A real one has about thirty short lines.
const MOST_CONFIG_BYTES: u64 = 1 << 20;

/// The table that `text`, the content of `path`, describes.
pub fn parse_table(text: &str, path: &Path) -> Result<Table, Failure> {
    text.parse::<Table>().map_err(|error| {
        let line = line_of(text, error.span().map_or(0, |span| span.start));
        Failure::usage(format!("'{}' line {line}: {}: correct the file", path.display(), error.message()))
    })
}

/// When checkpoints are saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CheckpointEvery {
    /// After this number of steps.
    Steps(u64),
    /// After this number of epochs.
    Epochs(u64),
    /// After this number of minutes.
    Minutes(u64),
}

impl Default for CheckpointEvery {
    fn default() -> Self {
        Self::Epochs(1)
    }
}

impl FromStr for CheckpointEvery {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not an interval: use 50steps, 1epoch or 10min");
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let number = number.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)?;
        match unit {
            "step" | "steps" => Ok(Self::Steps(number)),
            "epoch" | "epochs" => Ok(Self::Epochs(number)),
            "min" => Ok(Self::Minutes(number)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for CheckpointEvery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |number| if number == 1 { "" } else { "s" };
        match *self {
            Self::Steps(number) => write!(f, "{number}step{}", plural(number)),
            Self::Epochs(number) => write!(f, "{number}epoch{}", plural(number)),
            Self::Minutes(number) => write!(f, "{number}min"),
        }
    }
}

/// A [`FlipBit`], written `TENSOR:INDEX:STEP:REPLICA`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FlipBitText(pub FlipBit);

impl FromStr for FlipBitText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "'{text}' is not TENSOR:INDEX:STEP:REPLICA, as in conv1.weight:0:5:1 (steps from 1, the rest from 0)"
            )
        };
        let mut parts = text.rsplitn(4, ':');
        let mut next = || parts.next().ok_or_else(wrong);
        let (replica, step, index, tensor) = (next()?, next()?, next()?, next()?);
        let flip = FlipBit {
            tensor: tensor.to_owned(),
            index: index.parse().map_err(|_| wrong())?,
            step: step.parse().map_err(|_| wrong())?,
            replica: replica.parse().map_err(|_| wrong())?,
        };
        if flip.step == 0 || flip.tensor.is_empty() {
            return Err(wrong());
        }
        Ok(Self(flip))
    }
}

impl fmt::Display for FlipBitText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FlipBit { tensor, index, step, replica } = &self.0;
        write!(f, "{tensor}:{index}:{step}:{replica}")
    }
}

macro_rules! text_conversions {
    ($($name:ident),+) => {$(
        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )+};
}
text_conversions!(CheckpointEvery, FlipBitText);

#[cfg(test)]
mod tests;
