//! In a browser the event loop drives the device: awaiting the callback is all there is to do.

/// Does nothing: the browser calls back by itself.
pub fn wait_for(_device: &wgpu::Device, _submission: &wgpu::SubmissionIndex) {}

/// A browser takes WGSL alone.
pub fn compile_spirv(_wgsl: &str) -> Result<Vec<u32>, String> {
    Err("a browser compiles no SPIR-V".to_owned())
}
