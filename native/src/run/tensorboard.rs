//! Event files for TensorBoard, with `--tensorboard`. Each replica is a run of TensorBoard, so that their curves lie in one plot. The
//! format is TFRecord (length, masked CRC-32C, bytes, masked CRC-32C) around the few fields of TensorFlow's `Event` that scalars need.

mod event;
mod record;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::layout::{METRICS_FILE, TENSORBOARD_FOLDER, TIMING_FILE};
use crate::failure::Failure;
use crate::files::create_folder;

/// The parts of a file's name before and after its number. TensorBoard reads the files of a folder in the order of their names.
const NAME: (&str, &str) = ("events.out.tfevents.", ".lastbit");

/// The event files that a session writes.
pub struct TensorBoard {
    replicas: Vec<(PathBuf, BufWriter<File>)>,
    /// By replica: true if its distance had a meaning at the last step, because its loss and the first replica's were finite.
    has_distance: Vec<bool>,
    /// Seconds since 1970 at the start. Later times come from a monotonic clock, which changes of the system clock do not move.
    start: f64,
    clock: Instant,
}

impl TensorBoard {
    /// Creates new files for the run in the folder `run` with these divisors, and fills them from the metrics so far. They replace the
    /// files of earlier sessions, which may be shorter or longer than the metrics if the run was killed or resumed elsewhere.
    pub fn begin(run: &Path, ks: &[u32]) -> Result<Self, Failure> {
        let start = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let mut replicas = Vec::with_capacity(ks.len());
        let mut earlier = Vec::new();
        for (replica, k) in ks.iter().enumerate() {
            let folder = run.join(TENSORBOARD_FOLDER).join(format!("r{replica}-k{k}"));
            create_folder(&folder)?;
            let files = own_files(&folder);
            let number = files.iter().map(|(number, _)| number + 1).max().unwrap_or(0);
            earlier.extend(files.into_iter().map(|(_, path)| path));
            let path = folder.join(format!("{}{number:010}{}", NAME.0, NAME.1));
            let file = File::create_new(&path).map_err(|error| Failure::file("write", &path, &error))?;
            replicas.push((path, BufWriter::new(file)));
        }
        let mut tensorboard = Self { has_distance: vec![true; ks.len()], replicas, start, clock: Instant::now() };
        for replica in 0..ks.len() {
            tensorboard.write(replica, &event::version(start))?;
            // A TensorBoard that is open discards what it read from earlier files.
            if !earlier.is_empty() {
                tensorboard.write(replica, &event::session_start(start, 1))?;
            }
        }
        tensorboard.add_recorded(run)?;
        tensorboard.flush()?;
        // A file that cannot be removed does no harm, because its steps are discarded.
        for path in earlier {
            let _ = fs::remove_file(path);
        }
        Ok(tensorboard)
    }

    /// Adds the lines of `metrics.jsonl`. Their times are those of a run that trained without a pause until now.
    fn add_recorded(&mut self, run: &Path) -> Result<(), Failure> {
        let seconds: HashMap<u64, f64> = lines(&run.join(TIMING_FILE))?
            .filter_map(|line| Some((line["step"].as_u64()?, line["seconds"].as_f64()?)))
            .collect();
        let (mut time, mut last) = (self.start - seconds.values().sum::<f64>(), 0);
        for line in lines(&run.join(METRICS_FILE))? {
            let step = line["step"].as_u64().unwrap_or(last);
            if step != last {
                time += seconds.get(&step).copied().unwrap_or(0.0);
                last = step;
            }
            self.add_at(time, &line)?;
        }
        Ok(())
    }

    /// Adds the scalars of a line of the metrics.
    pub fn add(&mut self, line: &Value) -> Result<(), Failure> {
        self.add_at(self.start + self.clock.elapsed().as_secs_f64(), line)?;
        // Whoever watches the run waits for evaluations.
        if line["kind"] == "epoch" { self.flush() } else { Ok(()) }
    }

    fn add_at(&mut self, time: f64, line: &Value) -> Result<(), Failure> {
        let step = line["step"].as_u64().unwrap_or(0);
        // JSON has no numbers that are not finite: the metrics hold `null`.
        let number = |value: &Value| value.as_f64().map_or(f32::NAN, |value| value as f32);
        let (prefix, keys) = match line["kind"].as_str() {
            Some("step") => ("step", &["loss", "rel_l1", "max_ulp", "differing"][..]),
            Some("epoch") => ("epoch", &["train_loss", "train_accuracy", "test_loss", "test_accuracy"][..]),
            Some("layers") => {
                let replica = line["replica"].as_u64().map_or(0, |replica| replica as usize);
                let layers = line["rel_l1"].as_object().into_iter().flatten();
                let distance = |value| self.distance(replica, number(value));
                let values: Vec<_> = layers.map(|(name, value)| (format!("rel_l1/{name}"), distance(value))).collect();
                return self.write(replica, &event::scalars(time, step, values));
            }
            Some("curvature") => {
                let replica = line["replica"].as_u64().map_or(0, |replica| replica as usize);
                let values =
                    ["lambda_max", "batch_sharpness"].map(|key| (format!("curvature/{key}"), number(&line[key])));
                return self.write(replica, &event::scalars(time, step, values.to_vec()));
            }
            Some("growth") => {
                // The first replica has no distance from itself.
                for replica in 1..self.replicas.len() {
                    let exponent = number(&line["growth"][replica]) / number(&line["steps"]);
                    self.write(replica, &event::scalars(time, step, vec![("growth/exponent".to_owned(), exponent)]))?;
                }
                return Ok(());
            }
            _ => return Ok(()),
        };
        for replica in 0..self.replicas.len() {
            if prefix == "step" {
                self.has_distance[replica] = [0, replica].iter().all(|of| line["loss"][of].is_number());
            }
            let value = |key: &str| match number(&line[key][replica]) {
                value if key != "loss" && prefix == "step" => self.distance(replica, value),
                value => value,
            };
            let rate = (prefix == "step").then(|| ("step/lr".to_owned(), number(&line["lr"])));
            let values: Vec<_> = keys.iter().map(|key| (format!("{prefix}/{key}"), value(key))).chain(rate).collect();
            self.write(replica, &event::scalars(time, step, values))?;
        }
        Ok(())
    }

    /// The distance of a replica, or NaN if it has no meaning: two replicas that are lost in the same way have a recorded distance of 0.
    fn distance(&self, replica: usize, rel_l1: f32) -> f32 {
        if self.has_distance.get(replica).is_some_and(|has| *has) { rel_l1 } else { f32::NAN }
    }

    fn write(&mut self, replica: usize, event: &[u8]) -> Result<(), Failure> {
        let Some((path, file)) = self.replicas.get_mut(replica) else { return Ok(()) };
        record::write(file, event).map_err(|error| Failure::file("write", path, &error))
    }

    /// Writes the buffered events, for a TensorBoard that watches the run.
    pub fn flush(&mut self) -> Result<(), Failure> {
        for (path, file) in &mut self.replicas {
            file.flush().map_err(|error| Failure::file("write", path, &error))?;
        }
        Ok(())
    }
}

/// Number and path of each event file that lastbit wrote to the folder.
fn own_files(folder: &Path) -> Vec<(u64, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let own = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let number = name.strip_prefix(NAME.0)?.strip_suffix(NAME.1).filter(|number| number.len() == 10)?;
        let number: u64 = number.parse().ok()?;
        Some((number, entry.path()))
    });
    own.collect()
}

/// The lines of a file of the run, which was cut to whole lines when the session began.
fn lines(path: &Path) -> Result<impl Iterator<Item = Value>, Failure> {
    let file = File::open(path).map_err(|error: io::Error| Failure::file("read", path, &error))?;
    let lines = BufReader::new(file).lines().map_while(Result::ok);
    Ok(lines.map_while(|line| serde_json::from_str(&line).ok()))
}
