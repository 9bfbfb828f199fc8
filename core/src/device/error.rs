//! What can go wrong on a device, each as one line that names the size and the limit. The remedy is the front end's to word.

use thiserror::Error;

/// An error of a device.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// No adapter at all.
    #[error("no adapter found ({looked_in})")]
    NoAdapter {
        /// The backends that were asked.
        looked_in: String,
    },
    /// The adapter that was asked for is not there.
    #[error("no adapter matches '{wanted}'; there are: {available}")]
    UnknownAdapter {
        /// What was asked for.
        wanted: String,
        /// Index and name of each adapter.
        available: String,
    },
    /// The adapter cannot give what every adapter must.
    #[error("adapter '{adapter}' refuses a device: {reason}")]
    NoDevice {
        /// Name of the adapter.
        adapter: String,
        /// The driver's words.
        reason: String,
    },
    /// The processor has no such instructions.
    #[error("this processor has no {wanted} instructions; it has {available}")]
    NoInstructions {
        /// What was asked for.
        wanted: String,
        /// What there is.
        available: String,
    },
    /// A buffer is larger than the adapter allows.
    #[error(
        "buffer '{label}' needs {} but this adapter binds at most {}", human_bytes(*asked), human_bytes(*limit)
    )]
    OverLimit {
        /// What the buffer is for.
        label: String,
        /// Bytes asked for.
        asked: u64,
        /// Bytes allowed in one binding.
        limit: u64,
    },
    /// Memory is not enough.
    #[error(
        "out of memory on the adapter: {} ({label}), {}",
        if *asked == 0 { "more is needed".to_owned() } else { format!("{} are needed", human_bytes(*asked)) },
        limit.map_or_else(|| "which it refused".to_owned(), |limit| format!("{} are available", human_bytes(limit)))
    )]
    OutOfMemory {
        /// What the memory is for.
        label: String,
        /// Bytes asked for in all; 0 where the driver does not tell.
        asked: u64,
        /// Bytes there are, where known.
        limit: Option<u64>,
    },
    /// The device went away.
    #[error("the device was lost ({0})")]
    DeviceLost(String),
    /// A kernel or a call was refused: a defect of lastbit or of the driver.
    #[error("the driver refused a kernel or a call (please report this): {0}")]
    Refused(String),
}

/// Bytes as a person reads them: `1.50 GiB`.
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
