//! Browsers: the event loop drives the device, and callers await callbacks.

/// Does nothing, because the browser runs the callbacks.
pub fn wait_for(_device: &wgpu::Device, _submission: &wgpu::SubmissionIndex) {}

/// Always fails, because browsers accept only WGSL.
pub fn compile_spirv(_wgsl: &str) -> Result<Vec<u32>, String> {
    Err("browsers do not accept SPIR-V".to_owned())
}
