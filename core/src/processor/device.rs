//! The processor as an adapter: its instruction set, class and threads; buffers in the host's memory.

use std::cell::Cell;
use std::sync::Arc;

use super::isa::{Class, Isa};
use super::memory::Memory;
use crate::device::{AdapterSummary, DeviceError, Family, Fill, JUNK_WORD};
use crate::record::{BufferId, BufferTable};
use crate::threads::Threads;

/// The machine's own cores, with one instruction set and one class.
pub struct Processor {
    pub(super) isa: Isa,
    pub(super) class: Class,
    pub(super) threads: Threads,
    is_lost: Cell<bool>,
}

impl Processor {
    /// Describes the processor as adapters, one for each class of the instruction set. `None` selects the best one.
    pub fn summaries(isa: Option<Isa>, threads: usize) -> Vec<(AdapterSummary, Class)> {
        let isa = isa.unwrap_or_else(Isa::best);
        let classes = Class::ALL.into_iter().filter(|class| class.is_in(isa));
        let mut all: Vec<_> = classes.map(|class| (summary(isa, class, threads), class)).collect();
        if isa == Isa::Plain {
            // Without an FMA instruction each fused multiply-add is a call into the C library, so the separate class comes first.
            all.reverse();
        }
        all
    }

    /// Opens the processor. `None` selects the best instruction set.
    ///
    /// # Errors
    /// [`DeviceError::NoInstructions`] if the machine lacks the instruction set.
    pub fn new(class: Class, isa: Option<Isa>, threads: Threads) -> Result<Self, DeviceError> {
        let isa = isa.unwrap_or_else(Isa::best);
        isa.check()?;
        Ok(Self { isa, class, threads, is_lost: Cell::new(false) })
    }

    /// Checks that the processor is usable. Only tests destroy it.
    ///
    /// # Errors
    /// [`DeviceError::DeviceLost`] after [`Processor::destroy`].
    pub fn check(&self) -> Result<(), DeviceError> {
        if self.is_lost.get() { Err(DeviceError::DeviceLost("destroyed".to_owned())) } else { Ok(()) }
    }

    /// Marks the processor as lost.
    pub fn destroy(&self) {
        self.is_lost.set(true);
    }
}

fn summary(isa: Isa, class: Class, threads: usize) -> AdapterSummary {
    let plural = if threads == 1 { "" } else { "s" };
    AdapterSummary {
        name: class.adapter().to_owned(),
        kind: "Cpu".to_owned(),
        driver: class.name().to_owned(),
        backend: "processor".to_owned(),
        software: true,
        family: Family::Processor,
        vendor: 0,
        detail: Some(format!("{}, {threads} thread{plural}", isa.name())),
        // Kernels index floats with a u32 on every device.
        max_binding_bytes: 4 << 32,
        max_buffer_bytes: 4 << 32,
        timestamps: false,
        limits: Vec::new(),
    }
}

/// The buffers of a [`BufferTable`]. Programs keep them alive.
pub struct Buffers {
    pub(super) memory: Arc<Memory>,
}

impl Buffers {
    /// Allocates every buffer of `table` and fills it with `fill`.
    ///
    /// # Errors
    /// [`DeviceError::OutOfMemory`] if the system refuses the memory.
    pub fn allocate(_processor: &Processor, table: &BufferTable, fill: Fill) -> Result<Self, DeviceError> {
        let Some(memory) = Memory::allocate(table) else {
            let (label, asked) = ("all replicas".to_owned(), table.total_bytes());
            return Err(DeviceError::OutOfMemory { label, asked, limit: None });
        };
        let buffers = Self { memory: Arc::new(memory) };
        if fill == Fill::Junk {
            for id in table.ids() {
                let junk = vec![JUNK_WORD; (table.spec(id).bytes / 4) as usize];
                buffers.write(id, 0, bytemuck::cast_slice(&junk));
            }
        }
        Ok(buffers)
    }

    /// Writes `bytes` to `buffer` from byte `offset` on. The write is complete on return.
    pub fn write(&self, buffer: BufferId, offset: u64, bytes: &[u8]) {
        let start = offset as usize;
        let view = self.memory.bytes(buffer);
        // SAFETY: a caller that runs a program waits for it, so none runs now.
        unsafe { view.write(start..start + bytes.len()) }.copy_from_slice(bytes);
    }

    /// The bytes of the ranges `(buffer, offset, bytes)`, concatenated.
    pub fn read(&self, ranges: &[(BufferId, u64, u64)]) -> Vec<u8> {
        let mut all = Vec::with_capacity(ranges.iter().map(|(_, _, bytes)| *bytes as usize).sum());
        for &(buffer, offset, bytes) in ranges {
            let start = offset as usize;
            let view = self.memory.bytes(buffer);
            // SAFETY: as in `write`.
            all.extend_from_slice(unsafe { view.read(start..start + bytes as usize) });
        }
        all
    }
}
