//! A small run has the recorded fingerprints, on the processor and on every software GPU of this machine. A change that touches
//! shaders and twins in the same way passes all comparisons between them, but not this one.

use std::rc::Rc;

use lastbit_core::device::{AdapterChoice, AdapterSummary, Context, Family, Options, adapters};
use lastbit_core::train::{Start, TrainConfig, Trainer, Tuning, checkpoint};

use crate::runs;

/// Fingerprints of k = 1 and k = 3 after the run, by class of arithmetic (docs/RULES.md, rule 12). A new version of docs/ORDER.md
/// may change them.
const FUSED: [&str; 2] = ["a61c11ec534b3be5", "0f6d2d943978e72e"];
const SEPARATE: [&str; 2] = ["48445b10ac013fd5", "92f2e4c8df06fd2b"];

/// The recorded fingerprints by the beginning of the driver's name. The processor's driver is its class. On Vulkan, kernels carry
/// `NoContraction`, so every version of the software drivers is of the separate class.
const RECORDED: [(&str, [&str; 2]); 4] =
    [("fused", FUSED), ("separate", SEPARATE), ("llvmpipe", SEPARATE), ("SwiftShader", SEPARATE)];

/// Fingerprints of k = 1, 3 and 2 after six steps of a quarter-width ResNet-8, the fifth one with a smaller batch.
fn fingerprints(adapter: &AdapterSummary) -> [String; 3] {
    let config = TrainConfig { ks: vec![1, 3, 2], steps: Some(6), ..runs::small() };
    let state = pollster::block_on(async {
        let options = Options { adapter: AdapterChoice::Named(adapter.name.clone()), ..Options::default() };
        let context = Rc::new(Context::open(options).await.unwrap());
        let new = Trainer::new(context, config, runs::dataset(), Tuning::default(), Start::Fresh).await;
        let mut trainer = new.unwrap();
        runs::finish(&mut trainer).await;
        trainer.state().await.unwrap()
    });
    let found: Vec<_> = state.replicas.iter().map(checkpoint::fingerprint_of).collect();
    found.try_into().unwrap()
}

#[test]
fn fingerprints_are_the_recorded_ones() {
    let mut failures = Vec::new();
    // Hardware GPUs have too many drivers to record them.
    let adapters = pollster::block_on(adapters(Options::default()));
    if let Ok(expected) = std::env::var("LASTBIT_EXPECTED_DRIVER") {
        assert!(adapters.iter().any(|adapter| adapter.driver.starts_with(&expected)), "no adapter of {expected}");
    }
    for adapter in adapters.iter().filter(|adapter| adapter.family != Family::Gpu) {
        let AdapterSummary { name, driver, .. } = adapter;
        let found = fingerprints(adapter);
        println!("{name} ({driver}): {found:?}");
        assert_eq!(found[0], found[2], "{name}: k = 2 must have the bits of k = 1");
        match RECORDED.iter().find(|(recorded, _)| driver.starts_with(recorded)) {
            Some((_, recorded)) if found[..2] == *recorded => {}
            Some((_, recorded)) => failures.push(format!("{name} ({driver}): {found:?}, recorded are {recorded:?}")),
            None => assert_eq!(found, fingerprints(adapter), "{name}: two equal runs"),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
