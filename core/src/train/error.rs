//! Errors of a run.

use thiserror::Error;

use super::config::ConfigError;
use crate::device::DeviceError;
use crate::nets::NetError;

/// Why a run cannot start or continue.
#[derive(Debug, Error)]
pub enum TrainError {
    /// An error of the device.
    #[error(transparent)]
    Gpu(#[from] DeviceError),
    /// An invalid value in the config.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An invalid network, or one that cannot take the data set's images.
    #[error(transparent)]
    Net(#[from] NetError),
    /// A start state of another network or other divisors.
    #[error("{0}")]
    Start(String),
}
