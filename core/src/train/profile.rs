//! Where the time of a training step goes.

use web_time::Instant;

use super::plan::Kind;
use super::trainer::{TrainError, Trainer};
use crate::device::{DeviceError, DispatchTime, Program, RunTime, Submitter};
use crate::record::{Command, Recording};

/// Seconds of one training step of all replicas, medians.
#[derive(Clone, Debug, Default)]
pub struct StepTimes {
    /// Everything of a step but the metrics.
    pub step: f64,
    /// The convolutions alone.
    pub convolutions: f64,
    /// The divergence, measured after every step.
    pub divergence: f64,
    /// The fingerprints, taken at the log cadence.
    pub fingerprints: f64,
    /// What the host does for a step: gather the batch and encode.
    pub host: f64,
    /// Operations of the convolutions.
    pub convolution_flops: u64,
    /// Bytes that a step has to move at least.
    pub bytes: u64,
    /// The longest submit of all that was timed.
    pub longest_submit: f64,
}

/// Median of `n` measurements, and the longest submit of all of them.
///
/// # Errors
/// The GPU.
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
    /// Times a step of whole batches, `repeats` times. The weights move on by as many steps on the same batch: a
    /// trainer that has been timed has nothing to do with its run any more.
    ///
    /// # Errors
    /// The GPU.
    pub async fn step_times(&mut self, repeats: usize) -> Result<StepTimes, TrainError> {
        let samples = self.config.batch_size;
        let mut times = StepTimes::default();
        for chunk in 0..self.plan.chunks.len() {
            let mut recording = self.plan.recording(Kind::Train(chunk, samples)).clone();
            times.bytes += recording.dispatches().map(|d| d.bytes).sum::<u64>();
            recording.commands.retain(is_convolution);
            times.convolution_flops += recording.flops();
            let convolutions = self.timed_program(&recording).await?;
            let mut longest: f64 = 0.0;
            let kinds = [Kind::Train(chunk, samples), Kind::Measure(chunk), Kind::Fingerprint(chunk)];
            let [step, divergence, fingerprints] = kinds.map(|kind| &self.programs[&kind]);
            // Once to warm up: drivers compile at the first use.
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

    /// Median seconds of the host's part of a step, but for handing it to the driver: there a software adapter does the
    /// GPU's work.
    fn host_time(&mut self, repeats: usize) -> f64 {
        let mut seconds: Vec<f64> = (0..repeats)
            .map(|_| {
                let start = Instant::now();
                let (upload, samples) = self.upload(1, self.config.lr);
                self.buffers.write(&self.context, self.plan.upload, 0, &upload);
                let mut submitter = Submitter::throwing_away(&self.context);
                self.encode(&mut submitter, 1, samples, true);
                submitter.submit();
                start.elapsed().as_secs_f64()
            })
            .collect();
        seconds.sort_by(f64::total_cmp);
        seconds[repeats / 2]
    }

    /// Times every dispatch of a step of the first chunk by itself.
    ///
    /// # Errors
    /// The GPU.
    pub async fn dispatch_times(&mut self) -> Result<Vec<DispatchTime>, TrainError> {
        let program = &self.programs[&Kind::Train(0, self.config.batch_size)];
        Ok(program.profile(&self.context, &self.buffers).await?)
    }

    async fn timed_program(&self, recording: &Recording) -> Result<Program, DeviceError> {
        Program::build(&self.context, &self.buffers, recording, self.dispatch_flops).await
    }
}

fn is_convolution(command: &Command) -> bool {
    matches!(command, Command::Dispatch(d) if d.kernel.name().starts_with("conv"))
}
