//! The lines of a recorded `metrics.jsonl`, one by one, and what differs between two of them.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::Failure;
use crate::run::{METRICS_FILE, MOST_LINE_BYTES};

/// A recorded line.
pub struct RecordedLine {
    /// The text, without the newline.
    pub text: String,
    /// The JSON value; null if the text is not JSON.
    pub value: Value,
}

impl RecordedLine {
    /// The step that it belongs to; the last possible one if it is damaged.
    pub fn step(&self) -> u64 {
        self.value["step"].as_u64().unwrap_or(u64::MAX)
    }
}

/// The metrics of a run, read line by line.
pub struct MetricsReader {
    path: PathBuf,
    reader: BufReader<File>,
    next: Option<RecordedLine>,
}

impl MetricsReader {
    /// The metrics of the run in `folder`.
    pub fn open(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(METRICS_FILE);
        let file = File::open(&path).map_err(|error| Failure::file("read", &path, &error))?;
        let mut recorded = Self { path, reader: BufReader::new(file), next: None };
        recorded.next = recorded.read()?;
        Ok(recorded)
    }

    fn read(&mut self) -> Result<Option<RecordedLine>, Failure> {
        let mut bytes = Vec::new();
        let read = self.reader.by_ref().take(MOST_LINE_BYTES).read_until(b'\n', &mut bytes);
        read.map_err(|error: io::Error| Failure::file("read", &self.path, &error))?;
        // The unfinished last line of a killed run does not count.
        if bytes.pop() != Some(b'\n') {
            return Ok(None);
        }
        let value = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Some(RecordedLine { text: String::from_utf8_lossy(&bytes).into_owned(), value }))
    }

    /// The next line, without taking it.
    pub fn peek(&self) -> Option<&RecordedLine> {
        self.next.as_ref()
    }

    /// Takes the next line.
    pub fn take(&mut self) -> Result<Option<RecordedLine>, Failure> {
        let following = if self.next.is_some() { self.read()? } else { None };
        Ok(std::mem::replace(&mut self.next, following))
    }
}

/// The last step that the run in `folder` recorded; 0 if there is none.
pub fn last_recorded_step(folder: &Path) -> Result<u64, Failure> {
    let mut recorded = MetricsReader::open(folder)?;
    let mut last = 0;
    while let Some(line) = recorded.take()? {
        // A damaged line has no step.
        last = line.value["step"].as_u64().map_or(last, |step| step.max(last));
    }
    Ok(last)
}

/// A line that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineDifference {
    /// Step of the line.
    pub step: u64,
    /// What differs in it, with both values.
    pub what: String,
}

impl LineDifference {
    /// The difference between two lines; `None` if they are the same.
    pub fn between(recorded: &RecordedLine, now: &str) -> Option<Self> {
        if recorded.text == now {
            return None;
        }
        let now: Value = serde_json::from_str(now).unwrap_or_default();
        let step = now["step"].as_u64().unwrap_or(0);
        let what = if recorded.value.is_null() {
            "the recorded line is damaged".to_owned()
        } else {
            first_difference(&recorded.value, &now).unwrap_or_else(|| "the line is written in another way".to_owned())
        };
        Some(Self { step, what })
    }
}

/// The first field that differs: `loss of replica 1 is 2.3 and 2.4`.
pub fn first_difference(a: &Value, b: &Value) -> Option<String> {
    let (kind, other) = (a["kind"].as_str().unwrap_or("?"), b["kind"].as_str().unwrap_or("?"));
    if kind != other || a["step"] != b["step"] {
        return Some(format!("there is a line '{kind}' of step {} and one '{other}' of step {}", a["step"], b["step"]));
    }
    let replica = a["replica"].as_u64().map(|replica| format!(" of replica {replica}")).unwrap_or_default();
    let (fields, others) = (a.as_object()?, b.as_object()?);
    // The fingerprint comes first, because it covers the whole state.
    let mut names: Vec<&String> =
        fields.keys().chain(others.keys().filter(|name| !fields.contains_key(*name))).collect();
    names.sort_by_key(|name| name.as_str() != "fingerprint");
    let name = names.into_iter().find(|name| fields.get(*name) != others.get(*name))?;
    let (x, y) = (&a[name], &b[name]);
    let places = match (x, y) {
        (Value::Array(x), Value::Array(y)) => {
            let at = x.iter().zip(y).position(|(x, y)| x != y).unwrap_or(x.len().min(y.len()));
            Some((format!(" of replica {at}"), x.get(at), y.get(at)))
        }
        (Value::Object(x), Value::Object(y)) => {
            let layer = x.keys().find(|layer| x.get(*layer) != y.get(*layer))?;
            Some((format!(" of '{layer}'{replica}"), x.get(layer), y.get(layer)))
        }
        _ => None,
    };
    let show = |value: Option<&Value>| value.map_or("missing".to_owned(), Value::to_string);
    let (place, x, y) = places.unwrap_or((replica, Some(x), Some(y)));
    Some(format!("{name}{place} is {} and {}", show(x), show(y)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_placed() {
        let line =
            |text: &str| RecordedLine { text: text.to_owned(), value: serde_json::from_str(text).unwrap_or_default() };
        let what = |a: &str, b: &str| LineDifference::between(&line(a), b).map(|found| found.what);
        let step = r#"{"kind":"step","step":3,"loss":[2.5,2.5],"rel_l1":[0.0,1e-9]}"#;
        assert_eq!(what(step, step), None);
        let cases = [
            (step.replace("1e-9", "2e-9"), "rel_l1 of replica 1 is 1e-9 and 2e-9"),
            (step.replace("[2.5,2.5]", "[2.5]"), "loss of replica 1 is 2.5 and missing"),
            (step.replace("\"step\":3", "\"step\":4"), "there is a line 'step' of step 3 and one 'step' of step 4"),
            (step.replace("2.5,", "2.50,"), "the line is written in another way"),
        ];
        for (other, expected) in cases {
            assert_eq!(what(step, &other).as_deref(), Some(expected));
        }
        let layers = r#"{"kind":"layers","step":3,"replica":1,"fingerprint":"00","rel_l1":{"a":1.0,"b":2.0}}"#;
        assert_eq!(
            what(layers, &layers.replace("2.0", "3.0")).as_deref(),
            Some("rel_l1 of 'b' of replica 1 is 2.0 and 3.0")
        );
        let both = layers.replace("2.0", "3.0").replace("00", "01");
        assert_eq!(what(layers, &both).as_deref(), Some("fingerprint of replica 1 is \"00\" and \"01\""));
        assert_eq!(what("{\"kind", step).as_deref(), Some("the recorded line is damaged"));
    }
}
