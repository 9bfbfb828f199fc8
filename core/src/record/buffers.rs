//! Buffers by number: what they are for, how large they are, and which part of one a kernel sees.

/// A buffer of a [`BufferTable`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BufferId(pub(crate) usize);

impl BufferId {
    /// Position in its table.
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }
}

/// What a buffer is for and how large it is.
#[derive(Clone, Debug)]
pub struct BufferSpec {
    /// For error messages, debuggers and the memory table.
    pub label: String,
    /// Size, a multiple of 16.
    pub bytes: u64,
}

/// All buffers that a group of recordings works on.
#[derive(Clone, Debug, Default)]
pub struct BufferTable {
    specs: Vec<BufferSpec>,
}

impl BufferTable {
    /// Adds a buffer of `bytes` (rounded up to 16).
    pub fn add(&mut self, label: impl Into<String>, bytes: u64) -> BufferId {
        self.specs.push(BufferSpec { label: label.into(), bytes: bytes.max(16).next_multiple_of(16) });
        BufferId(self.specs.len() - 1)
    }

    /// Makes a buffer at least `bytes` long. Bindings made before keep their length.
    pub fn grow(&mut self, id: BufferId, bytes: u64) {
        let spec = &mut self.specs[id.0];
        spec.bytes = spec.bytes.max(bytes.next_multiple_of(16));
    }

    /// The buffers, in order.
    #[must_use]
    pub fn specs(&self) -> &[BufferSpec] {
        &self.specs
    }

    /// Their ids, in order.
    pub fn ids(&self) -> impl Iterator<Item = BufferId> {
        (0..self.specs.len()).map(BufferId)
    }

    /// One buffer's description.
    #[must_use]
    pub fn spec(&self, id: BufferId) -> &BufferSpec {
        &self.specs[id.0]
    }

    /// The whole buffer as a binding.
    #[must_use]
    pub fn whole(&self, id: BufferId) -> Binding {
        Binding { buffer: id, offset: 0, bytes: self.specs[id.0].bytes }
    }

    /// From `offset` (a multiple of 256) to the end.
    #[must_use]
    pub fn from(&self, id: BufferId, offset: u64) -> Binding {
        Binding { buffer: id, offset, bytes: self.specs[id.0].bytes - offset }
    }

    /// Bytes of all buffers.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.specs.iter().map(|s| s.bytes).sum()
    }

    /// The first buffer of more than `limit` bytes.
    #[must_use]
    pub fn first_over(&self, limit: u64) -> Option<&BufferSpec> {
        self.specs.iter().find(|s| s.bytes > limit)
    }
}

/// A range of a buffer, bound to a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The buffer.
    pub buffer: BufferId,
    /// First byte, a multiple of 256.
    pub offset: u64,
    /// Length in bytes.
    pub bytes: u64,
}
