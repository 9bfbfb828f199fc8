//! Durations of dispatches and programs.

/// Time of one dispatch, summed over its pieces.
#[derive(Clone, Debug)]
pub struct DispatchTime {
    /// Name of the layer.
    pub label: String,
    /// Name of the shader.
    pub kernel: &'static str,
    /// Duration in seconds.
    pub seconds: f64,
}

/// Duration of a program, by the host's clock.
#[derive(Clone, Copy, Debug)]
pub struct RunTime {
    /// Seconds of one run of the program.
    pub seconds: f64,
    /// Seconds of the longest submit. It must stay far below two seconds, after which Windows considers a device hung. 0 on
    /// the processor, which has no such limit.
    pub longest_submit: f64,
}
