//! The published fingerprints: the processor and software GPUs find them, and so does the plain reading of docs/ORDER.md
//! (`plain_runs.rs`). A change that touches shaders and twins in the same way passes all comparisons between them, but not these.

use std::rc::Rc;

use lastbit_core::arithmetic;
use lastbit_core::device::{AdapterChoice, Context, Family, Options, adapters};
use lastbit_core::processor::{Class, Isa};
use lastbit_core::published::{self, Fingerprints, Published, quick};
use lastbit_core::record::ORDER_VERSION;
use lastbit_core::threads::Threads;

#[path = "../../examples/fingerprints/page.rs"]
mod page;

/// Makes `runs` on `options`, which must be of this class, and compares what they find with the fingerprints. One text for each run
/// that differs.
fn differences(options: &Options, class: Class, runs: &[Published]) -> Vec<String> {
    let adapter = pollster::block_on(Context::open(options.clone())).unwrap();
    let arithmetic = pollster::block_on(arithmetic::probe(&adapter)).unwrap();
    assert_eq!(arithmetic.class.known(), Some(class), "{}", adapter.adapter().name);
    let what = format!("{} {}", adapter.adapter().name, adapter.adapter().detail.as_deref().unwrap_or_default());
    let context = Rc::new(adapter);
    let difference = |run: &Published| {
        let found = pollster::block_on(published::run(Rc::clone(&context), run)).unwrap();
        difference(&found, run.of(class)).map(|text| format!("{what}: {}: {text}", run.name))
    };
    runs.iter().filter_map(difference).collect()
}

/// Describes the first step in which `found` differs from the published fingerprints.
pub fn difference(found: &[Fingerprints], expected: &[Fingerprints]) -> Option<String> {
    assert_eq!(found.len(), expected.len(), "one entry for each published step");
    let (found, expected) = found.iter().zip(expected).find(|(found, expected)| found != expected)?;
    Some(format!("found {found:?}, published are {expected:?}"))
}

/// The runs of both tables, those of the page up to their tenth step.
fn every_run() -> Vec<Published> {
    let of_page = published::of_page().iter().map(|run| run.until(10));
    published::all().iter().cloned().chain(of_page).collect()
}

fn finish(failures: &[String]) {
    assert!(failures.is_empty(), "{} runs differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_instruction_set_finds_them_with_any_number_of_threads() {
    let mut failures = Vec::new();
    for class in Class::ALL {
        for instructions in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            // Without vectors, whole runs take too long. Those of the page are larger, and go through the best instructions.
            let runs = match instructions {
                Isa::Plain => quick(),
                best if best == Isa::best() => every_run(),
                _ => published::all().to_vec(),
            };
            // One thread computes in sample loops, three in pieces (`sample_loops.rs` compares them).
            for (threads, runs) in [(3, runs), (1, quick())] {
                let adapter = AdapterChoice::Named(class.adapter().to_owned());
                let threads = Threads::new(threads).unwrap();
                let options = Options { adapter, threads, instructions: Some(instructions), ..Options::default() };
                failures.extend(differences(&options, class, &runs));
            }
        }
    }
    finish(&failures);
}

/// llvmpipe makes all runs. Other software GPUs, such as SwiftShader, make those of the quick form: they take minutes for all.
#[test]
fn software_gpus_find_them() {
    let (mut failures, expected) = (Vec::new(), std::env::var("LASTBIT_EXPECTED_DRIVER").ok());
    let all = pollster::block_on(adapters(Options::default()));
    let is_meant = |driver: &str| expected.as_ref().is_none_or(|expected| driver.starts_with(expected));
    let software = all.iter().filter(|adapter| adapter.family == Family::SoftwareGpu && is_meant(&adapter.driver));
    let mut names = Vec::new();
    for adapter in software {
        let runs = if adapter.driver.starts_with("llvmpipe") { published::all().to_vec() } else { quick() };
        let choice = AdapterChoice::Named(adapter.name.clone());
        failures.extend(differences(&Options { adapter: choice, ..Options::default() }, Class::Separate, &runs));
        names.push(&adapter.name);
    }
    if let Some(expected) = expected {
        assert!(!names.is_empty(), "no adapter of {expected}");
    }
    finish(&failures);
}

#[test]
fn the_page_shows_the_table() {
    let page = include_str!("../../../docs/FINGERPRINTS.md");
    let expected = page::replace(page, published::all(), published::of_page());
    assert_eq!(Some(page), expected.as_deref(), "run `cargo xtask fingerprints`");
}

#[test]
fn the_version_of_the_sums_is_that_of_the_document() {
    let head = format!("**Version {ORDER_VERSION}**, ");
    assert!(include_str!("../../../docs/ORDER.md").contains(&head), "docs/ORDER.md has no '{head}'");
}

#[test]
fn the_table_has_every_kind_of_run() {
    let all = published::all();
    let has = |what: &str, is: &dyn Fn(&Published) -> bool| assert!(all.iter().any(is), "no run with {what}");
    for net in ["resnet8", "resnet20", "resnet56", "preresnet8", "vgg11", "one-layer"] {
        has(net, &|run| run.config.net.to_string() == net);
    }
    let activation = |run: &Published| run.config.activation().to_string();
    has("ReLU", &|run| activation(run) == "relu");
    has("Swish", &|run| activation(run).starts_with("swish"));
    has("Nesterov momentum", &|run| run.config.momentum > 0.0 && run.config.nesterov);
    has("plain momentum", &|run| run.config.momentum > 0.0 && !run.config.nesterov);
    has("no momentum", &|run| run.config.momentum == 0.0);
    has("weight decay", &|run| run.config.weight_decay > 0.0);
    has("no weight decay", &|run| run.config.weight_decay == 0.0);
    has("augmentation", &|run| run.config.augment);
    has("no augmentation", &|run| !run.config.augment);
    has("the reciprocal", &|run| run.config.perturbation.name() == "reciprocal");
    has("a decay of the rate", &|run| run.config.decay_every < 10);
    has("50 steps", &|run| run.config.steps == Some(50));
    // The last batch of an epoch is smaller, and inside the run.
    has("a short batch", &|run| {
        let (images, batch) = (run.config.train_limit.unwrap_or(1), run.config.batch_size as usize);
        images % batch != 0 && run.config.steps.unwrap_or(0) as usize > images / batch
    });
    let names: std::collections::BTreeSet<&str> = all.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(names.len(), all.len(), "two runs of one name");
    for run in all {
        run.config.validate().unwrap();
        assert!(run.steps.is_sorted_by(|a, b| a < b), "{}", run.name);
        assert!(run.quick.is_none_or(|quick| run.steps.contains(&quick)), "{}", run.name);
        for class in Class::ALL {
            let steps: Vec<u64> = run.of(class).iter().map(|found| found.step).collect();
            assert_eq!(steps, run.steps, "{} {}", run.name, class.name());
            for found in run.of(class) {
                let lengths = |texts: &[String]| texts.iter().map(String::len).collect::<Vec<_>>();
                assert_eq!((lengths(&found.loss), lengths(&found.fingerprints)), (vec![8; 2], vec![16; 2]));
            }
        }
        assert!(run.fused != run.separate, "{}: the two classes have different bits", run.name);
    }
}
