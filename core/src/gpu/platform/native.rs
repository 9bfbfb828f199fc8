//! Natively somebody has to drive the device: the caller that waits does it.

/// Lets the device finish `submission`, so that callbacks registered before are called.
pub fn wait_for(device: &wgpu::Device, submission: &wgpu::SubmissionIndex) {
    // A lost device fails here; the context's lost callback has the reason, and readers check it.
    let _ = device.poll(wgpu::PollType::Wait { submission_index: Some(submission.clone()), timeout: None });
}
