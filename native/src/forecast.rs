//! Forecast of a run before it begins: network, steps, memory, time.

use std::rc::Rc;
use std::time::Duration;

use lastbit_core::device::{Context, Family, human_bytes};
use lastbit_core::train::{Estimate, MemoryEstimate, Plan, RecordingKind, RunLength, estimate, memory_estimate};
use pollster::block_on;
use serde_json::{Value, json};

use crate::datasets::Images;
use crate::failure::Failure;
use crate::progress::ks_text;
use crate::run_config::RunConfig;

/// The forecast of a run that has not begun.
pub struct RunForecast<'a> {
    config: &'a RunConfig,
    images: &'a Images,
    context: &'a Rc<Context>,
    plan: &'a Plan,
    memory: MemoryEstimate,
    /// Numbers of steps and evaluations.
    pub length: RunLength,
    /// Numbers of images that are used, of the training and the test set.
    used: [usize; 2],
}

impl<'a> RunForecast<'a> {
    /// The forecast of a run with this plan. Does not time anything.
    pub fn new(config: &'a RunConfig, images: &'a Images, context: &'a Rc<Context>, plan: &'a Plan) -> Self {
        let dataset = &images.dataset;
        let limited = |images: usize, limit: Option<usize>| limit.map_or(images, |limit| limit.min(images));
        let train = limited(dataset.train.len(), config.train.train_limit);
        let test = limited(dataset.test.len(), config.train.test_limit);
        let memory = memory_estimate(context, &config.train, plan, dataset);
        Self { config, images, context, plan, memory, length: config.train.length(train), used: [train, test] }
    }

    /// Times a few steps of the network on the adapter.
    pub fn time(&self) -> Result<Estimate, Failure> {
        self.images.wait();
        Ok(block_on(estimate(self.context, &self.config.train, &self.images.dataset))?)
    }

    /// True if the run is so long that a timed estimate costs little beside it.
    pub fn is_long(&self) -> bool {
        let operations_of_a_step = self.plan.flops(|chunk| RecordingKind::Train(chunk, self.config.train.batch_size));
        // `submit_flops` is the assumed work of 100 ms, which is far less than the adapter does.
        let submits =
            operations_of_a_step.saturating_mul(self.length.steps) / self.context.adapter().submit_flops().max(1);
        submits > 1200
    }

    /// Memory in one line. On the processor and on software GPUs, buffers are memory of this process.
    pub fn memory_text(&self) -> String {
        let MemoryEstimate { buffers, host, .. } = self.memory;
        if self.context.adapter().uses_host_memory() {
            format!("{} in all, {} of it buffers", human_bytes(self.memory.total()), human_bytes(buffers))
        } else {
            format!("{} on the adapter, {} on the host", human_bytes(buffers), human_bytes(host))
        }
    }

    /// The lines of `--dry-run`.
    pub fn lines(&self, time: &Estimate) -> Vec<String> {
        let Self { config, context, plan, length, .. } = self;
        let train = &config.train;
        let adapter = context.adapter();
        let software = if adapter.family == Family::SoftwareGpu { ", a software GPU" } else { "" };
        let [images, tests] = self.used;
        let available = context.memory_budget().map(|bytes| format!(" ({} are free)", human_bytes(bytes)));
        let chunks = match plan.chunks.len() {
            1 => String::new(),
            n => format!(" in {n} groups that take turns"),
        };
        vec![
            format!(
                "network     {}, {}, {} parameters",
                plan.network.name,
                train.activation(),
                plan.network.parameter_count()
            ),
            format!("replicas    {}{chunks}, k = {}", train.ks.len(), ks_text(&train.ks)),
            format!(
                "data        {}{}: {images} training and {tests} test images",
                self.images.dataset.name,
                self.images.origin_note()
            ),
            format!("steps       {} of batch {}, {} an epoch", length.steps, train.batch_size, length.per_epoch),
            format!("adapter     {} ({}, {}{software})", adapter.name, adapter.backend, adapter.driver),
            format!("memory      {}{}", self.memory_text(), available.unwrap_or_default()),
            format!("time        {}", time_text(time)),
        ]
    }

    /// The object of `--dry-run --json`.
    pub fn json(&self, time: &Estimate) -> Value {
        json!({
            "network": self.plan.network.name,
            "activation": self.config.train.activation().to_string(),
            "parameters": self.plan.network.parameter_count(),
            "ks": self.config.train.ks,
            "chunks": self.plan.chunks.len(),
            "dataset": self.images.dataset.name,
            "origin": self.images.origin().map(|origin| origin.to_string()),
            "train_images": self.used[0],
            "test_images": self.used[1],
            "steps": self.length.steps,
            "steps_per_epoch": self.length.per_epoch,
            "evaluations": self.length.evaluations,
            "adapter": self.context.adapter(),
            "buffer_bytes": self.memory.buffers,
            "host_bytes": self.memory.host + self.memory.kernels,
            "seconds_per_step": time.step,
            "seconds_per_evaluation": time.evaluation,
            "seconds": time.seconds(),
        })
    }
}

/// `about 3 h 20 min: 1.2 s a step, 14 s an evaluation`.
pub fn time_text(time: &Estimate) -> String {
    let evaluation = match time.evaluations {
        0 => String::new(),
        1 => format!(", {} for the evaluation at the end", short(time.evaluation)),
        n => format!(", {} for each of {n} evaluations", short(time.evaluation)),
    };
    let measurements = match time.measurements {
        0 => String::new(),
        n => format!(", {} for each of {n} measurements of the curvature", short(time.measurement)),
    };
    format!("about {}: {} a step{evaluation}{measurements}", duration_text(time.seconds()), short(time.step))
}

/// Below 0.1 s in milliseconds, below 10 s in seconds, both with two decimals; else as [`duration_text`].
fn short(seconds: f64) -> String {
    match seconds {
        s if s < 0.1 => format!("{:.2} ms", s * 1e3),
        s if s < 10.0 => format!("{s:.2} s"),
        s => duration_text(s),
    }
}

/// `45 s`, `12 min 30 s`, `3 h 20 min`, `2 d 4 h`: the two largest units.
pub fn duration_text(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds.ceil()).unwrap_or(Duration::MAX).as_secs();
    let (days, hours, minutes, seconds) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")];
    let first = parts.iter().position(|(n, _)| *n > 0).unwrap_or(parts.len() - 1);
    let shown = parts.iter().enumerate().skip(first).take(2).filter(|(i, (n, _))| *i == first || *n > 0);
    shown.map(|(_, (n, unit))| format!("{n} {unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (44.2, "45 s"),
            (60.0, "1 min"),
            (750.0, "12 min 30 s"),
            (12_059.0, "3 h 20 min"),
            (86_400.0 * 2.0 + 4.0 * 3600.0 + 59.0, "2 d 4 h"),
            (3600.0, "1 h"),
        ] {
            assert_eq!(duration_text(seconds), text);
        }
        assert_eq!(short(0.012), "12.00 ms");
        assert_eq!(short(1.5), "1.50 s");
    }

    #[test]
    fn time_is_shown_with_its_parts() {
        let time =
            Estimate { step: 0.5, evaluation: 30.0, steps: 1000, evaluations: 2, measurement: 2.0, measurements: 0 };
        assert_eq!(time_text(&time), "about 9 min 20 s: 0.50 s a step, 30 s for each of 2 evaluations");
    }
}
