//! A recording is plain data: what to dispatch and what to copy, in order. It stands between the algorithm and wgpu.

use super::{GpuError, Job, Kernel};

/// A buffer of a [`BufferTable`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BufferId(pub(super) usize);

/// What a buffer is for and how large it is.
#[derive(Clone, Debug)]
pub struct BufferSpec {
    /// For error messages, debuggers and the memory table.
    pub label: String,
    /// Size, a multiple of 4.
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

    /// Fails if a buffer passes what one binding may span.
    ///
    /// # Errors
    /// [`GpuError::OverLimit`] names the first such buffer.
    pub fn check_limit(&self, limit: u64) -> Result<(), GpuError> {
        match self.specs.iter().find(|s| s.bytes > limit) {
            Some(s) => Err(GpuError::OverLimit { label: s.label.clone(), asked: s.bytes, limit }),
            None => Ok(()),
        }
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

/// One launch of a kernel: `tiles` workgroups for each of `replicas`.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// The kernel.
    pub kernel: Kernel,
    /// Bindings 1, 2, ... in the order of the shader (binding 0 is the job).
    pub bindings: Vec<Binding>,
    /// Workgroups in x: the tiles of one replica.
    pub tiles: u32,
    /// Workgroups in y.
    pub replicas: u32,
    /// The data.
    pub job: Job,
    /// Useful floating-point operations of all replicas, for the split and the benchmarks.
    pub flops: u64,
    /// Bytes that have to move at least, for the same.
    pub bytes: u64,
    /// The layer, for profiles: `layer1.0.conv1`.
    pub label: String,
}

/// Operations that take about as long as moving a byte: a guess that suits processors and GPUs, only used to keep
/// dispatches and submits short.
pub(super) const OPERATIONS_PER_BYTE: u64 = 4;

impl Dispatch {
    /// How long it takes, in operations: by its arithmetic or by its memory traffic, whichever is more.
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.flops.max(self.bytes * OPERATIONS_PER_BYTE)
    }
}

/// One entry of a recording.
#[derive(Clone, Debug)]
pub enum Command {
    /// Launch a kernel.
    Dispatch(Dispatch),
    /// Copy `bytes` between two different buffers.
    Copy {
        /// Source and its offset.
        from: (BufferId, u64),
        /// Destination and its offset.
        to: (BufferId, u64),
        /// Length.
        bytes: u64,
    },
    /// Fill a buffer with zero bytes.
    Clear(BufferId),
}

/// A list of commands, and the values every job of it shares.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// In order.
    pub commands: Vec<Command>,
    /// Workgroups in y of every dispatch that has a replica axis.
    pub replicas: u32,
    /// Template of every job.
    pub job: Job,
}

impl Recording {
    /// An empty recording for `replicas` replicas.
    #[must_use]
    pub fn new(replicas: u32, job: Job) -> Self {
        Self { commands: Vec::new(), replicas, job }
    }

    /// Appends a dispatch over all replicas with the recording's job.
    pub fn dispatch(&mut self, label: &str, kernel: Kernel, bindings: &[Binding], tiles: u32, work: Work) {
        self.dispatch_job(label, kernel, bindings, tiles, work, self.job);
    }

    /// Appends a dispatch over all replicas with a job of its own.
    pub fn dispatch_job(
        &mut self,
        label: &str,
        kernel: Kernel,
        bindings: &[Binding],
        tiles: u32,
        work: Work,
        job: Job,
    ) {
        let replicas = if work.shared { 1 } else { self.replicas };
        self.commands.push(Command::Dispatch(Dispatch {
            kernel,
            bindings: bindings.to_vec(),
            tiles: tiles.max(1),
            replicas,
            job,
            flops: work.flops * u64::from(replicas),
            bytes: work.bytes * u64::from(replicas),
            label: label.to_owned(),
        }));
    }

    /// The dispatches, in order.
    pub fn dispatches(&self) -> impl Iterator<Item = &Dispatch> {
        self.commands.iter().filter_map(|c| match c {
            Command::Dispatch(d) => Some(d),
            _ => None,
        })
    }

    /// Sum over the dispatches.
    #[must_use]
    pub fn flops(&self) -> u64 {
        self.dispatches().map(|d| d.flops).sum()
    }
}

/// What a dispatch has to do at least, for one replica.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Floating-point operations (an fma counts two).
    pub flops: u64,
    /// Bytes read and written.
    pub bytes: u64,
    /// True for a kernel without a replica axis (the batch is shared).
    pub shared: bool,
}

impl Work {
    /// Work of one replica.
    #[must_use]
    pub fn new(flops: u64, bytes: u64) -> Self {
        Self { flops, bytes, shared: false }
    }

    /// Work that all replicas share.
    #[must_use]
    pub fn shared(flops: u64, bytes: u64) -> Self {
        Self { flops, bytes, shared: true }
    }
}
