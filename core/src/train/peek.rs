//! Parameters as they are after a step, for a front end that shows weights while a run goes on. The copy is queued behind
//! the steps that were begun and taken up later, so that the step loop does not wait for it.

use super::trainer::{TrainError, Trainer};
use crate::device::{Pending, Submitter};

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

/// Some elements of a parameter, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeekRange {
    /// Position in the network's parameters.
    pub parameter: usize,
    /// First element.
    pub first: u32,
    /// Number of elements, at least one.
    pub count: u32,
}

impl Trainer {
    /// Begins to copy ranges (at least one, inside their parameters) of all replicas, as they are after the last step that
    /// was begun. [`Trainer::take_peek`] hardly waits once that step is reported ([`Trainer::step`]).
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

    /// What [`Trainer::peek`] began to copy: the bits of one range after the other, each `[R][count]`.
    ///
    /// # Errors
    /// The GPU.
    pub async fn take_peek(&self, peek: Peek) -> Result<Vec<u32>, TrainError> {
        let bytes = self.readback.take(&self.context, peek.pending).await?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }
}
