//! A recording: what to dispatch and what to copy, in order.

use super::{ARGUMENTS, Binding, BufferId, Job, Kernel};

/// One launch of a kernel: `tiles` workgroups for each of `replicas`.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// The kernel.
    pub kernel: Kernel,
    /// Bindings 1, 2, ... in the order of the shader (binding 0 is the job). What the kernel does with each of them says
    /// [`super::Shader::bindings`].
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
pub(crate) const OPERATIONS_PER_BYTE: u64 = 4;

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
        self.dispatch_with(label, kernel, bindings, tiles, work, &[]);
    }

    /// Appends a dispatch over all replicas with the recording's job and these arguments of the shader
    /// ([`super::Shader::arguments`]).
    ///
    /// # Panics
    /// If bindings or arguments are not as many as the shader has.
    pub fn dispatch_with(
        &mut self,
        label: &str,
        kernel: Kernel,
        bindings: &[Binding],
        tiles: u32,
        work: Work,
        arguments: &[u32],
    ) {
        let shader = kernel.shader();
        assert_eq!(shader.bindings().len(), bindings.len(), "bindings of {}", shader.name());
        assert_eq!(shader.arguments().len(), arguments.len(), "arguments of {}", shader.name());
        let mut values = [0; ARGUMENTS];
        values[..arguments.len()].copy_from_slice(arguments);
        let replicas = if work.shared { 1 } else { self.replicas };
        self.commands.push(Command::Dispatch(Dispatch {
            kernel,
            bindings: bindings.to_vec(),
            tiles: tiles.max(1),
            replicas,
            job: Job { arguments: values, ..self.job },
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
