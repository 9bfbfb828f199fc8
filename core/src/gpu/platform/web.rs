//! In a browser the event loop drives the device: awaiting the callback is all there is to do. A device stays in its thread.

/// Does the pieces 0 to n - 1 of some work, each once, in any order; returns when all are done.
pub type Spread = fn(usize, &dyn Fn(usize));

/// Does nothing: the browser calls back by itself.
pub fn wait_for(_device: &wgpu::Device, _submission: &wgpu::SubmissionIndex) {}
