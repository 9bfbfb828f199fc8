//! Event files for TensorBoard, on request: a run for each replica, so that its curves lie in one plot. The format is
//! TFRecord (length, masked CRC-32C, bytes, masked CRC-32C) around the few fields of TensorFlow's `Event` that scalars need.

mod event;
mod record;

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use lastbit_core::train::Event;

use crate::failure::Failure;

/// The folder in the run's folder.
pub const FOLDER: &str = "tensorboard";

/// The files of a session.
pub struct TensorBoard {
    replicas: Vec<(PathBuf, BufWriter<File>)>,
    /// By replica: its distances said something at the last step.
    has_distance: Vec<bool>,
    /// Seconds since 1970 at the start. Later times come from a monotonic clock, which changes of the system clock do not move.
    start: f64,
    clock: Instant,
}

impl TensorBoard {
    /// Files for a run with these divisors that goes on after `step`: TensorBoard forgets what earlier files have of later
    /// steps, all of them where the run begins anew.
    pub fn begin(run: &Path, ks: &[u32], step: u64) -> Result<Self, Failure> {
        let start = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let mut replicas = Vec::with_capacity(ks.len());
        let mut had_files = false;
        for (replica, k) in ks.iter().enumerate() {
            let folder = run.join(FOLDER).join(format!("r{replica}-k{k}"));
            fs::create_dir_all(&folder).map_err(|error| Failure::file("make the folder", &folder, &error))?;
            // TensorBoard reads the files of a folder in the order of their names.
            let count = fs::read_dir(&folder).map_or(0, Iterator::count);
            had_files |= count > 0;
            let path = folder.join(format!("events.out.tfevents.{count:010}.lastbit"));
            let file = File::create(&path).map_err(|error| Failure::file("write", &path, &error))?;
            replicas.push((path, BufWriter::new(file)));
        }
        let mut tensorboard = Self { has_distance: vec![true; ks.len()], replicas, start, clock: Instant::now() };
        for replica in 0..ks.len() {
            tensorboard.write(replica, &event::version(start))?;
            if step > 0 || had_files {
                tensorboard.write(replica, &event::session_start(start, step + 1))?;
            }
        }
        tensorboard.flush()?;
        Ok(tensorboard)
    }

    /// Adds what an event says of each replica.
    pub fn add(&mut self, event: &Event) -> Result<(), Failure> {
        let now = self.start + self.clock.elapsed().as_secs_f64();
        match event {
            Event::Step(e) => {
                for replica in 0..self.replicas.len() {
                    self.has_distance[replica] = e.has_distance(replica);
                    let rel_l1 = self.distance(replica, e.rel_l1[replica] as f32);
                    let values = [
                        ("step/loss", e.loss[replica]),
                        ("step/rel_l1", rel_l1),
                        ("step/max_ulp", e.max_ulp[replica] as f32),
                        ("step/differing", e.differing[replica] as f32),
                        ("step/lr", e.lr as f32),
                    ];
                    self.write(replica, &event::scalars(now, e.step, values))?;
                }
                Ok(())
            }
            Event::Layers(e) => {
                let values = e
                    .rel_l1
                    .iter()
                    .map(|(name, value)| {
                        let value = self.distance(e.replica, *value);
                        (format!("rel_l1/{name}"), value)
                    })
                    .collect::<Vec<_>>();
                self.write(e.replica, &event::scalars(now, e.step, values))
            }
            Event::Epoch(e) => {
                for replica in 0..self.replicas.len() {
                    let values = [
                        ("epoch/train_loss", e.train_loss[replica] as f32),
                        ("epoch/train_accuracy", e.train_accuracy[replica] as f32),
                        ("epoch/test_loss", e.test_loss[replica] as f32),
                        ("epoch/test_accuracy", e.test_accuracy[replica] as f32),
                    ];
                    self.write(replica, &event::scalars(now, e.step, values))?;
                }
                self.flush()
            }
        }
    }

    /// Two replicas that are lost in the same way have a distance of 0, which is none.
    fn distance(&self, replica: usize, rel_l1: f32) -> f32 {
        if self.has_distance[replica] { rel_l1 } else { f32::NAN }
    }

    fn write(&mut self, replica: usize, event: &[u8]) -> Result<(), Failure> {
        let (path, file) = &mut self.replicas[replica];
        record::write(file, event).map_err(|error| Failure::file("write", path, &error))
    }

    /// Gives the system what is in memory, for a reader beside the run.
    fn flush(&mut self) -> Result<(), Failure> {
        for (path, file) in &mut self.replicas {
            file.flush().map_err(|error| Failure::file("write", path, &error))?;
        }
        Ok(())
    }
}
