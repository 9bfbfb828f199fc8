//! Errors of the equations.

use thiserror::Error;

use crate::device::DeviceError;

/// An error in setting up or running an equation.
#[derive(Debug, Error)]
pub enum PdeError {
    /// The device failed.
    #[error(transparent)]
    Gpu(#[from] DeviceError),
    /// An invalid value.
    #[error("{name} must be {wanted}, not {found}")]
    Value {
        /// Name of the value, such as `dt`, `alpha` or `kernel size`.
        name: &'static str,
        /// The valid values.
        wanted: String,
        /// The given value.
        found: String,
    },
    /// A buffer is larger than the largest storage binding of the adapter.
    #[error(
        "{replicas} replicas of a {kernel} x {kernel} kernel on this image need a buffer of {asked} bytes, and this \
         adapter binds at most {limit}: use fewer replicas, a smaller image or a smaller kernel"
    )]
    TooLarge {
        /// Number of replicas in the run.
        replicas: usize,
        /// Edge length of the kernel.
        kernel: u32,
        /// Size of the largest buffer in bytes.
        asked: u64,
        /// Largest binding in bytes.
        limit: u64,
    },
}

impl PdeError {
    pub(super) fn value(name: &'static str, wanted: impl Into<String>, found: impl std::fmt::Display) -> Self {
        Self::Value { name, wanted: wanted.into(), found: found.to_string() }
    }
}
