//! The results of a certification: promises, what was checked for each, and where one is broken.

use serde::Serialize;
use web_time::Instant;

use crate::device::DeviceError;
use crate::record::{Constant, Kernel};
use crate::train::TrainError;

/// Marks an element that a kernel has not written: a NaN that no operation computes.
pub const POISON: u32 = 0x7fc5_a5a5;

/// A promise of docs/RULES.md, and whether the device keeps it.
#[derive(Clone, Debug, Serialize)]
pub struct Promise {
    /// Name of the promise, such as `twins`.
    pub name: &'static str,
    /// What the device promises, in one sentence.
    pub meaning: &'static str,
    /// Whether everything that was checked holds. A documented exception is no break.
    pub kept: bool,
    /// A documented exception (docs/RULES.md) that the device makes use of, if any.
    pub exception: Option<String>,
    /// What was checked, such as `123 kernels in 4,567 launches`.
    pub checked: String,
    /// Duration of the check in seconds.
    pub seconds: f64,
    /// The first failures, at most [`MOST_FAILURES`].
    pub failures: Vec<Failure>,
    /// Number of all failures.
    pub failure_count: u64,
}

impl Promise {
    /// Whether the device makes use of a documented exception instead of what the promise says.
    #[must_use]
    pub fn is_excepted(&self) -> bool {
        self.exception.as_deref() == Some(super::FLUSHES)
    }
}

/// Most failures that a promise lists.
pub const MOST_FAILURES: usize = 12;

/// A difference that breaks a promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Failure {
    /// A kernel wrote other bits than its twin.
    Kernel(KernelFailure),
    /// Anything else, in words.
    Text(String),
}

/// The first element in which a kernel differs from its twin in one launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KernelFailure {
    /// Name of the shader.
    pub kernel: String,
    /// Constants of the kernel, such as `C=16 K=16`.
    pub constants: String,
    /// What was computed, such as `resnet20, training step of 5 images, layer1.0.conv1`.
    pub case: String,
    /// Purpose of the buffer.
    pub buffer: String,
    /// Index of the element in the kernel's binding, in words of 4 bytes.
    pub element: u64,
    /// Bits that the twin computes, 8 hex digits. [`super::POISON`] stands for an element that it does not write.
    pub expected: String,
    /// Bits that the device computed. [`super::POISON`] stands for an element that it did not write.
    pub found: String,
    /// Number of elements of this launch that differ.
    pub elements: u64,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kernel(KernelFailure { kernel, constants, case, buffer, element, expected, found, elements }) => {
                let more = if *elements > 1 { format!(", and {} more differ", elements - 1) } else { String::new() };
                write!(f, "{kernel} [{constants}] ({case}): {buffer}[{element}] is {found}, expected {expected}{more}")
            }
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// The first word that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Its index.
    pub element: u64,
    /// Its expected bits.
    pub expected: u32,
    /// Its bits.
    pub found: u32,
    /// Number of words that differ.
    pub elements: u64,
}

/// Collects what a check finds.
#[derive(Default)]
pub(super) struct Findings {
    pub failures: Vec<Failure>,
    pub failure_count: u64,
    pub seconds: f64,
}

impl Findings {
    pub fn add(&mut self, failure: Failure) {
        self.failure_count += 1;
        // Each kernel is listed once: its other launches fail for the same reason.
        let name = |failure: &Failure| match failure {
            Failure::Kernel(failure) => Some((failure.kernel.clone(), failure.constants.clone())),
            Failure::Text(_) => None,
        };
        let is_known = self.failures.iter().any(|known| name(known).is_some() && name(known) == name(&failure));
        if !is_known && self.failures.len() < MOST_FAILURES {
            self.failures.push(failure);
        }
    }

    /// Adds a difference in a buffer that `kernel` wrote.
    pub fn add_mismatch(&mut self, kernel: &Kernel, case: String, buffer: &str, mismatch: Mismatch) {
        let Mismatch { element, expected, found, elements } = mismatch;
        self.add(Failure::Kernel(KernelFailure {
            kernel: kernel.name().to_owned(),
            constants: constants(kernel),
            case,
            buffer: buffer.to_owned(),
            element,
            expected: format!("{expected:08x}"),
            found: format!("{found:08x}"),
            elements,
        }));
    }

    pub fn add_text(&mut self, text: impl Into<String>) {
        self.add(Failure::Text(text.into()));
    }

    /// The promise with these findings.
    pub fn promise(self, name: &'static str, meaning: &'static str, checked: String) -> Promise {
        let Self { failures, failure_count, seconds } = self;
        let kept = failure_count == 0;
        Promise { name, meaning, kept, exception: None, checked, seconds, failures, failure_count }
    }
}

fn constants(kernel: &Kernel) -> String {
    let text = |(name, value): &(&str, Constant)| match value {
        Constant::U32(value) => format!("{name}={value}"),
        Constant::F32(value) => format!("{name}={value:?}"),
        Constant::Bool(value) => format!("{name}={value}"),
    };
    kernel.constants().iter().map(text).collect::<Vec<_>>().join(" ")
}

/// A failure of the device during a check becomes a finding: a certificate also says what a driver refuses. Other errors
/// end the certification.
pub(super) fn note<T>(findings: &mut Findings, result: Result<T, TrainError>) -> Result<Option<T>, TrainError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(TrainError::Gpu(
            error @ (DeviceError::Refused(_) | DeviceError::OutOfMemory { .. } | DeviceError::OverLimit { .. }),
        )) => {
            findings.add_text(error.to_string());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Seconds since `start`.
pub(super) fn since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64()
}
