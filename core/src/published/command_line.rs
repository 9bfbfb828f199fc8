//! A config as a command line.

use serde_json::Value;

use crate::train::TrainConfig;

/// The `lastbit train` command with the flags of `config` that differ from their defaults, and a folder for the run.
#[must_use]
pub fn command_line(config: &TrainConfig) -> String {
    let table = |config| serde_json::to_value(config).unwrap_or_else(|error| unreachable!("plain data: {error}"));
    let (given, defaults) = (table(config), table(&TrainConfig::default()));
    let keys = given.as_object().into_iter().flatten().filter(|(key, value)| defaults.get(key) != Some(value));
    let mut keys: Vec<(&String, &Value)> = keys.collect();
    // What is trained, then how, then for how long.
    let place = |key: &str| match key {
        "net" => 0,
        "width" => 1,
        "activation" => 2,
        "dataset" => 3,
        "train-limit" | "test-limit" => 4,
        "steps" => 6,
        _ => 5,
    };
    keys.sort_by_key(|(key, _)| place(key));
    let flags: String = keys.into_iter().map(|(key, value)| format!(" {}", flag(key, value))).collect();
    format!("lastbit train{flags} --out RUN_FOLDER")
}

fn flag(key: &str, value: &Value) -> String {
    match (key, value) {
        // On by default, so that the flags turn them off.
        ("augment" | "shuffle", _) => format!("--no-{key}"),
        (_, Value::Bool(value)) => format!("--{key}={value}"),
        (_, Value::Array(values)) => format!("--{key} {}", values.iter().map(plain).collect::<Vec<_>>().join(",")),
        _ => format!("--{key} {}", plain(value)),
    }
}

/// A value without the quotation marks of a text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
