//! What a run does between two steps besides evaluations: it measures curvature and growth, which changes nothing, and disturbs
//! replicas before the step that is to differ. The state after a step, which a checkpoint holds, is that before a disturbance.

use std::rc::Rc;

use super::config::SHARPNESS_IMAGES;
use super::curvature::{Curvature, Measurement};
use super::error::TrainError;
use super::events::{CurvatureEvent, Event, GrowthEvent};
use super::lyapunov;
use super::probe::ProbeBatch;
use super::trainer::Trainer;
use crate::record::BufferId;

impl Trainer {
    fn is_curvature_due(&self) -> bool {
        self.config.sharpness.is_some_and(|every| self.submitted.is_multiple_of(every))
    }

    fn is_growth_due(&self) -> bool {
        self.submitted > 0 && self.config.lyapunov.is_some_and(|every| self.submitted.is_multiple_of(every))
    }

    /// Whether something is measured after the last submitted step and is not reported yet.
    pub(super) fn is_measurement_due(&self) -> bool {
        self.measured != Some(self.submitted) && (self.is_curvature_due() || self.is_growth_due())
    }

    /// Does a part of the measurements that are due: one gradient of the curvature, or the growth. Their events come together at the end:
    /// a run that stops before measures everything again when it resumes.
    pub(super) async fn measure_some(&mut self) -> Result<(), TrainError> {
        self.drain().await?;
        let curvature = match self.is_curvature_due() {
            true => match self.curvature_some().await? {
                Some(curvature) => Some(curvature),
                None => return Ok(()),
            },
            false => None,
        };
        let step = self.submitted;
        if self.is_growth_due() {
            let growth = self.growth().await?;
            self.events.push(Event::Growth(growth));
        }
        if let Some(curvature) = curvature {
            let event = CurvatureEvent { step, lr: self.lr_at(step.max(1)), replica: 0, curvature };
            self.events.push(Event::Curvature(event));
        }
        self.measured = Some(step);
        Ok(())
    }

    /// Evaluates the next gradient that the curvature needs. Returns the curvature with the last one.
    async fn curvature_some(&mut self) -> Result<Option<Curvature>, TrainError> {
        // Taken out, because the measurement borrows the trainer's other fields.
        let Some(mut probe) = self.probe.take() else { unreachable!("a run that measures curvature has a probe") };
        let measurement = match self.measurement.take() {
            Some(measurement) => Ok(measurement),
            None => self.read(0, self.plan.chunks[0].parameters).await.map(|point| {
                let images = self.config.sharpness_images.unwrap_or(SHARPNESS_IMAGES);
                let (per_epoch, batch) = (self.batches.per_epoch(), self.config.batch_size);
                Measurement::new(&probe, point, self.submitted, per_epoch, images, batch)
            }),
        };
        let found = match measurement {
            Ok(mut measurement) => {
                let found = measurement.advance(&mut probe).await;
                self.measurement = Some(measurement);
                found
            }
            Err(error) => Err(error),
        };
        self.probe = Some(probe);
        let found = found?;
        if found.is_some() {
            self.measurement = None;
        }
        Ok(found)
    }

    /// Growth of the displacements since they last returned to their distances.
    async fn growth(&self) -> Result<GrowthEvent, TrainError> {
        let reference = self.arenas(0).await?;
        let mut growth = vec![0.0];
        for replica in 1..self.config.ks.len() {
            let distance = lyapunov::distance(&self.arenas(replica).await?, &reference);
            growth.push((distance / self.config.lyapunov_distances[replica - 1]).ln());
        }
        Ok(GrowthEvent { step: self.submitted, steps: self.config.lyapunov.unwrap_or(0), growth })
    }

    /// Changes the weights of the replicas that are to differ from `step` on.
    pub(super) async fn disturb(&mut self, step: u64) -> Result<(), TrainError> {
        if let Some(every) = self.config.lyapunov.filter(|every| (step - 1).is_multiple_of(*every)) {
            self.drain().await?;
            self.restore_distances(step > every).await?;
        }
        for replica in 0..self.config.ks.len() {
            if self.config.perturb(replica).is_some_and(|poke| poke.step == step) {
                self.drain().await?;
                self.poke(replica, step).await?;
            }
        }
        Ok(())
    }

    /// Puts every replica but the first at its distance: along its displacement, or, at the start and where there is none, in a random
    /// direction.
    async fn restore_distances(&mut self, is_displaced: bool) -> Result<(), TrainError> {
        let seed = self.config.seed;
        let reference = self.arenas(0).await?;
        for replica in 1..self.config.ks.len() {
            let wanted = self.config.lyapunov_distances[replica - 1];
            let mut arenas = self.arenas(replica).await?;
            if is_displaced && lyapunov::distance(&arenas, &reference) > 0.0 {
                lyapunov::rescale(self.config.optimizer, &mut arenas, &reference, wanted);
            } else {
                arenas.clone_from(&reference);
                lyapunov::displace(&self.network, seed, &mut arenas[0], wanted);
            }
            for (buffer, values) in self.state_buffers(replica).into_iter().zip(&arenas) {
                self.write(replica, buffer, values);
            }
        }
        Ok(())
    }

    /// Applies the perturbation of a replica before `step`.
    async fn poke(&mut self, replica: usize, step: u64) -> Result<(), TrainError> {
        let Some(poke) = self.config.perturb(replica).cloned() else { return Ok(()) };
        let buffer = self.plan.chunks[self.plan.chunk_of(replica)].parameters;
        let mut arena = self.read(replica, buffer).await?;
        let gradient = match &mut self.probe {
            Some(probe) if poke.needs_gradient() => {
                Some(probe.gradients(&[&arena], &ProbeBatch::Step(step)).await?.swap_remove(0).values)
            }
            _ => None,
        };
        poke.apply(&self.network, self.config.seed, gradient.as_deref(), &mut arena)?;
        self.write(replica, buffer, &arena);
        Ok(())
    }

    /// The buffers of a replica's chunk that a displacement consists of.
    fn state_buffers(&self, replica: usize) -> Vec<BufferId> {
        let chunk = &self.plan.chunks[self.plan.chunk_of(replica)];
        std::iter::once(chunk.parameters).chain(chunk.optimizer.iter().copied()).collect()
    }

    async fn arenas(&self, replica: usize) -> Result<lyapunov::Arenas, TrainError> {
        let mut arenas = Vec::new();
        for buffer in self.state_buffers(replica) {
            arenas.push(self.read(replica, buffer).await?);
        }
        Ok(arenas)
    }

    /// First byte and length of a replica in an arena of its chunk that is laid out as the parameters.
    fn place(&self, replica: usize) -> (u64, u64) {
        let bytes = u64::from(self.network.parameter_stride) * 4;
        let first = self.plan.chunks[self.plan.chunk_of(replica)].replicas.start;
        ((replica - first) as u64 * bytes, bytes)
    }

    async fn read(&self, replica: usize, buffer: BufferId) -> Result<Vec<f32>, TrainError> {
        let (at, bytes) = self.place(replica);
        let bytes = self.readback.read(&self.context, &self.buffers, (buffer, at, bytes)).await?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    fn write(&mut self, replica: usize, buffer: BufferId, values: &[f32]) {
        let context = Rc::clone(&self.context);
        self.buffers.write(&context, buffer, self.place(replica).0, bytemuck::cast_slice(values));
        #[cfg(feature = "processor")]
        self.announce(self.plan.chunk_of(replica));
    }
}
