//! Copies of parameters after a step, for a front end that shows weights while a run continues. A copy is queued behind the
//! submitted steps and read later, so that the step loop does not wait for it.

use super::error::TrainError;
use super::trainer::Trainer;
use crate::device::{Pending, Submitter};

/// Parameters on their way to the host.
pub struct Peek {
    step: u64,
    pending: Pending,
}

impl Peek {
    /// The step after whose update the parameters are copied.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.step
    }
}

/// A range of elements of a parameter, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeekRange {
    /// Index of the parameter in the network's parameters.
    pub parameter: usize,
    /// First element.
    pub first: u32,
    /// Number of elements, at least one.
    pub count: u32,
}

impl Trainer {
    /// Starts to copy ranges (at least one, inside their parameters) of all replicas, as they are after the last submitted step.
    /// Once that step is reported ([`Trainer::step`]), [`Trainer::take_peek`] hardly waits.
    #[must_use]
    pub fn peek(&self, ranges: &[PeekRange]) -> Peek {
        let stride = self.network.parameter_stride;
        let mut copies = Vec::new();
        for range in ranges {
            let start = self.network.parameters[range.parameter].offset + range.first;
            for chunk in &self.plan.chunks {
                let offset = |r: u32| u64::from(r * stride + start) * 4;
                let replicas = 0..chunk.replicas.len() as u32;
                copies.extend(replicas.map(|r| (chunk.parameters, offset(r), u64::from(range.count) * 4)));
            }
        }
        let submitter = Submitter::new(&self.context);
        let pending = self.readback.capture_all(&self.context, submitter, &self.buffers, &copies);
        Peek { step: self.submitted, pending }
    }

    /// Waits for the copies of [`Trainer::peek`] and returns their bits: one range after the other, each `[R][count]`.
    ///
    /// # Errors
    /// [`TrainError::Gpu`] if the device is lost, runs out of memory or refuses a call.
    pub async fn take_peek(&self, peek: Peek) -> Result<Vec<u32>, TrainError> {
        let bytes = self.readback.take(&self.context, peek.pending).await?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }
}
