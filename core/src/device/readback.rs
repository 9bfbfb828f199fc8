//! Bytes from a device to the host, so that the step loop never waits for them.

use super::context::Inner;
use super::program::{AnyBuffers, AnySubmitter};
use super::{Buffers, Context, DeviceError, Submitter};
use crate::gpu;
use crate::record::BufferId;

/// A pool of staging buffers.
#[derive(Default)]
pub struct Readback {
    gpu: gpu::Readback,
}

/// Bytes that are on their way.
pub struct Pending {
    inner: AnyPending,
}

enum AnyPending {
    Gpu(gpu::Pending),
    /// They are here already.
    Here(Vec<u8>),
}

impl Readback {
    /// Appends a copy of `bytes` (a multiple of 4) of `buffer` to `submitter`, submits, and begins to bring the copy.
    pub fn capture(
        &self,
        context: &Context,
        submitter: Submitter<'_>,
        buffers: &Buffers,
        range: (BufferId, u64, u64),
    ) -> Pending {
        self.capture_all(context, submitter, buffers, &[range])
    }

    /// Like [`Readback::capture`] for several ranges, whose bytes come one after the other in one piece.
    pub fn capture_all(
        &self,
        context: &Context,
        submitter: Submitter<'_>,
        buffers: &Buffers,
        ranges: &[(BufferId, u64, u64)],
    ) -> Pending {
        let inner = match (&context.inner, submitter.inner, &buffers.inner) {
            (Inner::Gpu(gpu), AnySubmitter::Gpu(submitter), AnyBuffers::Gpu(buffers)) => {
                AnyPending::Gpu(self.gpu.capture_all(gpu, submitter, buffers, ranges))
            }
            (_, _, AnyBuffers::Processor(buffers)) => AnyPending::Here(buffers.read(ranges)),
            _ => unreachable!("a submitter and buffers of one device"),
        };
        Pending { inner }
    }

    /// Waits until the bytes are there.
    ///
    /// # Errors
    /// [`DeviceError::DeviceLost`], or whatever else went wrong on the device until then.
    pub async fn take(&self, context: &Context, pending: Pending) -> Result<Vec<u8>, DeviceError> {
        match (pending.inner, &context.inner) {
            (AnyPending::Gpu(pending), Inner::Gpu(gpu)) => self.gpu.take(gpu, pending).await,
            (AnyPending::Here(bytes), _) => context.check().map(|()| bytes),
            (AnyPending::Gpu(_), Inner::Processor(_)) => unreachable!("what a GPU gave is taken from it"),
        }
    }

    /// Reads `bytes` of `buffer` now: for state and tests, not for the step loop.
    ///
    /// # Errors
    /// As [`Readback::take`].
    pub async fn read(
        &self,
        context: &Context,
        buffers: &Buffers,
        range: (BufferId, u64, u64),
    ) -> Result<Vec<u8>, DeviceError> {
        match (&context.inner, &buffers.inner) {
            (Inner::Gpu(gpu), AnyBuffers::Gpu(buffers)) => self.gpu.read(gpu, buffers, range).await,
            (_, AnyBuffers::Processor(buffers)) => context.check().map(|()| buffers.read(&[range])),
            _ => unreachable!("buffers of this device"),
        }
    }
}
