//! Logits and predictions of a run's networks on its test images.

use super::batch::SetKind;
use super::error::TrainError;
use super::outputs::{Outputs, encode_outputs, winner};
use super::plan::RecordingKind;
use super::trainer::Trainer;
use crate::device::Submitter;

impl Trainer {
    /// Logits of each replica on the first `most` test images (all of them, if there are fewer), `[R]` of `[N][K]`, with running
    /// statistics as in an evaluation.
    ///
    /// # Errors
    /// [`TrainError::Gpu`] if the device is lost, runs out of memory or refuses a call.
    pub async fn logits(&mut self, most: usize) -> Result<Vec<Vec<f32>>, TrainError> {
        let classes = self.network.logits_per_sample() as usize;
        let mut logits = vec![Vec::new(); self.config.ks.len()];
        let mut next = 0;
        while next < most {
            let mut upload = vec![0; self.plan.upload_layout.bytes as usize];
            let Some(samples) = self.batches.test(next, &self.plan.upload_layout, &mut upload) else {
                break;
            };
            self.buffers.write(&self.context, self.plan.upload, 0, &upload);
            for (index, chunk) in self.plan.chunks.iter().enumerate() {
                let mut submitter = Submitter::new(&self.context);
                submitter.run(&self.programs[&RecordingKind::Input(samples)], &self.buffers);
                submitter.run(&self.programs[&RecordingKind::Evaluate(index, samples)], &self.buffers);
                submitter.submit();
                // Chunks share the buffer: read it before the next chunk overwrites it.
                let values = samples as usize * classes;
                let bytes = (chunk.replicas.len() * values * 4) as u64;
                let read = self.readback.read(&self.context, &self.buffers, (self.plan.logits, 0, bytes)).await?;
                let read: Vec<f32> = bytemuck::pod_collect_to_vec(&read);
                let replicas = logits[chunk.replicas.clone()].iter_mut();
                replicas.zip(read.chunks(values)).for_each(|(all, new)| all.extend_from_slice(new));
            }
            next += samples as usize;
        }
        logits.iter_mut().for_each(|all| all.truncate(most.saturating_mul(classes)));
        Ok(logits)
    }

    /// The logits of each replica on all test images as a file: [`encode_outputs`].
    ///
    /// # Errors
    /// Same as [`Trainer::logits`].
    pub async fn encoded_logits(&mut self) -> Result<Vec<u8>, TrainError> {
        let per_image = self.network.logits_per_sample() as usize;
        let outputs: Vec<Outputs> =
            self.logits(usize::MAX).await?.into_iter().map(|logits| Outputs::new(per_image, logits)).collect();
        let images = outputs[0].logits().len() / per_image;
        Ok(encode_outputs(&outputs, self.batches.labels(SetKind::Test, 0..images)))
    }

    /// Class that each replica predicts for the first `most` test images, `[R]` of `[N]`.
    ///
    /// # Errors
    /// Same as [`Trainer::logits`].
    pub async fn predictions(&mut self, most: usize) -> Result<Vec<Vec<u32>>, TrainError> {
        let classes = self.network.logits_per_sample() as usize;
        let logits = self.logits(most).await?;
        Ok(logits.iter().map(|replica| replica.chunks(classes).map(winner).collect()).collect())
    }
}
