//! Errors of devices. Each message is one line that names sizes and limits; the front end adds the remedy.

use thiserror::Error;

/// An error of a device.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// This machine has no adapter.
    #[error("no adapter found ({looked_in})")]
    NoAdapter {
        /// The backends that were searched.
        looked_in: String,
    },
    /// No adapter has the requested name or index.
    #[error("no adapter matches '{wanted}'; available: {available}")]
    UnknownAdapter {
        /// The requested name or index.
        wanted: String,
        /// Index and name of each adapter.
        available: String,
    },
    /// The adapter cannot open a device with the limits that lastbit requires.
    #[error("adapter '{adapter}' cannot open a device: {reason}")]
    NoDevice {
        /// Name of the adapter.
        adapter: String,
        /// The error message of wgpu.
        reason: String,
    },
    /// The processor lacks the requested instruction set.
    #[error("this processor has no {wanted} instructions; it has {available}")]
    NoInstructions {
        /// The requested instruction set.
        wanted: String,
        /// The instruction sets of this processor.
        available: String,
    },
    /// A buffer is larger than the adapter allows.
    #[error(
        "buffer '{label}' needs {} but this adapter binds at most {}", human_bytes(*asked), human_bytes(*limit)
    )]
    OverLimit {
        /// Purpose of the buffer.
        label: String,
        /// Size of the buffer in bytes.
        asked: u64,
        /// Largest binding in bytes.
        limit: u64,
    },
    /// There is not enough memory.
    #[error(
        "out of memory on the adapter: {} ({label}), {}",
        if *asked == 0 { "more is needed".to_owned() } else { format!("{} are needed", human_bytes(*asked)) },
        limit.map_or_else(|| "which it could not allocate".to_owned(), |limit| format!("{} are available", human_bytes(limit)))
    )]
    OutOfMemory {
        /// Purpose of the memory.
        label: String,
        /// Total bytes needed; 0 if unknown.
        asked: u64,
        /// Bytes available, if known.
        limit: Option<u64>,
    },
    /// The device was lost: the driver reset it, or it was destroyed.
    #[error("the device was lost ({0})")]
    DeviceLost(String),
    /// The driver refused a kernel or a call: a bug in lastbit or in the driver.
    #[error("the driver refused a kernel or a call (please report this): {0}")]
    Refused(String),
}

/// Formats a number of bytes with a binary unit, such as `1.50 GiB`.
#[must_use]
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.2} {}", UNITS[unit]) }
}
