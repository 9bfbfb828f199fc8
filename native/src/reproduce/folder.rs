//! The folder of a reproduction: its identity, its finished pieces, and the lock of its writer.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use toml::Table;

use super::flags::Flags;
use crate::failure::Failure;
use crate::files::{create_folder, replace_file};
use crate::lock::{Lock, Mode};
use crate::run::{
    CONFIG_FILE, Contents, Environment, Found, LOCK_FILE, Manifest, REPRODUCTION_FILE as IDENTITY_FILE,
    RUNS_FOLDER as RUNS, RunFolder, inspect,
};
use crate::run_config::read_table;
use crate::terminal::warn;

/// Name of the file with the claims as JSON.
pub const VERDICT_FILE: &str = "verdict.json";
/// The [`Environment`] that the pieces were computed in.
const ENVIRONMENT_FILE: &str = "environment.json";
/// Locked while a task begins the reproduction.
const BEGINNING_FILE: &str = ".beginning";
/// Folder of the finished pieces.
const PIECES: &str = "pieces";

/// The identity of a reproduction: its name, its size, and every value.
pub fn identity(experiment: &dyn Flags) -> Result<Table, Failure> {
    let mut identity = Table::new();
    identity.insert("experiment".to_owned(), experiment.name().into());
    identity.insert("quick".to_owned(), experiment.is_quick().into());
    identity.extend(experiment.settings()?);
    Ok(identity)
}

/// True for the names of files and folders that a reproduction writes. Names of tables and figures differ by experiment.
fn is_of_a_reproduction(name: &str) -> bool {
    let is_made = |ending: &&str| name.ends_with(*ending) && !name.starts_with('.');
    [ENVIRONMENT_FILE, PIECES, RUNS, VERDICT_FILE].contains(&name) || [".csv", ".svg"].iter().any(is_made)
}

/// The folder of a reproduction, inspected but not yet written to.
#[derive(Clone, Debug)]
pub struct ReproductionFolder {
    path: PathBuf,
    /// Identity of the reproduction, as TOML text.
    identity: String,
}

impl ReproductionFolder {
    /// Refuses a folder that holds another reproduction, a run, or files that this one would overwrite.
    pub fn inspect(path: &Path, identity: &Table) -> Result<Self, Failure> {
        let place = Self { path: path.to_owned(), identity: identity.to_string() };
        let shown = path.display();
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(place),
            Err(error) => return Err(Failure::given("use the folder", path, &error)),
        };
        let mut remains: Option<String> = None;
        for entry in entries {
            let name = entry.map_err(|error| Failure::file("read", path, &error))?.file_name();
            if name == IDENTITY_FILE {
                let stored = read_table(&path.join(IDENTITY_FILE))?;
                return check(&stored, identity, path).map(|()| place);
            }
            if let Some(name) = name.to_str().filter(|name| is_of_a_reproduction(name)) {
                // The listing has no order: keep the name that sorts first.
                remains = Some(remains.map_or_else(|| name.to_owned(), |first| first.min(name.to_owned())));
            }
        }
        if path.join(CONFIG_FILE).exists() {
            return Err(Failure::usage(format!("--out: '{shown}' holds a run of lastbit train: give another folder")));
        }
        if let (Contents::Remains(name), _) | (_, Some(name)) = (inspect(path)?, remains) {
            return Err(Failure::usage(format!(
                "--out: '{shown}' holds '{name}' but no {IDENTITY_FILE} to name its reproduction, and a new one would \
                 overwrite it: give another folder"
            )));
        }
        Ok(place)
    }

    /// Path of a file or folder in this folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Path of a run folder.
    pub fn run(&self, name: &str) -> PathBuf {
        self.path.join(RUNS).join(name)
    }

    /// Origins of the images from the manifests of the runs, each text once.
    pub fn origins(&self) -> Vec<String> {
        let folders = fs::read_dir(self.path.join(RUNS)).into_iter().flatten().flatten();
        let manifests = folders.map(|folder| Manifest::read(&folder.path()));
        let origins = manifests.filter_map(|manifest| match manifest {
            Found::Whole(manifest) => manifest.origin().map(str::to_owned),
            Found::Damaged | Found::Nothing => None,
        });
        origins.collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn piece(&self, name: &str) -> PathBuf {
        self.path.join(PIECES).join(format!("{name}.json"))
    }

    /// Reads the piece `name`, if it is finished and was computed with these flags in this environment.
    pub fn read_piece<T: DeserializeOwned>(&self, name: &str, environment: &Environment) -> Option<T> {
        let path = self.piece(name);
        let read = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => Err(error.to_string()),
            Ok(bytes) => String::from_utf8(bytes).map_err(|error| error.to_string()),
        };
        let value = read.and_then(|text| {
            let value = self.unsealed(name, environment, &text)?;
            serde_json::from_str(value).map_err(|error| error.to_string())
        });
        value.map_err(|problem| warn(format!("'{}' is computed again: {problem}", path.display()))).ok()
    }

    /// True if there is a file of the piece `name`.
    pub fn has_piece(&self, name: &str) -> bool {
        self.piece(name).exists()
    }

    /// Writes the piece `name` and returns the value that a reader will get.
    pub fn write_piece<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        environment: &Environment,
        value: &T,
    ) -> Result<T, Failure> {
        let text = serde_json::to_string(value).map_err(Failure::other)?;
        let path = self.piece(name);
        let folder = self.path.join(PIECES);
        fs::create_dir_all(&folder).map_err(|error| Failure::given("create the folder", &folder, &error))?;
        replace_file(&path, self.sealed(name, environment, &text).as_bytes())?;
        serde_json::from_str(&text).map_err(|error| Failure::other(format!("'{}': {error}", path.display())))
    }

    /// The text of a piece: its value after a checksum over identity, environment, name and value.
    fn sealed(&self, name: &str, environment: &Environment, value: &str) -> String {
        let environment = serde_json::to_string(environment).unwrap_or_default();
        let digest = Sha256::digest([self.identity.as_str(), &environment, name, value].join("\n"));
        format!("{}{digest:x}{}{value}}}\n", SEAL.0, SEAL.1)
    }

    /// The value in the text of a piece; the error says what is wrong.
    fn unsealed<'a>(&self, name: &str, environment: &Environment, text: &'a str) -> Result<&'a str, String> {
        let value = text.split_once(SEAL.1).and_then(|(_, rest)| rest.strip_suffix("}\n"));
        match value {
            Some(value) if self.sealed(name, environment, value) == text => Ok(value),
            Some(_) => {
                Err("wrong SHA-256: it was edited, or computed with other flags or in another environment".to_owned())
            }
            None => Err("it is truncated or has no SHA-256".to_owned()),
        }
    }

    /// Refuses a folder that was begun in another environment, or whose pieces were computed in an unknown one.
    pub fn check_environment(&self, environment: &Environment) -> Result<(), Failure> {
        let began = fs::read(self.path(ENVIRONMENT_FILE)).ok();
        match began.and_then(|bytes| serde_json::from_slice::<Environment>(&bytes).ok()) {
            Some(began) if began != *environment => Err(self.began_elsewhere(&began, environment)),
            // Pieces alone need this file: runs have their own manifests.
            None if fs::read_dir(self.path(PIECES)).is_ok_and(|mut pieces| pieces.next().is_some()) => {
                Err(Failure::usage(format!(
                    "--out: {ENVIRONMENT_FILE} in '{}' is missing or damaged, so the environment of its pieces is unknown: restore the \
                     file, remove '{PIECES}' there to compute them again, or give another --out",
                    self.path.display()
                )))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Creates the folder if needed, locks it, and writes identity and environment.
    pub fn claim(&self, identity: &Table, command: &str, environment: &Environment) -> Result<RunFolder, Failure> {
        let folder = RunFolder::claim(&self.path)?;
        self.write_head(identity, command, environment)?;
        Ok(folder)
    }

    /// Begins the reproduction if nobody has, and shares the folder with other tasks until the lock is dropped. Keeps out
    /// [`Self::claim`].
    pub fn share(&self, identity: &Table, command: &str, environment: &Environment) -> Result<Lock, Failure> {
        create_folder(&self.path)?;
        let failed = |error: io::Error| Failure::file("lock", &self.path, &error);
        // Two tasks that begin at the same moment must not both believe to be the first.
        let _beginning = Lock::wait(&self.path(BEGINNING_FILE)).map_err(failed)?;
        let Some(shared) = Lock::attempt(&self.path(LOCK_FILE), Mode::Shared).map_err(failed)? else {
            return Err(Failure::other(format!(
                "another lastbit does the whole reproduction in '{}': wait until it ends, or give another --out",
                self.path.display()
            )));
        };
        // Another task may have begun it since.
        Self::inspect(&self.path, identity)?;
        self.check_environment(environment)?;
        if !(self.path(IDENTITY_FILE).exists() && self.path(ENVIRONMENT_FILE).exists()) {
            self.write_head(identity, command, environment)?;
        }
        Ok(shared)
    }

    fn write_head(&self, identity: &Table, command: &str, environment: &Environment) -> Result<(), Failure> {
        let text = toml::to_string(identity).map_err(Failure::other)?;
        let text = format!("# Continue or repeat with: {command}\n{text}");
        replace_file(&self.path(IDENTITY_FILE), text.as_bytes())?;
        let text = serde_json::to_string_pretty(environment).map_err(Failure::other)?;
        replace_file(&self.path(ENVIRONMENT_FILE), format!("{text}\n").as_bytes())
    }

    fn began_elsewhere(&self, began: &Environment, now: &Environment) -> Failure {
        let name = |e: &Environment| {
            let broken = match e.broken.as_slice() {
                [] => String::new(),
                broken => format!(", which fails the self-test ({})", broken.join("; ")),
            };
            let shaders = e.shaders_sha256.get(..12).unwrap_or("unknown");
            format!(
                "lastbit {} (shaders {shaders}) on '{}' ({}, {}){broken}",
                e.version, e.adapter, e.driver, e.backend
            )
        };
        let is_same = |of: fn(&Environment) -> &str| of(began) == of(now);
        let is_other_adapter = !(is_same(|e| &e.adapter) && is_same(|e| &e.driver) && is_same(|e| &e.backend));
        let flag = if is_same(|e| &e.version) && is_other_adapter { "--adapter" } else { "--out" };
        Failure::usage(format!(
            "{flag}: the reproduction in '{}' was begun by {}, this is {}, whose bits may differ: continue with the former, or \
             give another --out",
            self.path.display(),
            name(began),
            name(now),
        ))
    }
}

/// Text before and after the checksum of a piece.
const SEAL: (&str, &str) = ("{\"sha256\":\"", "\",\"value\":");

/// Refuses flags that do not match the identity in the folder.
fn check(stored: &Table, wanted: &Table, path: &Path) -> Result<(), Failure> {
    let show = |value: Option<&toml::Value>| value.map_or("none".to_owned(), toml::Value::to_string);
    let path = path.display();
    let (was, is) = (stored.get("experiment"), wanted.get("experiment"));
    if was != is {
        return Err(Failure::usage(format!(
            "--out: '{path}' holds {}, not {}: give another folder",
            show(was),
            show(is)
        )));
    }
    let keys = wanted.keys().chain(stored.keys());
    match keys.into_iter().find(|key| stored.get(*key) != wanted.get(*key)) {
        None => Ok(()),
        Some(key) => Err(Failure::usage(format!(
            "--{key}: {IDENTITY_FILE} in '{path}' has {}, not {}: continue with the flags that it was begun with, or give another --out",
            show(stored.get(key)),
            show(wanted.get(key)),
        ))),
    }
}
