//! The paper's network fits into memory at the paper's batch size: one step of ResNet-56 with Swish, batch 128, two replicas.
//! The test has its own process, so that its memory can be measured.

mod runs;
#[path = "common/skip.rs"]
mod skip;

use std::sync::Arc;

use lastbit_core::data::synthetic;
use lastbit_core::device::DeviceError;
use lastbit_core::nets::NetKind;
use lastbit_core::ops::Activation;
use lastbit_core::train::{
    Event, MemoryLimits, Start, TrainConfig, TrainError, Trainer, Tuning, memory_estimate, plan,
};

const MIB: u64 = 1 << 20;

/// A field of `/proc/self/status` in bytes, if the system has that file: `VmRSS` is the resident memory, `VmHWM` its peak.
fn status_bytes(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

fn resnet56(ks: Vec<u32>) -> TrainConfig {
    TrainConfig {
        net: NetKind::ResNet { depth: 56 },
        activation: Some(Activation::Swish { beta: 5.0 }),
        ks,
        steps: Some(1),
        batch_size: 128,
        ..TrainConfig::default()
    }
}

#[test]
fn resnet56_at_batch_128_takes_at_most_650_mib_a_replica() {
    let dataset = Arc::new(synthetic::dataset(1, 128, 256));
    let context = runs::context();
    let is_here = context.adapter().uses_host_memory();
    let before = status_bytes("VmRSS:");
    let config = resnet56(vec![1, 3]);
    let limits = MemoryLimits { binding: context.adapter().binding_bytes(), total: None };
    let forecast = plan(&config, &dataset, &Tuning::default(), limits).unwrap_or_else(|e| panic!("{e}"));
    let estimate = memory_estimate(&context, &config, &forecast, &dataset).total();
    let (events, planned) = pollster::block_on(async {
        let new = Trainer::new(context, config, dataset, Tuning::default(), Start::Fresh);
        let mut trainer = new.await.unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(trainer.network().parameter_count(), 855_770);
        let planned = trainer.plan().table().total_bytes();
        (runs::finish(&mut trainer).await, planned)
    });
    assert!(planned <= 2 * 650 * MIB, "the plan takes {} MiB", planned / MIB);
    let step = events.iter().find_map(|e| if let Event::Step(step) = e { Some(step.clone()) } else { None }).unwrap();
    assert!(step.loss.iter().all(|loss| (1.0..5.0).contains(loss)), "{step:?}");
    assert!(step.rel_l1[1] > 0.0 && step.rel_l1[1] < 1e-6, "{step:?}");
    // A software adapter uses the host's memory, so the process grows by the memory of the run, compiled kernels and host
    // buffers included. The forecast may be off by a tenth.
    if !is_here {
        return;
    }
    let (Some(before), Some(peak)) = (before, status_bytes("VmHWM:")) else {
        return skip::skip("the memory forecast (this system does not report the memory of a process)");
    };
    let grown = peak.saturating_sub(before);
    assert!(grown <= 2 * 700 * MIB, "the process grew by {} MiB", grown / MIB);
    let off = estimate.abs_diff(grown) * 100 / grown.max(1);
    assert!(off <= 10, "the forecast is {} MiB, the process grew by {} MiB", estimate / MIB, grown / MIB);
}

#[test]
fn replicas_take_turns_when_memory_is_short() {
    let dataset = synthetic::dataset(1, 128, 256);
    let planned = |replicas: usize, total: Option<u64>, binding: u64| {
        let ks = vec![1; replicas];
        plan(&resnet56(ks), &dataset, &Tuning::default(), MemoryLimits { binding, total })
    };
    let whole = planned(6, None, u64::MAX).unwrap();
    assert_eq!(whole.chunks.len(), 1);
    let half = planned(6, Some(whole.table().total_bytes() * 2 / 3), u64::MAX).unwrap();
    assert_eq!(half.chunks.len(), 2);
    assert!(half.table().total_bytes() <= whole.table().total_bytes() * 2 / 3);
    // WebGPU's default limit: no binding above 128 MiB.
    let bound = planned(32, None, 128 * MIB).unwrap();
    assert!(bound.chunks.len() > 1);
    assert!(bound.table().specs().iter().all(|spec| spec.bytes <= 128 * MIB));
    let replicas: Vec<usize> = bound.chunks.iter().flat_map(|chunk| chunk.replicas.clone()).collect();
    assert_eq!(replicas, (0..32).collect::<Vec<_>>());

    let message = |result: Result<_, TrainError>| match result {
        Ok(_) => panic!("the plan fits"),
        Err(TrainError::Gpu(error)) => (matches!(error, DeviceError::OutOfMemory { .. }), error.to_string()),
        Err(other) => panic!("{other}"),
    };
    let (out_of_memory, text) = message(planned(2, Some(100 * MIB), u64::MAX));
    assert!(out_of_memory && text.contains("100"), "{text}");
    let (out_of_memory, text) = message(planned(2, None, MIB));
    assert!(!out_of_memory && text.contains("binds at most"), "{text}");
}
