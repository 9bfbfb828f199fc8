//! Buffers by number: the purpose and size of each, and the ranges of them that kernels bind.

/// Identifies a buffer in its [`BufferTable`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BufferId(pub(crate) usize);

impl BufferId {
    /// Position in the table.
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }
}

/// Purpose and size of a buffer.
#[derive(Clone, Debug)]
pub struct BufferSpec {
    /// Name in error messages, debuggers and the memory table.
    pub label: String,
    /// Size in bytes, a multiple of 16.
    pub bytes: u64,
}

/// The buffers that a group of recordings shares.
#[derive(Clone, Debug, Default)]
pub struct BufferTable {
    specs: Vec<BufferSpec>,
}

impl BufferTable {
    /// Adds a buffer of `bytes`, rounded up to a multiple of 16.
    pub fn add(&mut self, label: impl Into<String>, bytes: u64) -> BufferId {
        self.specs.push(BufferSpec { label: label.into(), bytes: bytes.max(16).next_multiple_of(16) });
        BufferId(self.specs.len() - 1)
    }

    /// Grows a buffer to at least `bytes`. Existing bindings keep their length.
    pub fn grow(&mut self, id: BufferId, bytes: u64) {
        let spec = &mut self.specs[id.0];
        spec.bytes = spec.bytes.max(bytes.next_multiple_of(16));
    }

    /// Shrinks a buffer that no recording binds to the least size.
    pub fn shrink(&mut self, id: BufferId) {
        self.specs[id.0].bytes = 16;
    }

    /// The buffers, in order.
    #[must_use]
    pub fn specs(&self) -> &[BufferSpec] {
        &self.specs
    }

    /// The ids of all buffers, in order.
    pub fn ids(&self) -> impl Iterator<Item = BufferId> {
        (0..self.specs.len()).map(BufferId)
    }

    /// The description of one buffer.
    #[must_use]
    pub fn spec(&self, id: BufferId) -> &BufferSpec {
        &self.specs[id.0]
    }

    /// The whole buffer as a binding.
    #[must_use]
    pub fn whole(&self, id: BufferId) -> Binding {
        Binding { buffer: id, offset: 0, bytes: self.specs[id.0].bytes }
    }

    /// The range from `offset` (in bytes, a multiple of 256) to the end of the buffer.
    #[must_use]
    pub fn from(&self, id: BufferId, offset: u64) -> Binding {
        Binding { buffer: id, offset, bytes: self.specs[id.0].bytes - offset }
    }

    /// Sum of the sizes of all buffers, in bytes.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.specs.iter().map(|s| s.bytes).sum()
    }

    /// The first buffer larger than `limit` bytes.
    #[must_use]
    pub fn first_over(&self, limit: u64) -> Option<&BufferSpec> {
        self.specs.iter().find(|s| s.bytes > limit)
    }
}

/// A range of a buffer that a kernel binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The buffer.
    pub buffer: BufferId,
    /// First byte, a multiple of 256.
    pub offset: u64,
    /// Length in bytes.
    pub bytes: u64,
}
