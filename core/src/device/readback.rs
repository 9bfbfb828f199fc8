//! Copies bytes from a device to the host without blocking the step loop.

use super::context::Inner;
use super::program::{AnyBuffers, AnySubmitter};
use super::{Buffers, Context, DeviceError, Submitter, gpu};
use crate::record::BufferId;

/// A pool of staging buffers.
#[derive(Default)]
pub struct Readback {
    gpu: gpu::Readback,
}

/// A copy in progress; [`Readback::take`] waits for it.
pub struct Pending {
    inner: AnyPending,
}

enum AnyPending {
    Gpu(gpu::Pending),
    /// The processor copies at once.
    Ready(Vec<u8>),
}

impl Readback {
    /// Appends a copy of `range` (buffer, offset and length in bytes, the length a multiple of 4) to `submitter`, submits, and
    /// starts to transfer the copy.
    pub fn capture(
        &self,
        context: &Context,
        submitter: Submitter<'_>,
        buffers: &Buffers,
        range: (BufferId, u64, u64),
    ) -> Pending {
        self.capture_all(context, submitter, buffers, &[range])
    }

    /// Like [`Readback::capture`] for several ranges, whose bytes are concatenated.
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
            (_, _, AnyBuffers::Processor(buffers)) => AnyPending::Ready(buffers.read(ranges)),
            _ => unreachable!("submitter and buffers belong to one device"),
        };
        Pending { inner }
    }

    /// Waits for the copy and returns its bytes.
    ///
    /// # Errors
    /// [`DeviceError::DeviceLost`] if the device is lost or the copy cannot be mapped, and any other failure that
    /// [`Context::check`] reports.
    pub async fn take(&self, context: &Context, pending: Pending) -> Result<Vec<u8>, DeviceError> {
        match (pending.inner, &context.inner) {
            (AnyPending::Gpu(pending), Inner::Gpu(gpu)) => self.gpu.take(gpu, pending).await,
            (AnyPending::Ready(bytes), _) => context.check().map(|()| bytes),
            (AnyPending::Gpu(_), Inner::Processor(_)) => unreachable!("a GPU's copy is taken through its own context"),
        }
    }

    /// Reads `range` (buffer, offset and length in bytes) and waits for it: for state and tests, not for the step loop.
    ///
    /// # Errors
    /// Same as [`Readback::take`].
    pub async fn read(
        &self,
        context: &Context,
        buffers: &Buffers,
        range: (BufferId, u64, u64),
    ) -> Result<Vec<u8>, DeviceError> {
        match (&context.inner, &buffers.inner) {
            (Inner::Gpu(gpu), AnyBuffers::Gpu(buffers)) => self.gpu.read(gpu, buffers, range).await,
            (_, AnyBuffers::Processor(buffers)) => context.check().map(|()| buffers.read(&[range])),
            _ => unreachable!("buffers belong to this device"),
        }
    }
}
