//! Scratch buffers of a stretch whose replicas run independently.
//!
//! Layers share the buffers in which one dispatch passes data to the next (partial sums, leaves). Each layer divides such a buffer
//! among the replicas by its own size, so replicas at different layers would overlap. If several kernels fill such a buffer, each
//! therefore gets a separate one here; memory that is not touched is never taken from the system. The rings of sample loops lie
//! here, too.

use std::collections::{HashMap, HashSet};

use super::memory::Memory;
use super::sample_loop::SampleLoop;
use super::twin::Bound;
use crate::record::{Binding, BufferId, BufferTable, Dispatch, Kernel, Shader};

/// Buffers that replace shared ones.
#[derive(Default)]
pub struct PrivateBuffers {
    table: BufferTable,
    /// Rings by `(replaced buffer, samples, bytes)`. Replicas may be in different loops, so loops with groups of different sizes
    /// have different rings.
    rings: HashMap<(BufferId, usize, u64), BufferId>,
    /// Buffers by `(shared buffer, kernel that fills it)`.
    ids: HashMap<(BufferId, Kernel), BufferId>,
}

/// A binding of a dispatch, after shared buffers are replaced.
#[derive(Clone, Copy)]
pub struct ResolvedBinding {
    binding: Binding,
    /// Whether it lies in a buffer of [`PrivateBuffers`], not in the shared memory.
    is_private: bool,
    /// Samples that a ring has room for; `None` if it is not a ring.
    ring: Option<usize>,
}

/// Bindings in which a shader passes data to the next one, or receives it from the one before; nothing else reads this data.
fn passed_on(shader: Shader) -> &'static [usize] {
    match shader {
        Shader::BnStatistics => &[1],
        Shader::BiasGradient | Shader::BnFinalize => &[0],
        Shader::BnBackwardReduce => &[4],
        Shader::BnBackwardFinalize => &[0, 2],
        Shader::BnBackwardApply | Shader::GnBackwardApply => &[3],
        Shader::GnBackwardReduce => &[4],
        Shader::GnBackwardFinalize => &[0, 3],
        Shader::Conv1x1Dweight | Shader::Conv3x3Dweight | Shader::Conv3x3DweightStaged | Shader::ConvValidDweight => {
            &[2]
        }
        Shader::ConvDownDweight => &[3, 4],
        Shader::ConvDweightReduce => &[0],
        _ => &[],
    }
}

/// The bindings that a dispatch fills for the next one.
fn filled(dispatch: &Dispatch) -> impl Iterator<Item = (&Dispatch, usize)> {
    let shader = dispatch.kernel.shader();
    let written = passed_on(shader).iter().filter(move |index| shader.bindings()[**index].writes());
    written.map(move |index| (dispatch, *index))
}

impl PrivateBuffers {
    /// All bindings of a stretch, resolved, `[dispatch][binding]`.
    pub fn resolve(&mut self, stretch: &[&Dispatch]) -> Vec<Vec<ResolvedBinding>> {
        let mut fillers: HashMap<BufferId, HashSet<&Kernel>> = HashMap::new();
        for (dispatch, index) in stretch.iter().flat_map(|dispatch| filled(dispatch)) {
            fillers.entry(dispatch.bindings[index].buffer).or_default().insert(&dispatch.kernel);
        }
        let is_shared = |buffer: &BufferId| fillers.get(buffer).is_some_and(|kernels| kernels.len() > 1);
        // The buffer that replaces each shared one at the current dispatch.
        let mut current: HashMap<BufferId, BufferId> = HashMap::new();
        let mut bindings = Vec::with_capacity(stretch.len());
        for dispatch in stretch {
            let shader = dispatch.kernel.shader();
            let shared = |binding: &Binding| ResolvedBinding { binding: *binding, is_private: false, ring: None };
            let mut of_dispatch: Vec<ResolvedBinding> = dispatch.bindings.iter().map(shared).collect();
            for &index in passed_on(shader) {
                let binding = dispatch.bindings[index];
                if !is_shared(&binding.buffer) || dispatch.replicas == 1 {
                    continue;
                }
                if shader.bindings()[index].writes() {
                    let id = *self
                        .ids
                        .entry((binding.buffer, dispatch.kernel.clone()))
                        .or_insert_with(|| self.table.add(shader.name(), binding.offset + binding.bytes));
                    current.insert(binding.buffer, id);
                }
                if let Some(id) = current.get(&binding.buffer) {
                    of_dispatch[index] =
                        ResolvedBinding { binding: Binding { buffer: *id, ..binding }, is_private: true, ring: None };
                }
            }
            bindings.push(of_dispatch);
        }
        bindings
    }

    /// The bindings of a loop's dispatches, resolved with rings for the tensors that only the loop reads.
    pub fn resolve_in_loop(
        &mut self,
        its: &SampleLoop,
        replicas: u32,
        bindings: &[Vec<ResolvedBinding>],
    ) -> Vec<Vec<ResolvedBinding>> {
        let mut bindings = bindings.to_vec();
        for resolved in bindings.iter_mut().flatten() {
            if let Some(bytes) = its.rings.get(&resolved.binding.buffer).filter(|_| !resolved.is_private) {
                // One sample more than needed: kernels may read beyond the last one.
                let bytes = ((replicas as usize * its.group + 1) * bytes) as u64;
                let add = || self.table.add("ring", bytes);
                let buffer = *self.rings.entry((resolved.binding.buffer, its.group, bytes)).or_insert_with(add);
                let binding = Binding { buffer, offset: 0, bytes };
                *resolved = ResolvedBinding { binding, is_private: true, ring: Some(its.group) };
            }
        }
        bindings
    }

    /// Allocates the buffers. Returns `None` if the system refuses the memory.
    pub fn allocate(&self) -> Option<Memory> {
        Memory::allocate_sparse(&self.table)
    }
}

/// The memory of each binding.
pub fn bound(bindings: &[ResolvedBinding], shared: &Memory, private: &Memory) -> Vec<Bound> {
    let bound = |resolved: &ResolvedBinding| {
        let memory = if resolved.is_private { private } else { shared };
        Bound { view: memory.view(resolved.binding), ring: resolved.ring }
    };
    bindings.iter().map(bound).collect()
}
