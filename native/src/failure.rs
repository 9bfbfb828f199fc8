//! Errors for the user: a line and an exit code.

use std::fmt::Display;
use std::io::{Error, ErrorKind};
use std::path::Path;

use lastbit_core::device::DeviceError;
use lastbit_core::nets::NetError;
use lastbit_core::pde::PdeError;
use lastbit_core::train::{ConfigError, TrainError};

const USAGE: u8 = 2;
/// The exit code of any other failure.
pub const OTHER: u8 = 1;

/// An error for the user: what is wrong and what to do about it, in one line.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// A bad flag or value: exit code 2.
    pub fn usage(message: impl Display) -> Self {
        Self::new(USAGE, message)
    }

    /// Anything else: exit code 1.
    pub fn other(message: impl Display) -> Self {
        Self::new(OTHER, message)
    }

    /// A file or folder that could not be read or written.
    pub fn file(action: &str, path: &Path, error: &Error) -> Self {
        let remedy = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                "make room, then run the same command again (train: with --resume); what was written before is kept"
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                "use a path that this user may read and write"
            }
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists => "a file is in the way, choose another folder",
            ErrorKind::NotFound => "check the path",
            _ => "check the disk and the path",
        };
        Self::other(format!("cannot {action} '{}': {error}: {remedy}", path.display()))
    }

    /// A file or folder of the command line that cannot be used: exit code 2, or 1 if the disk is full or fails.
    pub fn given(action: &str, path: &Path, error: &Error) -> Self {
        let is_of_disk = matches!(
            error.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge | ErrorKind::Other
        );
        let failure = Self::file(action, path, error);
        if is_of_disk { failure } else { Self { code: USAGE, ..failure } }
    }

    /// If the value of the flag that the message begins with comes from a file, replaces the flag by the place in the file:
    /// `place` returns the place of a key, or `None` if the file does not have it.
    pub fn located(self, place: impl Fn(&str) -> Option<String>) -> Self {
        let key = self.message.strip_prefix("--").and_then(|rest| rest.split_once(": "));
        match key.and_then(|(key, problem)| Some(format!("{}: {key}: {problem}", place(key)?))) {
            Some(message) => Self { message, ..self },
            None => self,
        }
    }

    /// The same failure, with the name of the run, `part`, before it.
    pub fn within(self, part: impl Display) -> Self {
        // `part` names the adapter, and the user did not give this flag.
        let message = self.message.strip_prefix("--adapter: ").unwrap_or(&self.message);
        Self::new(self.code, format!("{part}: {message}"))
    }

    /// A failure with this exit code.
    pub fn new(code: u8, message: impl Display) -> Self {
        // Messages of drivers and parsers may have several lines.
        let message = message.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        Self { code, message }
    }

    /// The exit code of the program.
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(format!("--{error}"))
    }
}

impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Self {
        let remedy = match &error {
            DeviceError::UnknownAdapter { .. } => return Self::usage(format!("--adapter: {error}")),
            DeviceError::NoAdapter { .. } => "install a Vulkan, Metal or DX12 driver, or use --adapter processor",
            DeviceError::NoDevice { .. } => "choose another adapter with --adapter (see `lastbit adapters`)",
            DeviceError::OverLimit { .. } => "use a smaller batch (--batch-size) or network",
            DeviceError::OutOfMemory { .. } => "use a smaller batch (--batch-size) or fewer replicas (--ks)",
            DeviceError::DeviceLost(_) => "continue the run from its last checkpoint with --resume",
            DeviceError::NoInstructions { .. } | DeviceError::Refused(_) => return Self::other(error),
        };
        Self::other(format!("{error}: {remedy}"))
    }
}

impl From<PdeError> for Failure {
    fn from(error: PdeError) -> Self {
        match error {
            PdeError::Gpu(error) => error.into(),
            PdeError::Value { .. } | PdeError::TooLarge { .. } => Self::usage(error),
        }
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Gpu(error) => error.into(),
            TrainError::Config(error) => error.into(),
            TrainError::Net(error @ NetError::Width(_)) => Self::usage(format!("--width: {error}")),
            TrainError::Net(error) => Self::usage(format!("--net: {error}")),
            TrainError::Start(_) => Self::usage(error),
        }
    }
}
