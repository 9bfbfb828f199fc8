//! Stand-ins for the processor's types in builds that do not contain its code. They have the same methods and no values.

use super::{AdapterSummary, DeviceError, DispatchTime, Fill, RunTime};
use crate::processor::{Class, Isa};
use crate::record::{BufferId, BufferTable, Recording};
use crate::threads::Threads;

/// A processor device that cannot be created.
pub enum Processor {}

impl Processor {
    /// Returns an empty list.
    pub fn summaries(_isa: Option<Isa>, _threads: usize) -> Vec<(AdapterSummary, Class)> {
        Vec::new()
    }

    /// Always fails; unreachable, because `summaries` is empty.
    pub fn new(_class: Class, _isa: Option<Isa>, _threads: Threads) -> Result<Self, DeviceError> {
        Err(DeviceError::NoAdapter { looked_in: "WebGPU".to_owned() })
    }

    pub fn check(&self) -> Result<(), DeviceError> {
        match *self {}
    }

    pub fn destroy(&self) {
        match *self {}
    }
}

/// Buffers that cannot be created.
pub enum Buffers {}

impl Buffers {
    pub fn allocate(processor: &Processor, _table: &BufferTable, _fill: Fill) -> Result<Self, DeviceError> {
        match *processor {}
    }

    pub fn write(&self, _buffer: BufferId, _offset: u64, _bytes: &[u8]) {
        match *self {}
    }

    pub fn read(&self, _ranges: &[(BufferId, u64, u64)]) -> Vec<u8> {
        match *self {}
    }
}

/// A program that cannot be created.
pub enum Program {}

impl Program {
    pub fn build(buffers: &Buffers, _recording: &Recording) -> Result<Self, DeviceError> {
        match *buffers {}
    }

    pub fn launches(&self) -> usize {
        match *self {}
    }

    pub fn run(&self, _processor: &Processor) {
        match *self {}
    }

    pub fn time(&self, _processor: &Processor, _repeats: u32) -> Result<RunTime, DeviceError> {
        match *self {}
    }

    pub fn profile(&self, _processor: &Processor) -> Result<Vec<DispatchTime>, DeviceError> {
        match *self {}
    }
}
