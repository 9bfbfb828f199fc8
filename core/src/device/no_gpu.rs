//! Stand-ins for the GPU's types in builds that do not contain its code. They have the same methods and no values.

use std::convert::Infallible;
use std::marker::PhantomData;

use super::{AdapterSummary, DeviceError, DispatchTime, Fill, RunTime};
use crate::gpu::{ShaderPatch, ShaderPath};
use crate::record::{BufferId, BufferTable, Recording};
use crate::threads::Threads;

/// An adapter that is never found.
pub struct Adapter {
    pub summary: AdapterSummary,
    never: Infallible,
}

/// Returns an empty list.
pub async fn adapters() -> Vec<Adapter> {
    Vec::new()
}

/// A device that cannot be created.
pub enum Context {}

impl Context {
    pub async fn new(
        adapter: Adapter,
        _threads: Threads,
        _shader_path: ShaderPath,
        _patch: Option<ShaderPatch>,
    ) -> Result<Self, DeviceError> {
        match adapter.never {}
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
    pub async fn allocate(context: &Context, _table: &BufferTable, _fill: Fill) -> Result<Self, DeviceError> {
        match *context {}
    }

    pub fn write(&self, _context: &Context, _buffer: BufferId, _offset: u64, _bytes: &[u8]) {
        match *self {}
    }
}

/// A program that cannot be created.
pub enum Program {}

impl Program {
    pub async fn build(
        context: &Context,
        _buffers: &Buffers,
        _recording: &Recording,
        _limit_flops: u64,
    ) -> Result<Self, DeviceError> {
        match *context {}
    }

    pub fn launches(&self) -> usize {
        match *self {}
    }

    pub fn time(&self, _context: &Context, _buffers: &Buffers, _repeats: u32) -> Result<RunTime, DeviceError> {
        match *self {}
    }

    pub async fn profile(&self, _context: &Context, _buffers: &Buffers) -> Result<Vec<DispatchTime>, DeviceError> {
        match *self {}
    }
}

/// A submitter that cannot be created.
pub struct Submitter<'a> {
    never: Infallible,
    of: PhantomData<&'a Context>,
}

impl<'a> Submitter<'a> {
    pub fn new(context: &'a Context) -> Self {
        match *context {}
    }

    pub fn discarding(context: &'a Context) -> Self {
        match *context {}
    }

    pub fn run(&mut self, _program: &Program, _buffers: &Buffers) {
        match self.never {}
    }

    pub fn submit(&mut self) {
        match self.never {}
    }

    pub fn wait(self) {
        match self.never {}
    }
}

/// A pool of staging buffers that is never used.
#[derive(Default)]
pub struct Readback;

/// A copy that cannot be started.
pub struct Pending {
    never: Infallible,
}

impl Readback {
    pub fn capture_all(
        &self,
        context: &Context,
        _submitter: Submitter<'_>,
        _buffers: &Buffers,
        _ranges: &[(BufferId, u64, u64)],
    ) -> Pending {
        match *context {}
    }

    pub async fn take(&self, _context: &Context, pending: Pending) -> Result<Vec<u8>, DeviceError> {
        match pending.never {}
    }

    pub async fn read(
        &self,
        context: &Context,
        _buffers: &Buffers,
        _range: (BufferId, u64, u64),
    ) -> Result<Vec<u8>, DeviceError> {
        match *context {}
    }
}
