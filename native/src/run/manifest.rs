//! `manifest.json` of a run: everything that may change its bits, which is program, config, data and adapter. A checksum over the
//! file seals it.

use std::collections::BTreeSet;
use std::ops::{Bound, RangeInclusive};
use std::path::Path;

use lastbit_core::nets::Network;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::environment::{Environment, NOT_RECORDED, Promise};
use super::layout::{CONFIG_FILE, INIT_FILE, MANIFEST_FILE};
use crate::datasets::Images;
use crate::failure::Failure;
use crate::run_config::{RunConfig, Sealed};

/// The data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct DatasetRecord {
    name: String,
    train: usize,
    test: usize,
    sha256: String,
    /// Whether these are the published images, if images are published under the name. `None` in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
}

impl DatasetRecord {
    /// True for the same images. The origin is not compared: it follows from the images, and older runs did not record it.
    fn is_same(&self, other: &Self) -> bool {
        let facts = |record: &Self| (record.name.clone(), record.train, record.test, record.sha256.clone());
        facts(self) == facts(other)
    }
}

/// The network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct NetworkRecord {
    name: String,
    parameters: u64,
}

/// A change of the environment, when a run was resumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    from_step: u64,
    environment: Environment,
}

/// The content of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The config's keys that fix the bits. `None` in runs of the first versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config: Option<Sealed>,
    environment: Environment,
    /// SHA-256 of `init.safetensors`. `None` in runs of the first versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    init_sha256: Option<String>,
    dataset: DatasetRecord,
    network: NetworkRecord,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<Change>,
    /// SHA-256 of the text in which this value is empty.
    sha256: String,
}

/// What to do if something that may change bits has changed since a run stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChange {
    /// Resume the run (`--allow-changed`).
    Allow,
    /// Refuse to resume it, and name `--allow-changed`.
    Refuse,
    /// Refuse to resume it: its numbers will be compared with those of other runs.
    Never,
}

impl OnChange {
    /// The flag that the error begins with, and its remedy: `refused` where `--allow-changed` can be given, else `never`.
    pub fn flag_and_remedy(self, never: &'static str, refused: &'static str) -> (&'static str, &'static str) {
        if self == Self::Never { ("--out", never) } else { ("--resume", refused) }
    }
}

/// A manifest on the disk.
pub enum Found {
    /// The file is missing.
    Nothing,
    /// The file is not as it was written.
    Damaged,
    /// The file is whole.
    Whole(Box<Manifest>),
}

impl Manifest {
    /// The manifest of a run that begins now.
    pub fn new(
        config: &RunConfig,
        environment: Environment,
        images: &Images,
        network: &Network,
    ) -> Result<Self, Failure> {
        let dataset = &images.dataset;
        Ok(Self {
            config: Some(config.sealed()?),
            environment,
            dataset: DatasetRecord {
                name: dataset.name.clone(),
                train: dataset.train.len(),
                test: dataset.test.len(),
                sha256: images.sha256().to_owned(),
                origin: images.origin().map(|origin| origin.to_string()),
            },
            network: NetworkRecord { name: network.name.clone(), parameters: network.parameter_count() },
            init_sha256: None,
            changes: Vec::new(),
            sha256: String::new(),
        })
    }

    /// Adds the SHA-256 of `init`, the bytes of `init.safetensors`.
    pub fn with_init(self, init: &[u8]) -> Self {
        Self { init_sha256: Some(format!("{:x}", Sha256::digest(init))), ..self }
    }

    /// What is wrong with `init.safetensors` in `folder`; `None` if it holds the weights that the run began with.
    pub fn init_problem(&self, folder: &Path) -> Option<String> {
        let Ok(bytes) = std::fs::read(folder.join(INIT_FILE)) else { return Some(format!("{INIT_FILE} is missing")) };
        let is_other = self.began_otherwise(&bytes);
        is_other.then(|| format!("{INIT_FILE} is not what the run began with (wrong SHA-256)"))
    }

    /// True if the run is known to have begun with other weights than those of `init`, the bytes of a file.
    pub fn began_otherwise(&self, init: &[u8]) -> bool {
        self.init_sha256.as_ref().is_some_and(|sha256| *sha256 != format!("{:x}", Sha256::digest(init)))
    }

    /// How `config` differs from the config that the run was made with, one text for each key.
    pub fn config_changes(&self, config: &RunConfig) -> Result<Vec<String>, Failure> {
        self.config.as_ref().map_or(Ok(Vec::new()), |sealed| config.changes_since(sealed))
    }

    /// True if the manifest seals the config, which those of the first versions do not.
    pub fn is_sealed(&self) -> bool {
        self.config.is_some()
    }

    /// Refuses to resume the run in `folder` if `config` is not the one that it was made with.
    pub fn check_config(&self, config: &RunConfig, folder: &Path) -> Result<(), Failure> {
        match self.config_changes(config)?.as_slice() {
            [] => Ok(()),
            changes => Err(Failure::usage(format!(
                "--resume: {CONFIG_FILE} in '{}' is not the one that the run was made with: {}: set that back to resume, or give \
                 another --out",
                folder.display(),
                changes.join(", "),
            ))),
        }
    }

    /// The manifest of the run in `folder`.
    pub fn read(folder: &Path) -> Found {
        match std::fs::read(folder.join(MANIFEST_FILE)) {
            Err(_) => Found::Nothing,
            Ok(bytes) => Self::parse(&bytes).map_or(Found::Damaged, |manifest| Found::Whole(Box::new(manifest))),
        }
    }

    /// The manifest with this text; `None` if lastbit did not write the text.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let manifest: Self = serde_json::from_slice(bytes).ok()?;
        // `environment_at` searches the changes from the end, so they must be in order.
        let is_rising = manifest.changes.is_sorted_by(|one, next| one.from_step < next.from_step);
        (is_rising && manifest.to_text().as_bytes() == bytes).then_some(manifest)
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        let text = |sha256: String| {
            let manifest = Self { sha256, ..self.clone() };
            let text = serde_json::to_string_pretty(&manifest);
            text.unwrap_or_else(|e| unreachable!("plain data serializes: {e}")) + "\n"
        };
        text(format!("{:x}", Sha256::digest(text(String::new()))))
    }

    /// What may make the bits of `steps` differ between this run and `now`, one text each. Either run may have been made in several
    /// environments, one after the other.
    pub fn changes(&self, now: &Self, steps: RangeInclusive<u64>) -> Vec<String> {
        let firsts = self.stretches(now, &steps);
        // A file may name any step, even the largest number.
        let next = |first: u64| firsts.range((Bound::Excluded(first), Bound::Unbounded)).next();
        let of = |first: u64| match next(first) {
            _ if firsts.len() == 1 => String::new(),
            Some(next) => format!(" of steps {first} to {}", next - 1),
            None => format!(" of the steps from {first} on"),
        };
        let changes =
            firsts.iter().flat_map(|&first| self.environment_at(first).changes(now.environment_at(first), &of(first)));
        let images = (!self.dataset.is_same(&now.dataset))
            .then(|| format!("the images ('{}', now '{}')", self.dataset.sha256, now.dataset.sha256));
        let init = self.init_sha256.as_ref().zip(now.init_sha256.as_ref()).filter(|(was, is)| was != is);
        let init = init.map(|(was, is)| format!("the initial weights ('{was}', now '{is}')"));
        changes.chain(images).chain(init).collect()
    }

    /// Whether equal bits are promised for `steps` of this run and another.
    pub fn promise(&self, other: &Self, steps: RangeInclusive<u64>) -> Promise {
        if !self.dataset.is_same(&other.dataset) {
            return Promise::Nothing("their images differ".to_owned());
        }
        // A prepared run has not recorded its weights, nor have runs of the first versions.
        if self.init_sha256.as_ref().zip(other.init_sha256.as_ref()).is_some_and(|(a, b)| a != b) {
            return Promise::Nothing("their initial weights differ".to_owned());
        }
        let of = |first: u64| self.environment_at(first).promise(other.environment_at(first));
        let mut all: Vec<Promise> = self.stretches(other, &steps).into_iter().map(of).collect();
        let nothing = all.iter().position(|promise| matches!(promise, Promise::Nothing(_)));
        all.swap_remove(nothing.unwrap_or(0))
    }

    /// The first steps of the stretches of `steps` in which both runs keep one environment.
    fn stretches(&self, other: &Self, steps: &RangeInclusive<u64>) -> BTreeSet<u64> {
        let (start, end) = (*steps.start(), *steps.end());
        let later = self.changes.iter().chain(&other.changes).map(|change| change.from_step.saturating_add(1));
        later.filter(|first| *first > start && *first <= end).chain([start]).collect()
    }

    /// The environment that made a step.
    fn environment_at(&self, step: u64) -> &Environment {
        let change = self.changes.iter().rfind(|change| change.from_step < step);
        change.map_or(&self.environment, |change| &change.environment)
    }

    /// Name of the adapter that made a step.
    pub fn adapter(&self, step: u64) -> &str {
        &self.environment_at(step).adapter
    }

    /// Where the run was made, as a table: a name, and its value, or its values one after the other.
    pub fn facts(&self) -> [(&'static str, String); 10] {
        let values = |of: fn(&Environment) -> String| {
            let (mut text, mut last) = (of(&self.environment), of(&self.environment));
            for Change { from_step, environment } in &self.changes {
                if of(environment) != last {
                    last = of(environment);
                    text += &format!("; from step {} on {last}", from_step.saturating_add(1));
                }
            }
            text
        };
        [
            ("adapter", values(|environment| environment.adapter.clone())),
            ("driver", values(|environment| environment.driver.clone())),
            ("interface", values(|environment| environment.backend.clone())),
            ("class", values(|environment| recorded(environment.class))),
            ("subnormal numbers", values(|environment| recorded(environment.subnormals))),
            ("version of docs/ORDER.md", values(|environment| recorded(environment.order_version))),
            ("lastbit", values(|environment| environment.version.clone())),
            ("SHA-256 of the shaders", values(|environment| environment.shaders_sha256.clone())),
            ("images", self.dataset.origin.as_ref().unwrap_or(&self.dataset.name).clone()),
            ("SHA-256 of the images", self.dataset.sha256.clone()),
        ]
    }

    /// Whether the images are the published ones; `None` if that is not recorded.
    pub fn origin(&self) -> Option<&str> {
        self.dataset.origin.as_deref()
    }

    /// This manifest, for a run that resumes in the environment of `now` after `step` steps, and a warning if that may change bits.
    /// Unless the user allowed such a change, it is an error.
    pub fn continued(
        mut self,
        now: Self,
        step: u64,
        folder: &Path,
        on_change: OnChange,
    ) -> Result<(Self, Option<String>), Failure> {
        if !self.dataset.is_same(&now.dataset) {
            let is_older = self.config.is_none() && self.dataset.name == "folder";
            return Err(Failure::usage(format!(
                "--data-dir: the run in '{}' used other images (SHA-256 {}, these have {}): give the files that it began with{}",
                folder.display(),
                self.dataset.sha256,
                now.dataset.sha256,
                if is_older {
                    "; the version that began it read only PNG and JPEG, and did not turn images by their EXIF orientation"
                } else {
                    ""
                }
            )));
        }
        // The run resumed in this environment before.
        let is_accepted = *self.environment_at(u64::MAX) == now.environment && on_change != OnChange::Never;
        // The steps after this one are trained again, so the changes after it no longer count.
        self.changes.retain(|change| change.from_step < step);
        let first = if on_change == OnChange::Never { 1 } else { step };
        let changes = self.changes(&now, first..=step);
        let (flag, remedy) = on_change.flag_and_remedy("give another --out", "accept that with --allow-changed");
        if !(changes.is_empty() || is_accepted || on_change == OnChange::Allow) {
            return Err(Failure::usage(format!(
                "{flag}: since the run in '{}' stopped after step {step}, this has changed: {}; its bits may differ from \
                 here on: return to what it was made with, or {remedy}",
                folder.display(),
                changes.join(", "),
            )));
        }
        // Runs of older versions lack these.
        self.config = now.config;
        self.dataset.origin = now.dataset.origin;
        let last = self.environment_at(u64::MAX);
        if *last == now.environment {
            return Ok((self, None));
        }
        let is_promised = changes.is_empty();
        let warning = format!(
            "the run was made by lastbit {} on '{}' ({}) and continues with {} on '{}' ({}): its bits may differ from \
             here on, which manifest.json records",
            last.version,
            last.adapter,
            last.driver,
            now.environment.version,
            now.environment.adapter,
            now.environment.driver,
        );
        self.changes.push(Change { from_step: step, environment: now.environment });
        Ok((self, Some(warning).filter(|_| !(is_accepted || is_promised))))
    }
}

/// A value, or that runs of earlier versions do not have it.
fn recorded(value: Option<impl ToString>) -> String {
    value.map_or(NOT_RECORDED.to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use lastbit_core::arithmetic::{DeviceClass, Subnormals};

    use super::*;

    /// A run that was resumed after each of these steps, every time by the next version.
    fn manifest(steps: &[u64]) -> Manifest {
        let environment = |version: usize| Environment {
            version: version.to_string(),
            shaders_sha256: format!("{version:012}"),
            adapter: "an adapter".to_owned(),
            driver: "a driver".to_owned(),
            backend: "an interface".to_owned(),
            software: true,
            order_version: None,
            class: None,
            subnormals: None,
            broken: Vec::new(),
        };
        let change = |(version, &from_step)| Change { from_step, environment: environment(version) };
        Manifest {
            config: None,
            init_sha256: None,
            environment: environment(0),
            dataset: DatasetRecord {
                name: "images".to_owned(),
                train: 2,
                test: 1,
                sha256: String::new(),
                origin: None,
            },
            network: NetworkRecord { name: "a network".to_owned(), parameters: 3 },
            changes: (1..).zip(steps).map(change).collect(),
            sha256: String::new(),
        }
    }

    #[test]
    fn only_changes_in_the_order_of_steps_are_as_written() {
        let parsed = |steps: &[u64]| Manifest::parse(manifest(steps).to_text().as_bytes());
        for steps in [&[][..], &[0], &[5], &[0, 1, 5, u64::MAX]] {
            assert_eq!(parsed(steps).map(|manifest| manifest.changes), Some(manifest(steps).changes), "{steps:?}");
        }
        for steps in [&[5, 5][..], &[6, 5], &[1, 6, 5], &[1, 6, 6]] {
            assert_eq!(parsed(steps), None, "{steps:?}");
        }
    }

    #[test]
    fn a_run_from_before_origins_were_recorded_has_the_same_images() {
        let (old, mut now) = (manifest(&[]), manifest(&[]));
        assert!(!old.to_text().contains("origin"));
        now.dataset.origin = Some("not the published CIFAR-10".to_owned());
        assert_eq!(old.changes(&now, 1..=9), [""; 0]);
        assert!(old.clone().continued(now.clone(), 5, Path::new("run"), OnChange::Refuse).is_ok());
        assert_eq!(Manifest::parse(now.to_text().as_bytes()).unwrap().dataset, now.dataset);
        now.dataset.sha256 = "other".to_owned();
        assert_eq!(old.changes(&now, 1..=9), ["the images ('', now 'other')"]);
    }

    #[test]
    fn equal_bits_are_promised_for_equal_starts_only() {
        let start = |images: &str, init: Option<&str>| {
            let mut manifest = manifest(&[]);
            let environment = &mut manifest.environment;
            (environment.order_version, environment.class) = (Some(3), Some(DeviceClass::Fused));
            environment.subnormals = Some(Subnormals::Kept);
            images.clone_into(&mut manifest.dataset.sha256);
            manifest.init_sha256 = init.map(str::to_owned);
            manifest
        };
        let promise = |other: &Manifest| start("a", Some("b")).promise(other, 1..=9);
        assert!(matches!(promise(&start("a", Some("b"))), Promise::Equal(_)));
        assert!(matches!(promise(&start("a", None)), Promise::Equal(_)));
        assert_eq!(promise(&start("b", Some("b"))), Promise::Nothing("their images differ".to_owned()));
        let other = start("a", Some("c"));
        assert_eq!(start("a", Some("b")).changes(&other, 1..=9), ["the initial weights ('b', now 'c')"]);
        assert_eq!(promise(&other), Promise::Nothing("their initial weights differ".to_owned()));
    }

    #[test]
    fn changes_name_their_steps_up_to_the_largest_number() {
        let changes = |was: &[u64]| manifest(was).changes(&manifest(&[]), 1..=u64::MAX);
        let shaders = |of: &str, version: usize| format!("the shaders{of} ('{version:012}', now '{:012}')", 0);
        assert_eq!(changes(&[]), [""; 0]);
        assert_eq!(changes(&[0]), [shaders("", 1)]);
        assert_eq!(changes(&[4, 9]), [shaders(" of steps 5 to 9", 1), shaders(" of the steps from 10 on", 2)]);
        let last = u64::MAX;
        assert_eq!(changes(&[last - 1]), [shaders(&format!(" of the steps from {last} on"), 1)]);
        // Nothing comes after that step.
        assert_eq!(changes(&[last]), [""; 0]);
        let before = shaders(&format!(" of steps 5 to {}", last - 1), 1);
        assert_eq!(changes(&[4, last - 1]), [before, shaders(&format!(" of the steps from {last} on"), 2)]);
    }
}
