//! A recording: dispatches, copies and clears, in order.

use super::{ARGUMENTS, Binding, BufferId, Job, Kernel};

/// One launch of a kernel: `tiles` workgroups for each of `replicas`.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// The kernel to launch.
    pub kernel: Kernel,
    /// Bindings 1, 2, ... in the order of the shader (binding 0 is the job). [`super::Shader::bindings`] has their access modes.
    pub bindings: Vec<Binding>,
    /// Workgroups in x: the tiles of each replica.
    pub tiles: u32,
    /// Workgroups in y: the number of replicas, or 1 for a kernel without a replica axis.
    pub replicas: u32,
    /// Uniform data.
    pub job: Job,
    /// Useful floating-point operations of all replicas. Devices split dispatches by it, and benchmarks report it.
    pub flops: u64,
    /// Minimum memory traffic of all replicas in bytes, for the same uses.
    pub bytes: u64,
    /// Name of the layer in profiles, such as `layer1.0.conv1`.
    pub label: String,
}

/// Number of operations that take about as long as moving one byte. This guess suits processors and GPUs; it only serves to
/// keep dispatches and submits short.
pub(crate) const OPERATIONS_PER_BYTE: u64 = 4;

impl Dispatch {
    /// Estimated duration in operations: the larger of arithmetic and memory traffic.
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
    /// Copy a range between two different buffers.
    Copy {
        /// Source buffer and offset in bytes.
        from: (BufferId, u64),
        /// Destination buffer and offset in bytes.
        to: (BufferId, u64),
        /// Length in bytes.
        bytes: u64,
    },
    /// Fill a buffer with zero bytes.
    Clear(BufferId),
}

/// A list of commands, and the values that their jobs share.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Commands in execution order.
    pub commands: Vec<Command>,
    /// Number of replicas: workgroups in y of every dispatch that has a replica axis.
    pub replicas: u32,
    /// Template of the jobs; each dispatch adds its arguments.
    pub job: Job,
}

impl Recording {
    /// Creates an empty recording for `replicas` replicas.
    #[must_use]
    pub fn new(replicas: u32, job: Job) -> Self {
        Self { commands: Vec::new(), replicas, job }
    }

    /// Appends a dispatch with the recording's job, over all replicas unless `work` is shared.
    pub fn dispatch(&mut self, label: &str, kernel: Kernel, bindings: &[Binding], tiles: u32, work: Work) {
        self.dispatch_with(label, kernel, bindings, tiles, work, &[]);
    }

    /// Like [`Recording::dispatch`], with values for [`super::Shader::arguments`].
    ///
    /// # Panics
    /// If the number of bindings or arguments differs from the shader's.
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

    /// Floating-point operations of all dispatches.
    #[must_use]
    pub fn flops(&self) -> u64 {
        self.dispatches().map(|d| d.flops).sum()
    }
}

/// Minimum work of a dispatch, for one replica.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Floating-point operations (an fma counts as two).
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
