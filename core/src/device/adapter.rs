//! The adapters of this machine: GPUs and the processor, how one is chosen, and the properties that the rest of the program
//! reads.

use serde::Serialize;

use super::cores::Processor;
use super::{DeviceError, Options};
use crate::gpu;
use crate::processor::{Class, Isa};

/// Which adapter to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AdapterChoice {
    /// The fastest adapter: a discrete, integrated or virtual GPU, or else the processor.
    #[default]
    Best,
    /// An index into [`adapters`], a name, or else a part of a name, of which the first match counts. Case is ignored.
    Named(String),
}

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

/// Lists all adapters as `options` would open them, best first: GPUs, the processor in both classes, software GPUs. In a
/// browser the list has at most one entry.
pub async fn adapters(options: Options) -> Vec<AdapterSummary> {
    candidates(options.instructions, options.threads.count())
        .await
        .into_iter()
        .map(|candidate| candidate.summary())
        .collect()
}

/// An adapter that can be opened.
pub(super) enum Candidate {
    Gpu(gpu::Found),
    Processor(AdapterSummary, Class),
}

impl Candidate {
    fn summary(self) -> AdapterSummary {
        match self {
            Self::Gpu(found) => found.summary,
            Self::Processor(summary, _) => summary,
        }
    }

    fn known(&self) -> &AdapterSummary {
        match self {
            Self::Gpu(found) => &found.summary,
            Self::Processor(summary, _) => summary,
        }
    }
}

/// Lists all adapters, best first. `isa` and `threads` apply to the processor.
async fn candidates(isa: Option<Isa>, threads: usize) -> Vec<Candidate> {
    let (software, hardware): (Vec<_>, Vec<_>) =
        gpu::found().await.into_iter().partition(|found| found.summary.software);
    let processors =
        Processor::summaries(isa, threads).into_iter().map(|(summary, class)| Candidate::Processor(summary, class));
    let hardware = hardware.into_iter().map(Candidate::Gpu);
    hardware.chain(processors).chain(software.into_iter().map(Candidate::Gpu)).collect()
}

/// Finds the adapter that matches `choice`.
pub(super) async fn choose(choice: &AdapterChoice, isa: Option<Isa>, threads: usize) -> Result<Candidate, DeviceError> {
    // The processor can be opened without a query to any driver.
    if let AdapterChoice::Named(wanted) = choice {
        let named = Processor::summaries(isa, threads).into_iter().find(|(summary, _)| summary.name == *wanted);
        if let Some((summary, class)) = named {
            return Ok(Candidate::Processor(summary, class));
        }
    }
    let mut found = candidates(isa, threads).await;
    if found.is_empty() {
        return Err(DeviceError::NoAdapter { looked_in: "Vulkan, Metal, DX12, WebGPU".to_owned() });
    }
    let position = match choice {
        AdapterChoice::Best => Some(0),
        AdapterChoice::Named(wanted) => match wanted.parse::<usize>() {
            Ok(index) => (index < found.len()).then_some(index),
            Err(_) => {
                let wanted = wanted.to_ascii_lowercase();
                let names = || found.iter().map(|candidate| candidate.known().name.to_ascii_lowercase());
                names().position(|name| name == wanted).or_else(|| names().position(|name| name.contains(&wanted)))
            }
        },
    };
    match (position, choice) {
        (Some(position), _) => Ok(found.swap_remove(position)),
        (None, AdapterChoice::Named(wanted)) => Err(DeviceError::UnknownAdapter {
            wanted: wanted.clone(),
            available: found
                .iter()
                .enumerate()
                .map(|(i, candidate)| format!("{i} '{}'", candidate.known().name))
                .collect::<Vec<_>>()
                .join(", "),
        }),
        (None, AdapterChoice::Best) => unreachable!("the list is not empty"),
    }
}
