//! Errors as the page reads them: the kind decides what it offers (a restart, another value), the line is shown.

use lastbit_core::data::DataError;
use lastbit_core::device::DeviceError;
use lastbit_core::train::TrainError;
use wasm_bindgen::JsValue;

/// Something that went wrong.
pub struct Fault {
    /// One of the page's `Fault`s.
    kind: &'static str,
    message: String,
}

impl Fault {
    /// A config or a command that cannot be followed.
    pub fn config(message: impl std::fmt::Display) -> Self {
        Self { kind: "config", message: message.to_string() }
    }

    /// Files that cannot be used, or are missing.
    pub fn data(message: impl std::fmt::Display) -> Self {
        Self { kind: "data", message: message.to_string() }
    }
}

impl From<DeviceError> for Fault {
    fn from(error: DeviceError) -> Self {
        let kind = match error {
            DeviceError::DeviceLost(_) => "device-lost",
            DeviceError::OverLimit { .. } | DeviceError::OutOfMemory { .. } => "out-of-memory",
            _ => "gpu",
        };
        let message = match error {
            DeviceError::DeviceLost(reason) => format!("the GPU device was lost ({reason})"),
            DeviceError::OverLimit { .. } => format!("{error}: use a smaller batch or network"),
            DeviceError::OutOfMemory { .. } => format!("{error}: train fewer replicas at once, or use a smaller batch"),
            error => error.to_string(),
        };
        Self { kind, message }
    }
}

impl From<TrainError> for Fault {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Gpu(error) => error.into(),
            error => Self::config(error),
        }
    }
}

impl From<DataError> for Fault {
    fn from(error: DataError) -> Self {
        Self::data(error)
    }
}

impl From<Fault> for JsValue {
    fn from(Fault { kind, message }: Fault) -> Self {
        // The core speaks of flags; the page's fields have their names without dashes.
        let error = js_sys::Error::new(&message.replace("--", ""));
        error.set_name(kind);
        error.into()
    }
}
