//! The adapters of this machine: GPUs and the processor, and how one is chosen.

use super::cores::Processor;
use super::{AdapterSummary, DeviceError, gpu};
use crate::gpu::{ShaderPatch, ShaderPath};
use crate::processor::{Class, Isa};
use crate::threads::Threads;

/// Which adapter to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AdapterChoice {
    /// The fastest adapter: a discrete, integrated or virtual GPU, or else the processor.
    #[default]
    Best,
    /// An index into [`adapters`], a name, or else a part of a name, of which the first match counts. Case is ignored.
    Named(String),
}

/// How an adapter is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which adapter.
    pub adapter: AdapterChoice,
    /// Threads that run the processor's twins and build pipelines.
    pub threads: Threads,
    /// Instruction set of the processor's twins; the best one if `None`. Tests set it.
    pub instructions: Option<Isa>,
    /// How kernels reach the driver of a GPU.
    pub shader_path: ShaderPath,
    /// A fault injector for tests: changes the text of one shader on a GPU.
    #[doc(hidden)]
    pub patch: Option<ShaderPatch>,
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
    Gpu(gpu::Adapter),
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
        gpu::adapters().await.into_iter().partition(|found| found.summary.software);
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
