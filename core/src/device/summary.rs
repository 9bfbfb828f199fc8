//! Properties of an adapter that the rest of the program reads.

use serde::Serialize;

/// The kind of an adapter, which decides default sizes and assumed speeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// A hardware GPU.
    Gpu,
    /// A GPU driver that computes on the processor, such as llvmpipe, SwiftShader or WARP.
    SoftwareGpu,
    /// The machine's cores, which run the twins of the shaders.
    Processor,
}

/// Properties of an adapter, known before a device is opened on it.
#[derive(Clone, Debug, Serialize)]
pub struct AdapterSummary {
    /// Name that the driver reports; `processor` or `processor:separate` for the processor.
    pub name: String,
    /// `DiscreteGpu`, `IntegratedGpu`, `VirtualGpu`, `Cpu` or `Other` (in browsers, which do not report it).
    pub kind: String,
    /// Driver name and version; for the processor, the class of its arithmetic.
    pub driver: String,
    /// `vulkan`, `metal`, `dx12`, `webgpu` or `processor`.
    pub backend: String,
    /// True if the processor does the work (the twins, lavapipe, SwiftShader, WARP).
    pub software: bool,
    /// The kind of machine, which decides default sizes.
    pub family: Family,
    /// PCI vendor number; 0 for the processor, and in browsers, which do not report it.
    pub vendor: u32,
    /// Instruction set and threads of the processor. For display: no bit of a result depends on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Largest storage binding in bytes.
    pub max_binding_bytes: u64,
    /// Largest buffer in bytes.
    pub max_buffer_bytes: u64,
    /// True if the GPU can time dispatches.
    pub timestamps: bool,
    /// Limits that kernels depend on.
    pub limits: Vec<AdapterLimit>,
}

/// A limit of an adapter, and the value that lastbit needs: never more than WebGPU's default (rule 6).
#[derive(Clone, Debug, Serialize)]
pub struct AdapterLimit {
    /// Name of the limit in WebGPU.
    pub name: &'static str,
    /// Value that lastbit needs.
    pub needed: u64,
    /// Value that the adapter has.
    pub available: u64,
}

/// Machine code that llvmpipe (Mesa 22.3, LLVM 15) keeps for a compiled kernel, measured over the kernels of ResNet-8, ResNet-20
/// and VGG11.
const SOFTWARE_KERNEL_BYTES: u64 = 5 << 18;

impl AdapterSummary {
    /// Assumed float32 rate in FLOP/s. This guess only serves to keep single dispatches and submits short, and forecasts cheap.
    fn assumed_flops(&self) -> f64 {
        match (self.family, self.kind.as_str()) {
            (Family::SoftwareGpu, _) => 4e9,
            (Family::Processor, _) => 2e10,
            (Family::Gpu, "DiscreteGpu") => 2e12,
            (Family::Gpu, _) => 2e11,
        }
    }

    /// Upper limit for the FLOPs of one dispatch, and of one submit: about 100 ms on an adapter of this kind (rule 8).
    #[must_use]
    pub fn submit_flops(&self) -> u64 {
        (self.assumed_flops() * 0.1) as u64
    }

    /// Largest storage binding in bytes: the adapter's limit, and at most 2^32 floats, because kernels index with u32.
    #[must_use]
    pub fn binding_bytes(&self) -> u64 {
        self.max_binding_bytes.min(self.max_buffer_bytes).min(4 << 32)
    }

    /// True if buffers are in the memory of this process.
    #[must_use]
    pub fn uses_host_memory(&self) -> bool {
        self.family != Family::Gpu
    }

    /// Memory of this process that each compiled kernel takes, in bytes.
    #[must_use]
    pub fn kernel_bytes(&self) -> u64 {
        if self.family == Family::SoftwareGpu { SOFTWARE_KERNEL_BYTES } else { 0 }
    }

    /// Number of steps that may be in flight while the host continues. A software adapter blocks the host while it computes,
    /// except in a browser, where it computes in another process.
    #[must_use]
    pub fn steps_ahead(&self) -> usize {
        let is_synchronous = self.family == Family::Processor || (self.software && !cfg!(target_arch = "wasm32"));
        if is_synchronous { 0 } else { 2 }
    }

    /// True if the adapter has tiles that `tune` can choose; the processor has none.
    #[must_use]
    pub fn has_tiles(&self) -> bool {
        self.family != Family::Processor
    }
}
