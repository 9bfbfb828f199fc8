//! Native platforms: whoever waits for the device must poll it.

/// Waits until the device has finished `submission`, and calls the callbacks registered before.
pub fn wait_for(device: &wgpu::Device, submission: &wgpu::SubmissionIndex) {
    let waited = device.poll(wgpu::PollType::Wait { submission_index: Some(submission.clone()), timeout: None });
    if waited.is_err() {
        // A lost device refuses to wait. Polling once more calls the lost callback, which stores the reason.
        let _ = device.poll(wgpu::PollType::Poll);
    }
}

/// See [`crate::gpu::spirv::compile`].
pub fn compile_spirv(wgsl: &str) -> Result<Vec<u32>, String> {
    crate::gpu::spirv::compile(wgsl)
}
