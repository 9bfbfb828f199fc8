//! Measures where the time of a training step goes.

use web_time::Instant;

use super::error::TrainError;
use super::plan::{Phase, RecordingKind};
use super::trainer::Trainer;
use crate::device::{DeviceError, DispatchTime, Program, RunTime, Submitter};
use crate::record::{Command, Recording};

/// Times of one training step of all replicas, as medians in seconds, and its work.
#[derive(Clone, Debug, Default)]
pub struct StepTimes {
    /// Forward pass, backward pass and update.
    pub step: f64,
    /// The convolutions alone.
    pub convolutions: f64,
    /// The divergence, which is measured after every step.
    pub divergence: f64,
    /// The fingerprints, which are computed at the log cadence.
    pub fingerprints: f64,
    /// The host's work: gathering the batch and encoding the step.
    pub host: f64,
    /// Floating-point operations of the convolutions.
    pub convolution_flops: u64,
    /// Least number of bytes that a step moves.
    pub bytes: u64,
    /// The longest of all timed submits.
    pub longest_submit: f64,
}

/// Median time of `n` measurements, and their longest submit.
///
/// # Errors
/// The first error of `measure`.
pub(crate) fn median(
    n: usize,
    mut measure: impl FnMut() -> Result<RunTime, DeviceError>,
) -> Result<RunTime, DeviceError> {
    let mut times = (0..n).map(|_| measure()).collect::<Result<Vec<_>, _>>()?;
    times.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let longest_submit = times.iter().map(|t| t.longest_submit).fold(0.0, f64::max);
    Ok(RunTime { seconds: times[n / 2].seconds, longest_submit })
}

impl Trainer {
    /// Times each part of a step on full batches, `repeats` times. Every timed step updates the weights with the same
    /// batch, so a trainer that has been timed must not continue its run.
    ///
    /// # Errors
    /// [`TrainError::Gpu`] if the device is lost, runs out of memory or refuses a call.
    pub async fn step_times(&mut self, repeats: usize) -> Result<StepTimes, TrainError> {
        let samples = self.config.batch_size;
        let mut times = StepTimes::default();
        for chunk in 0..self.plan.chunks.len() {
            let mut recording = self.plan.recording(RecordingKind::Train(chunk, samples)).clone();
            times.bytes += recording.dispatches().map(|d| d.bytes).sum::<u64>();
            recording.commands.retain(is_convolution);
            times.convolution_flops += recording.flops();
            let convolutions = self.timed_program(&recording).await?;
            let mut longest: f64 = 0.0;
            let kinds = [
                RecordingKind::Train(chunk, samples),
                RecordingKind::Measure(chunk),
                RecordingKind::Fingerprint(chunk),
            ];
            let [step, divergence, fingerprints] = kinds.map(|kind| &self.programs[&kind]);
            // Warm up: drivers compile at the first use.
            for program in [step, divergence, fingerprints] {
                program.time(&self.context, &self.buffers, 1)?;
            }
            let mut time = |program: &Program| -> Result<f64, DeviceError> {
                let time = median(repeats, || program.time(&self.context, &self.buffers, 1))?;
                longest = longest.max(time.longest_submit);
                Ok(time.seconds)
            };
            times.step += time(step)?;
            times.convolutions += time(&convolutions)?;
            times.divergence += time(divergence)?;
            times.fingerprints += time(fingerprints)?;
            times.longest_submit = times.longest_submit.max(longest);
        }
        times.host = self.host_time(repeats);
        Ok(times)
    }

    /// Median seconds of the host's part of a step. Submission is left out, because software adapters compute during it.
    fn host_time(&mut self, repeats: usize) -> f64 {
        let mut seconds: Vec<f64> = (0..repeats)
            .map(|_| {
                let start = Instant::now();
                let (upload, samples) = self.upload(1, self.config.lr);
                self.buffers.write(&self.context, self.plan.upload, 0, &upload);
                let mut submitter = Submitter::discarding(&self.context);
                self.encode_chunks(&mut submitter, Phase::Train, samples);
                self.encode_end(&mut submitter, 1, true);
                submitter.submit();
                start.elapsed().as_secs_f64()
            })
            .collect();
        seconds.sort_by(f64::total_cmp);
        seconds[repeats / 2]
    }

    /// Times each dispatch of a training step of the first chunk separately.
    ///
    /// # Errors
    /// [`TrainError::Gpu`] if the device is lost, runs out of memory or refuses a call.
    pub async fn dispatch_times(&mut self) -> Result<Vec<DispatchTime>, TrainError> {
        let program = &self.programs[&RecordingKind::Train(0, self.config.batch_size)];
        Ok(program.profile(&self.context, &self.buffers).await?)
    }

    async fn timed_program(&self, recording: &Recording) -> Result<Program, DeviceError> {
        Program::build(&self.context, &self.buffers, recording, self.dispatch_flops).await
    }
}

fn is_convolution(command: &Command) -> bool {
    matches!(command, Command::Dispatch(d) if d.kernel.name().starts_with("conv"))
}
