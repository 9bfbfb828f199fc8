//! Published fingerprints: short runs on made-up images, each with the fingerprints that every device of a class must find. The
//! table is `runs.json`; `page_runs.json` has the runs that the page makes by itself. docs/FINGERPRINTS.md shows both. The plain
//! reading of docs/ORDER.md and the processor's twins agree on both (`core/tests/processor/fingerprints.rs`, `plain_runs.rs`), so
//! they say what a device has to compute, not what one device computed.

mod command_line;
mod run;

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

pub use command_line::command_line;
pub use run::{dataset, fingerprints, run};

use crate::processor::Class;
use crate::train::TrainConfig;

/// A short run with its fingerprints in both classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Short name, unique in the table.
    pub name: String,
    /// What is trained. Keys that are missing from the table have their defaults.
    pub config: TrainConfig,
    /// Number of steps in the quick form of the check, which a software GPU in a browser finishes; `None` if the run is not part of
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quick: Option<u64>,
    /// Steps with published fingerprints, counted from 1, in ascending order.
    pub steps: Vec<u64>,
    /// What a device of the class *fused* finds, one entry for each of `steps`.
    #[serde(default)]
    pub fused: Vec<Fingerprints>,
    /// What a device of the class *separate* finds, one entry for each of `steps`.
    #[serde(default)]
    pub separate: Vec<Fingerprints>,
}

/// Loss and fingerprints after one step. Vectors have one entry for each replica, in the order of the config's divisors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprints {
    /// Number of the step, from 1.
    pub step: u64,
    /// Mean loss of the step's batch before the update: the bits of the float32, 8 hex digits.
    pub loss: Vec<String>,
    /// Fingerprints of parameters and momentum after the update, 16 hex digits.
    pub fingerprints: Vec<String>,
}

impl Published {
    /// What a device of this class finds.
    #[must_use]
    pub fn of(&self, class: Class) -> &[Fingerprints] {
        match class {
            Class::Fused => &self.fused,
            Class::Separate => &self.separate,
        }
    }

    /// The same run up to `step`, with the fingerprints up to there.
    #[must_use]
    pub fn until(&self, step: u64) -> Self {
        let mut run = self.clone();
        run.config.steps = Some(step);
        run.steps.retain(|known| *known <= step);
        run.fused.retain(|known| known.step <= step);
        run.separate.retain(|known| known.step <= step);
        run
    }

    /// Whether `config` makes this run. The two may differ in what changes no bit of a step: the number of steps, how often the run
    /// is tested and logged, and the test images.
    #[must_use]
    pub fn is_made_by(&self, config: &TrainConfig) -> bool {
        let TrainConfig { epochs, steps, eval_every, log_every, test_limit, .. } = self.config;
        TrainConfig { epochs, steps, eval_every, log_every, test_limit, ..config.clone() } == self.config
    }

    /// The command that makes this run. It writes a run folder, whose `metrics.jsonl` has the fingerprints.
    #[must_use]
    pub fn command_line(&self) -> String {
        command_line(&self.config)
    }
}

/// All published runs, of version [`ORDER_VERSION`](crate::record::ORDER_VERSION) of docs/ORDER.md.
///
/// # Panics
/// Never: a test reads the table.
#[must_use]
pub fn all() -> &'static [Published] {
    static ALL: LazyLock<Vec<Published>> = LazyLock::new(|| table(include_str!("runs.json")));
    &ALL
}

/// The runs that the page makes by itself: the lab's default run on a GPU and on a software adapter, and those of the lesson.
///
/// # Panics
/// Never: a test reads the table.
#[must_use]
pub fn of_page() -> &'static [Published] {
    static OF_PAGE: LazyLock<Vec<Published>> = LazyLock::new(|| table(include_str!("page_runs.json")));
    &OF_PAGE
}

fn table(json: &str) -> Vec<Published> {
    let mut runs: Vec<Published> =
        serde_json::from_str(json).unwrap_or_else(|error| unreachable!("the table of published runs: {error}"));
    for run in &mut runs {
        run.config.steps = run.steps.last().copied();
    }
    runs
}

/// The quick form of the check: some of the runs, with fewer steps.
#[must_use]
pub fn quick() -> Vec<Published> {
    all().iter().filter_map(|run| Some(run.until(run.quick?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::LrChange;

    #[test]
    fn rows_can_be_sent_elsewhere() {
        let text = serde_json::to_string(all()).unwrap();
        let read: Vec<Published> = serde_json::from_str(&text).unwrap();
        assert_eq!(read, all());
        assert!(text.starts_with(r#"[{"name":"resnet8","config":{"net":"resnet8""#), "{}", &text[..200]);
    }

    #[test]
    fn a_shorter_run_has_the_fingerprints_up_to_its_end() {
        let run = all()[0].until(10);
        assert_eq!((run.config.steps, run.steps.as_slice()), (Some(10), &[1, 10][..]));
        assert_eq!(run.of(Class::Fused), &all()[0].fused[..2]);
        assert!(run.command_line().contains(" --steps 10 "));
        let quick = quick();
        assert!(!quick.is_empty() && quick.len() < all().len());
    }

    #[test]
    fn a_run_is_known_by_what_changes_its_bits() {
        let known = |change: fn(&mut TrainConfig)| {
            let mut config = of_page()[0].config.clone();
            change(&mut config);
            of_page().iter().filter(|run| run.is_made_by(&config)).count()
        };
        assert_eq!(known(|config| (config.steps, config.log_every, config.test_limit) = (None, Some(7), None)), 1);
        assert_eq!(known(|config| (config.epochs, config.eval_every) = (3, 0)), 1);
        assert_eq!(known(|config| config.seed = 2), 0);
        assert_eq!(known(|config| config.lr_changes = vec![LrChange { step: 60, lr: 0.2 }]), 0);
        assert_eq!(known(|config| config.ks = vec![1, 3]), 0);
    }

    #[test]
    fn the_command_line_has_what_differs_from_the_defaults() {
        let flags = "--net resnet8 --width 0.25 --dataset synthetic --test-limit 8 --train-limit 17 --batch-size 4 --ks 1,3 --lr 0.05 \
                     --momentum 0.0 --no-augment --no-shuffle --weight-decay 0.0 --steps 50";
        let run = all().iter().find(|run| run.name == "resnet8-plain-sgd").unwrap();
        let mut found: Vec<String> = run.command_line().split(" --").map(str::to_owned).collect();
        assert_eq!(found.remove(0), "lastbit train");
        assert_eq!(found.pop().as_deref(), Some("out RUN_FOLDER"));
        let mut expected: Vec<&str> = flags.trim_start_matches("--").split(" --").collect();
        assert_eq!(found.last().map(String::as_str), expected.last().copied(), "steps come last");
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }
}
