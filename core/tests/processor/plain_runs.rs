//! Whole runs by the plain reading of docs/ORDER.md: no device, no twin, the recordings of a run one dispatch after the other. They
//! find the published fingerprints.

use std::sync::Arc;

use lastbit_core::device::JUNK_WORD;
use lastbit_core::processor::Class;
use lastbit_core::published::{self, Fingerprints, Published};
use lastbit_core::record::{Command, Recording};
use lastbit_core::train::{MemoryLimits, RecordingKind, Start, Steps, Tuning};

use crate::fingerprints::difference;
use crate::plain;

/// The words of the run's buffers, and how they are computed.
struct Machine {
    words: Vec<Vec<u32>>,
    class: Class,
}

impl Machine {
    fn write(&mut self, buffer: usize, bytes: &[u8]) {
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(bytes);
        self.words[buffer][..words.len()].copy_from_slice(&words);
    }

    fn run(&mut self, recording: &Recording) {
        for command in &recording.commands {
            match command {
                Command::Dispatch(dispatch) => plain::run(dispatch, &mut self.words, self.class),
                Command::Copy { from, to, bytes } => {
                    let [first, to_first, count] = [from.1, to.1, *bytes].map(|bytes| bytes as usize / 4);
                    let copied = self.words[from.0.index()][first..first + count].to_vec();
                    self.words[to.0.index()][to_first..to_first + count].copy_from_slice(&copied);
                }
                Command::Clear(buffer) => self.words[buffer.index()].fill(0),
            }
        }
    }
}

/// Makes the run and returns what it finds after its published steps.
fn found(run: &Published, class: Class) -> Vec<Fingerprints> {
    let limits = MemoryLimits { binding: u64::MAX, total: None };
    let images = Arc::new(published::dataset(&run.config));
    let mut steps = Steps::new(run.config.clone(), images, &Tuning::default(), limits, Start::Fresh).unwrap();
    let junk = |bytes: u64| vec![JUNK_WORD; bytes as usize / 4];
    let words = steps.plan().table().specs().iter().map(|spec| junk(spec.bytes)).collect();
    let mut machine = Machine { words, class };
    machine.run(&steps.plan().clear());
    for (buffer, bytes) in steps.contents() {
        machine.write(buffer.index(), &bytes);
    }
    let mut events = Vec::new();
    for number in 1..=run.config.steps.unwrap() {
        let step = steps.step(number);
        let plan = steps.plan();
        machine.write(plan.upload.index(), &step.upload);
        step.recordings.iter().for_each(|kind| machine.run(plan.recording(*kind)));
        let metrics: &[u8] = bytemuck::cast_slice(&machine.words[plan.metrics.index()]);
        events.extend(steps.events(&step, metrics));
    }
    published::fingerprints(&events, &run.steps)
}

/// Floating-point operations that the plain loops compute of one run. They need about 3 s for it.
const MOST_FLOPS: u64 = 1 << 30;

/// The run up to the last published step for which there is time, at least up to the first one.
fn affordable(run: &Published) -> Published {
    let limits = MemoryLimits { binding: u64::MAX, total: None };
    let images = Arc::new(published::dataset(&run.config));
    let steps = Steps::new(run.config.clone(), images, &Tuning::default(), limits, Start::Fresh).unwrap();
    let flops = steps.plan().flops(|chunk| RecordingKind::Train(chunk, run.config.batch_size));
    let last = run.steps.iter().rev().find(|step| **step * flops <= MOST_FLOPS);
    run.until(*last.unwrap_or(&run.steps[0]))
}

fn all_runs(class: Class) {
    for run in published::all().iter().map(affordable) {
        let started = std::time::Instant::now();
        let found = found(&run, class);
        println!("{} {} steps: {:.1} s", run.name, run.config.steps.unwrap(), started.elapsed().as_secs_f64());
        let difference = difference(&found, run.of(class));
        assert_eq!(difference, None, "{}", run.name);
    }
}

#[test]
fn the_plain_reading_finds_the_fused_ones() {
    all_runs(Class::Fused);
}

#[test]
fn the_plain_reading_finds_the_separate_ones() {
    all_runs(Class::Separate);
}
