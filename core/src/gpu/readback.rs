//! Copies bytes from the GPU to the host through a pool of staging buffers, without blocking the step loop.

use std::cell::RefCell;

use futures_channel::oneshot;

use super::{Buffers, Context, Submitter, platform};
use crate::device::DeviceError;
use crate::record::BufferId;

/// A pool of staging buffers.
#[derive(Default)]
pub struct Readback {
    free: RefCell<Vec<wgpu::Buffer>>,
}

/// A copy in progress; [`Readback::take`] waits for it.
pub struct Pending {
    staging: wgpu::Buffer,
    bytes: u64,
    submission: wgpu::SubmissionIndex,
    mapped: oneshot::Receiver<Result<(), wgpu::BufferAsyncError>>,
}

impl Readback {
    fn staging(&self, context: &Context, bytes: u64) -> wgpu::Buffer {
        let mut free = self.free.borrow_mut();
        if let Some(position) = free.iter().position(|b| b.size() == bytes) {
            return free.swap_remove(position);
        }
        context.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("staging"),
            size: bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    /// Appends a copy of a range (buffer, offset and length in bytes, the length a multiple of 4) to `submitter`, submits, and
    /// starts to map the copy.
    pub fn capture(
        &self,
        context: &Context,
        submitter: Submitter<'_>,
        buffers: &Buffers,
        (buffer, offset, bytes): (BufferId, u64, u64),
    ) -> Pending {
        self.capture_raw(context, submitter, &[(buffers.get(buffer), offset, bytes)])
    }

    /// Like [`Readback::capture`] for several ranges, whose bytes are concatenated.
    pub fn capture_all(
        &self,
        context: &Context,
        submitter: Submitter<'_>,
        buffers: &Buffers,
        ranges: &[(BufferId, u64, u64)],
    ) -> Pending {
        let ranges: Vec<_> =
            ranges.iter().map(|&(buffer, offset, bytes)| (buffers.get(buffer), offset, bytes)).collect();
        self.capture_raw(context, submitter, &ranges)
    }

    fn capture_raw(
        &self,
        context: &Context,
        mut submitter: Submitter<'_>,
        ranges: &[(&wgpu::Buffer, u64, u64)],
    ) -> Pending {
        let bytes = ranges.iter().map(|(_, _, bytes)| bytes).sum();
        let staging = self.staging(context, bytes);
        let mut at = 0;
        for &(buffer, offset, bytes) in ranges {
            submitter.copy_to((buffer, offset), (&staging, at), bytes);
            at += bytes;
        }
        let Some(submission) = submitter.finish() else { unreachable!("a copy was encoded") };
        let (sender, mapped) = oneshot::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // Sending fails if the pending copy was dropped.
            let _ = sender.send(result);
        });
        Pending { staging, bytes, submission, mapped }
    }

    /// Waits for the copy, returns its bytes, and puts the staging buffer back into the pool.
    ///
    /// # Errors
    /// [`DeviceError::DeviceLost`] if the device is lost or the copy cannot be mapped, and any other failure that
    /// [`Context::check`] reports.
    pub async fn take(&self, context: &Context, pending: Pending) -> Result<Vec<u8>, DeviceError> {
        platform::wait_for(&context.device, &pending.submission);
        let mapped = pending.mapped.await;
        context.check()?;
        let failed = |reason: String| DeviceError::DeviceLost(reason);
        mapped.map_err(|e| failed(e.to_string()))?.map_err(|e| failed(e.to_string()))?;
        let bytes = {
            let view = pending.staging.get_mapped_range(..pending.bytes).map_err(|e| failed(e.to_string()))?;
            view.to_vec()
        };
        pending.staging.unmap();
        self.free.borrow_mut().push(pending.staging);
        Ok(bytes)
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
        let pending = self.capture(context, Submitter::new(context), buffers, range);
        let bytes = self.take(context, pending).await?;
        // Free large one-off copies: those of the state would double the memory.
        self.free.borrow_mut().retain(|b| b.size() < (1 << 20));
        Ok(bytes)
    }

    pub(super) async fn read_raw(
        &self,
        context: &Context,
        buffer: &wgpu::Buffer,
        bytes: u64,
    ) -> Result<Vec<u8>, DeviceError> {
        let pending = self.capture_raw(context, Submitter::new(context), &[(buffer, 0, bytes)]);
        self.take(context, pending).await
    }
}
