//! What stands for the processor where its code is not carried: types without values, of the same shape.

use super::{AdapterSummary, DeviceError, DispatchTime, Fill, RunTime};
use crate::processor::{Class, Isa};
use crate::record::{BufferId, BufferTable, Recording};
use crate::threads::Threads;

/// No processor.
pub enum Processor {}

impl Processor {
    /// None.
    pub fn summaries(_isa: Option<Isa>, _threads: usize) -> Vec<(AdapterSummary, Class)> {
        Vec::new()
    }

    /// Nobody has a summary to open.
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

/// No buffers.
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

/// No program.
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
