//! What a [`Probe`] computes of whole networks, given by their weights: statistics of batch norms estimated anew, and logits.

use super::batch::{EVALUATION_BATCH, SetKind};
use super::error::TrainError;
use super::plan::{Chunk, RecordingKind};
use super::probe::Probe;
use super::state::Weights;
use super::transfer;
use crate::device::Submitter;
use crate::ops::batch_norm::MOMENTUM;

impl Probe {
    /// Number of images of a set that there are, at most `images`.
    #[must_use]
    pub fn images(&self, set: SetKind, images: usize) -> usize {
        self.batches.images(set).min(images)
    }

    /// Labels of the first `images` images of a set.
    #[must_use]
    pub fn labels(&self, set: SetKind, images: usize) -> &[u8] {
        self.batches.labels(set, 0..self.images(set, images))
    }

    /// Replaces the running statistics of each of `networks` by the means, over whole evaluation batches of the first `images` training
    /// images, of the statistics of a batch: mean and unbiased variance. All of them count equally, whatever came before.
    ///
    /// # Errors
    /// [`TrainError::Gpu`] if the device is lost, runs out of memory or refuses a call.
    ///
    /// # Panics
    /// If there are more networks than this probe has slots, or it is not one of [`Probe::evaluating`] with as many images.
    pub async fn estimate_statistics(&mut self, networks: &mut [Weights], images: usize) -> Result<(), TrainError> {
        if self.plan.network.running.is_empty() {
            return Ok(());
        }
        self.write(networks);
        let images = self.images(SetKind::Train, images);
        let batch = images.min(EVALUATION_BATCH as usize);
        let batches = images / batch;
        let stride = self.plan.network.running_stride as usize;
        let mut sums = vec![0.0; networks.len() * stride];
        for first in (0..batches).map(|index| index * batch) {
            let samples = self.upload_images(SetKind::Train, first..first + batch);
            for (index, chunk) in self.used_chunks(networks.len()) {
                let bytes = (chunk.replicas.len() * stride * 4) as u64;
                self.buffers.write(&self.context, chunk.running, 0, &vec![0; bytes as usize]);
                let mut submitter = Submitter::new(&self.context);
                submitter.run(&self.programs[&RecordingKind::Input(samples)], &self.buffers);
                submitter.run(&self.programs[&RecordingKind::Statistics(index, samples)], &self.buffers);
                submitter.submit();
                let read = self.readback.read(&self.context, &self.buffers, (chunk.running, 0, bytes)).await?;
                let read: Vec<f32> = bytemuck::pod_collect_to_vec(&read);
                // From 0, an update leaves MOMENTUM times the statistic of the batch.
                let sums = sums[chunk.replicas.start * stride..].iter_mut();
                sums.zip(read).for_each(|(sum, value)| *sum += f64::from(value) / f64::from(MOMENTUM));
            }
        }
        for (weights, sums) in networks.iter_mut().zip(sums.chunks(stride)) {
            let mean = |at: u32, channels: u32| -> Vec<f32> {
                sums[at as usize..][..channels as usize].iter().map(|sum| (sum / batches as f64) as f32).collect()
            };
            let norms = &self.plan.network.running;
            weights.running =
                norms.iter().map(|norm| [norm.mean, norm.variance].map(|at| mean(at, norm.channels))).collect();
        }
        Ok(())
    }

    /// Logits of each of `networks` on the first `images` images of a set, centred, with running statistics: `[network]` of
    /// `[image][class]`.
    ///
    /// # Errors
    /// [`TrainError::Gpu`] if the device is lost, runs out of memory or refuses a call.
    ///
    /// # Panics
    /// Same as [`Probe::estimate_statistics`].
    pub async fn logits(
        &mut self,
        networks: &[Weights],
        set: SetKind,
        images: usize,
    ) -> Result<Vec<Vec<f32>>, TrainError> {
        self.write(networks);
        let classes = self.network().logits_per_sample() as usize;
        let images = self.images(set, images);
        let mut logits = vec![Vec::with_capacity(images * classes); networks.len()];
        for first in (0..images).step_by(EVALUATION_BATCH as usize) {
            let samples = self.upload_images(set, first..(first + EVALUATION_BATCH as usize).min(images));
            let values = samples as usize * classes;
            for (index, chunk) in self.used_chunks(networks.len()) {
                let mut submitter = Submitter::new(&self.context);
                submitter.run(&self.programs[&RecordingKind::Input(samples)], &self.buffers);
                submitter.run(&self.programs[&RecordingKind::Evaluate(index, samples)], &self.buffers);
                submitter.submit();
                // Chunks share the buffer: read it before the next chunk overwrites it.
                let bytes = (chunk.replicas.len() * values * 4) as u64;
                let read = self.readback.read(&self.context, &self.buffers, (self.plan.logits, 0, bytes)).await?;
                let read: Vec<f32> = bytemuck::pod_collect_to_vec(&read);
                let networks = logits.iter_mut().skip(chunk.replicas.start);
                networks.zip(read.chunks(values)).for_each(|(all, new)| all.extend_from_slice(new));
            }
        }
        Ok(logits)
    }

    /// The chunks that hold the first `networks` slots, each with its index.
    fn used_chunks(&self, networks: usize) -> impl Iterator<Item = (usize, Chunk)> + use<> {
        let used = self.plan.chunks.iter().filter(|chunk| chunk.replicas.start < networks);
        used.cloned().enumerate().collect::<Vec<_>>().into_iter()
    }

    /// Writes parameters and running statistics to the slots. Slots beyond the networks compute the last one again.
    fn write(&self, networks: &[Weights]) {
        assert!((1..=self.slots).contains(&networks.len()), "1 to {} networks, not {}", self.slots, networks.len());
        let network = &self.plan.network;
        for (_, chunk) in self.used_chunks(networks.len()) {
            let slots = || chunk.replicas.clone().map(|slot| &networks[slot.min(networks.len() - 1)]);
            let parameters: Vec<f32> =
                slots().flat_map(|weights| transfer::parameter_arena(network, &weights.parameters)).collect();
            self.buffers.write(&self.context, chunk.parameters, 0, bytemuck::cast_slice(&parameters));
            let running: Vec<f32> =
                slots().flat_map(|weights| transfer::running_arena(network, &weights.running)).collect();
            if !running.is_empty() {
                self.buffers.write(&self.context, chunk.running, 0, bytemuck::cast_slice(&running));
            }
        }
    }

    /// Queues the upload of some images of a set and returns their number.
    fn upload_images(&self, set: SetKind, images: std::ops::Range<usize>) -> u32 {
        let layout = &self.plan.upload_layout;
        let mut upload = vec![0; layout.bytes as usize];
        let samples = self.batches.centred(set, images, layout, &mut upload);
        self.buffers.write(&self.context, self.plan.upload, 0, &upload);
        samples
    }
}
