//! Where the time of a training step goes.

use super::trainer::{Kind, TrainError, Trainer};
use crate::gpu::{Command, DispatchTime, GpuError, Program, Recording};

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
    /// Operations of the convolutions.
    pub convolution_flops: u64,
}

/// Median of `n` measurements of a run of `program`.
///
/// # Errors
/// The GPU.
pub(crate) fn median(n: usize, mut measure: impl FnMut() -> Result<f64, GpuError>) -> Result<f64, GpuError> {
    let mut seconds = (0..n).map(|_| measure()).collect::<Result<Vec<_>, _>>()?;
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[n / 2])
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
            let mut convolutions = self.plan.train(chunk, samples);
            convolutions.commands.retain(is_convolution);
            times.convolution_flops += convolutions.flops();
            let only = self.timed_program(&convolutions).await?;
            let time = |program: &Program| median(repeats, || program.time(&self.context, &self.buffers, 1));
            // Once to warm up: drivers compile at the first use.
            time(&only)?;
            times.convolutions += time(&only)?;
            times.step += time(&self.programs[&Kind::Train(chunk, samples)])?;
            times.divergence += time(&self.programs[&Kind::Measure(chunk)])?;
            times.fingerprints += time(&self.programs[&Kind::Fingerprint(chunk)])?;
        }
        Ok(times)
    }

    /// Times every dispatch of a step of the first chunk by itself.
    ///
    /// # Errors
    /// The GPU.
    pub async fn dispatch_times(&mut self) -> Result<Vec<DispatchTime>, TrainError> {
        let program = &self.programs[&Kind::Train(0, self.config.batch_size)];
        Ok(program.profile(&self.context, &self.buffers).await?)
    }

    async fn timed_program(&self, recording: &Recording) -> Result<Program, GpuError> {
        Program::build(&self.context, &self.buffers, recording, self.dispatch_flops).await
    }
}

fn is_convolution(command: &Command) -> bool {
    matches!(command, Command::Dispatch(d) if d.kernel.name().starts_with("conv"))
}
