//! Whole runs by the plain reading of docs/ORDER.md: no device, no twin, the recordings of a run one dispatch after the other. They
//! find the published fingerprints.

use std::sync::Arc;
use std::time::Instant;

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

fn steps_of(run: &Published) -> Steps {
    let limits = MemoryLimits { binding: u64::MAX, total: None };
    let images = Arc::new(published::dataset(&run.config));
    Steps::new(run.config.clone(), images, &Tuning::default(), limits, Start::Fresh).unwrap()
}

/// Makes the run and returns what it finds after its published steps.
fn found(run: &Published, class: Class) -> Vec<Fingerprints> {
    let mut steps = steps_of(run);
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

/// Floating-point operations of one run that the plain loops compute in less than a second.
const MOST_FLOPS: u64 = 200_000_000;

/// Floating-point operations of a step.
fn flops(run: &Published) -> u64 {
    steps_of(run).plan().flops(|chunk| RecordingKind::Train(chunk, run.config.batch_size))
}

/// Runs of the page beside the table's, the smallest: the others differ in the learning rate alone, or take the loops most of a minute.
const OF_PAGE: usize = 3;

/// The runs, each up to its last published step for which there is time, at least up to the first one. The smallest is whole.
fn affordable() -> Vec<Published> {
    let smallest = published::all().iter().map(flops).min();
    let cut = |run: &Published| {
        let flops = flops(run);
        let is_affordable = |step: &&u64| **step * flops <= MOST_FLOPS || Some(flops) == smallest;
        run.until(*run.steps.iter().rev().find(is_affordable).unwrap_or(&run.steps[0]))
    };
    let mut of_page: Vec<&Published> = published::of_page().iter().collect();
    of_page.sort_by_key(|run| flops(run));
    published::all().iter().chain(of_page.into_iter().take(OF_PAGE)).map(cut).collect()
}

fn all_runs(class: Class) {
    for run in affordable() {
        let started = Instant::now();
        let found = found(&run, class);
        println!("{}, {} steps: {:.1} s", run.name, run.config.steps.unwrap(), started.elapsed().as_secs_f64());
        assert_eq!(difference(&found, run.of(class)), None, "{}", run.name);
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
