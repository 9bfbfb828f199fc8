//! Parameters as they are after a step, for a front end that shows weights while a run goes on. The copy is queued behind
//! the steps that were begun and taken up later, so that the step loop does not wait for it.

use super::trainer::{TrainError, Trainer};
use crate::gpu::{Pending, Submitter};

/// Parameters on their way to the host.
pub struct Peek {
    step: u64,
    pending: Pending,
}

impl Peek {
    /// The step after which the parameters are as they come.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.step
    }
}

impl Trainer {
    /// Begins to copy parameters (at least one, by their position in the network) of all replicas, as they are after the last
    /// step that was begun. [`Trainer::take_peek`] hardly waits once that step is told ([`Trainer::step`]).
    #[must_use]
    pub fn peek(&self, parameters: &[usize]) -> Peek {
        let stride = u64::from(self.network.parameter_stride) * 4;
        let mut ranges = Vec::new();
        for tensor in parameters.iter().map(|&parameter| &self.network.parameters[parameter]) {
            for chunk in &self.plan.chunks {
                let offset = |r: usize| r as u64 * stride + u64::from(tensor.offset) * 4;
                let bytes = u64::from(tensor.elements()) * 4;
                ranges.extend((0..chunk.replicas.len()).map(|r| (chunk.parameters, offset(r), bytes)));
            }
        }
        let submitter = Submitter::new(&self.context);
        let pending = self.readback.capture_all(&self.context, submitter, &self.buffers, &ranges);
        Peek { step: self.submitted, pending }
    }

    /// What [`Trainer::peek`] began to copy: the bits of one parameter after the other, each `[R][elements]`.
    ///
    /// # Errors
    /// The GPU.
    pub async fn take_peek(&self, peek: Peek) -> Result<Vec<u32>, TrainError> {
        let bytes = self.readback.take(&self.context, peek.pending).await?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }
}
