//! Errors as the page reads them. The kind decides what the page offers (a restart, another value); the message is shown.

use lastbit_core::data::DataError;
use lastbit_core::device::DeviceError;
use lastbit_core::train::TrainError;
use wasm_bindgen::JsValue;

/// An error for the page.
pub struct Fault {
    /// A variant of `Fault` in `www/src/messages.ts`.
    kind: &'static str,
    message: String,
}

impl Fault {
    /// An invalid config or command.
    pub fn config(message: impl std::fmt::Display) -> Self {
        Self { kind: "config", message: message.to_string() }
    }

    /// A file of a data set that is missing or cannot be used.
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
            // The processor's module has no GPU to lose, but workers.
            DeviceError::DeviceLost(reason) if cfg!(not(feature = "gpu")) => reason,
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
        // The core names flags, such as `--batch-size`; the page's fields have the same names without dashes.
        let error = js_sys::Error::new(&message.replace("--", ""));
        error.set_name(kind);
        error.into()
    }
}
