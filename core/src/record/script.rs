//! A script: what a run does, step by step, as plain data.

use super::{BufferId, BufferTable, Recording};

/// What the host writes, and the recordings that run in between, with the buffers of both.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// All buffers.
    pub table: BufferTable,
    /// Writes and recordings, in order.
    pub acts: Vec<Act>,
    /// The buffers that hold the results of a run.
    pub results: Vec<BufferId>,
}

/// One entry of a script.
#[derive(Clone, Debug)]
pub enum Act {
    /// The host writes `bytes` at the start of a buffer.
    Write(BufferId, Vec<u8>),
    /// A recording runs once.
    Run {
        /// What the recording computes, such as `training step of 4 images`.
        name: String,
        /// The recording.
        recording: Recording,
    },
}

impl Act {
    /// Runs `recording`, which computes `name`.
    #[must_use]
    pub fn run(name: impl Into<String>, recording: Recording) -> Self {
        Self::Run { name: name.into(), recording }
    }
}
