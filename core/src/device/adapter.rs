//! Adapters: what computes on this machine, how one is chosen, and the facts that the rest of the program needs of it.

use serde::Serialize;

use super::cores::Processor;
use super::{DeviceError, Options};
use crate::gpu;
use crate::processor::{Class, Isa};

/// Which adapter to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AdapterChoice {
    /// The fastest one: a discrete, an integrated or a virtual GPU, else the processor.
    #[default]
    Best,
    /// The n-th of [`adapters`], the one of this name, or the first whose name contains the text (case ignored).
    Named(String),
}

/// What kind of machine an adapter is, as far as sizes and speeds go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// A hardware GPU.
    Gpu,
    /// A GPU driver that computes on the processor: llvmpipe, SwiftShader, WARP.
    SoftwareGpu,
    /// The machine's own cores, by the twins.
    Processor,
}

/// What is known of an adapter before a device is made on it.
#[derive(Clone, Debug, Serialize)]
pub struct AdapterSummary {
    /// Name by the driver; `processor` or `processor:separate`.
    pub name: String,
    /// `DiscreteGpu`, `IntegratedGpu`, `VirtualGpu`, `Cpu` or `Other` (browsers do not tell).
    pub kind: String,
    /// Driver name and version; the class of the processor's arithmetic.
    pub driver: String,
    /// `vulkan`, `metal`, `dx12`, `webgpu` or `processor`.
    pub backend: String,
    /// True when the processor does the work (the twins, lavapipe, SwiftShader, WARP).
    pub software: bool,
    /// What decides sizes by default.
    pub family: Family,
    /// PCI vendor number; 0 for the processor, and in browsers, which do not tell.
    pub vendor: u32,
    /// What else a person wants to know and no bit depends on: instruction set and threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Largest storage binding in bytes.
    pub max_binding_bytes: u64,
    /// Largest buffer in bytes.
    pub max_buffer_bytes: u64,
    /// True when dispatches can be timed on the GPU.
    pub timestamps: bool,
    /// Limits that kernels keep to.
    pub limits: Vec<AdapterLimit>,
}

/// A limit of an adapter beside what lastbit needs: never more than WebGPU's default (rule 6).
#[derive(Clone, Debug, Serialize)]
pub struct AdapterLimit {
    /// WebGPU's name for it.
    pub name: &'static str,
    /// What lastbit needs.
    pub needed: u64,
    /// What the adapter has.
    pub available: u64,
}

/// Machine code that llvmpipe (Mesa 22.3, LLVM 15) keeps for a compiled kernel, measured over the kernels of ResNet-8, ResNet-20
/// and VGG11.
const SOFTWARE_KERNEL_BYTES: u64 = 5 << 18;

impl AdapterSummary {
    /// A guess of the float32 rate in FLOP/s, only used to keep single dispatches and submits short and forecasts cheap.
    fn assumed_flops(&self) -> f64 {
        match (self.family, self.kind.as_str()) {
            (Family::SoftwareGpu, _) => 4e9,
            (Family::Processor, _) => 2e10,
            (Family::Gpu, "DiscreteGpu") => 2e12,
            (Family::Gpu, _) => 2e11,
        }
    }

    /// FLOPs that one dispatch, and one submit, should not pass: about 100 ms on an adapter of this kind (rule 8).
    #[must_use]
    pub fn submit_flops(&self) -> u64 {
        (self.assumed_flops() * 0.1) as u64
    }

    /// Bytes that one storage binding may span: what the adapter allows, and no more floats than a u32 counts, as kernels
    /// do.
    #[must_use]
    pub fn binding_bytes(&self) -> u64 {
        self.max_binding_bytes.min(self.max_buffer_bytes).min(4 << 32)
    }

    /// True where buffers are this process's memory.
    #[must_use]
    pub fn uses_host_memory(&self) -> bool {
        self.family != Family::Gpu
    }

    /// Bytes of this process that each compiled kernel takes.
    #[must_use]
    pub fn kernel_bytes(&self) -> u64 {
        if self.family == Family::SoftwareGpu { SOFTWARE_KERNEL_BYTES } else { 0 }
    }

    /// Steps that may be under way while the host goes on. A software adapter works while it is given work, except in a browser,
    /// where it works in a process of its own.
    #[must_use]
    pub fn steps_ahead(&self) -> usize {
        let is_synchronous = self.family == Family::Processor || (self.software && !cfg!(target_arch = "wasm32"));
        if is_synchronous { 0 } else { 2 }
    }

    /// True where `tune` finds something: the processor has no tiles to choose.
    #[must_use]
    pub fn has_tiles(&self) -> bool {
        self.family != Family::Processor
    }
}

/// All adapters as they would be opened, best first: GPUs, the processor in both classes, software GPUs. In a browser there is at most one.
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

/// Best first; instruction set and threads are the processor's.
async fn candidates(isa: Option<Isa>, threads: usize) -> Vec<Candidate> {
    let (software, hardware): (Vec<_>, Vec<_>) =
        gpu::found().await.into_iter().partition(|found| found.summary.software);
    let processors =
        Processor::summaries(isa, threads).into_iter().map(|(summary, class)| Candidate::Processor(summary, class));
    let hardware = hardware.into_iter().map(Candidate::Gpu);
    hardware.chain(processors).chain(software.into_iter().map(Candidate::Gpu)).collect()
}

/// The adapter of this choice.
pub(super) async fn choose(choice: &AdapterChoice, isa: Option<Isa>, threads: usize) -> Result<Candidate, DeviceError> {
    // The processor is there without asking any driver.
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
