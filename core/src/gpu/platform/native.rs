//! Natively somebody has to drive the device: the caller that waits does it.

/// Lets the device finish `submission`, so that callbacks registered before are called.
pub fn wait_for(device: &wgpu::Device, submission: &wgpu::SubmissionIndex) {
    let waited = device.poll(wgpu::PollType::Wait { submission_index: Some(submission.clone()), timeout: None });
    if waited.is_err() {
        // A lost device refuses to wait. Polling it once more calls the lost callback, which keeps the reason.
        let _ = device.poll(wgpu::PollType::Poll);
    }
}

/// See [`crate::gpu::spirv::compile`].
pub fn compile_spirv(wgsl: &str) -> Result<Vec<u32>, String> {
    crate::gpu::spirv::compile(wgsl)
}
