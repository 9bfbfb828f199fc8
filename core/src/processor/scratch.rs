//! Scratch of a stretch whose replicas run apart.
//!
//! Layers share the buffers that hold what one dispatch passes on to the next (partial sums, leaves), each laid out by replica
//! in its own size. Where one replica is at this layer and another at that, they would overlap. So where several kernels fill such a
//! buffer, each gets one of its own here; memory that nobody touches is never taken from the system.

use std::collections::{HashMap, HashSet};

use super::memory::{Memory, View};
use crate::record::{Access, Binding, BufferId, BufferTable, Dispatch, Kernel, Shader};

/// Buffers in place of the shared ones.
#[derive(Default)]
pub struct Own {
    table: BufferTable,
    /// By the shared buffer and the kernel that fills it.
    ids: HashMap<(BufferId, Kernel), BufferId>,
}

/// The bindings of a dispatch, each in the shared memory or in a buffer of its own.
pub type Places = Vec<(Binding, bool)>;

/// Bindings by which a shader passes on to the next one what nobody else reads, or takes it from there.
fn passed_on(shader: Shader) -> &'static [usize] {
    match shader {
        Shader::BnStatistics => &[1],
        Shader::BnFinalize => &[0],
        Shader::BnBackwardReduce => &[4],
        Shader::BnBackwardFinalize => &[0, 2],
        Shader::BnBackwardApply => &[3],
        Shader::Conv3x3Dweight | Shader::Conv3x3DweightStaged | Shader::ConvValidDweight => &[2],
        Shader::ConvDownDweight => &[3, 4],
        Shader::ConvDweightReduce => &[0],
        _ => &[],
    }
}

/// The bindings of a dispatch that it fills for the next one.
fn filled(dispatch: &Dispatch) -> impl Iterator<Item = (&Dispatch, usize)> {
    let shader = dispatch.kernel.shader();
    let written = passed_on(shader).iter().filter(move |index| shader.bindings()[**index] == Access::Write);
    written.map(move |index| (dispatch, *index))
}

impl Own {
    /// Where each dispatch of a stretch finds its bindings.
    pub fn places(&mut self, stretch: &[&Dispatch]) -> Vec<Places> {
        let mut fillers: HashMap<BufferId, HashSet<&Kernel>> = HashMap::new();
        for (dispatch, index) in stretch.iter().flat_map(|dispatch| filled(dispatch)) {
            fillers.entry(dispatch.bindings[index].buffer).or_default().insert(&dispatch.kernel);
        }
        let is_shared = |buffer: &BufferId| fillers.get(buffer).is_some_and(|kernels| kernels.len() > 1);
        // The buffer that stands for a shared one at this place of the stretch.
        let mut current: HashMap<BufferId, BufferId> = HashMap::new();
        let mut places = Vec::with_capacity(stretch.len());
        for dispatch in stretch {
            let shader = dispatch.kernel.shader();
            let mut of_dispatch: Places = dispatch.bindings.iter().map(|binding| (*binding, false)).collect();
            for &index in passed_on(shader) {
                let binding = dispatch.bindings[index];
                if !is_shared(&binding.buffer) || dispatch.replicas == 1 {
                    continue;
                }
                if shader.bindings()[index] == Access::Write {
                    let id = *self
                        .ids
                        .entry((binding.buffer, dispatch.kernel.clone()))
                        .or_insert_with(|| self.table.add(shader.name(), binding.offset + binding.bytes));
                    current.insert(binding.buffer, id);
                }
                if let Some(id) = current.get(&binding.buffer) {
                    of_dispatch[index] = (Binding { buffer: *id, ..binding }, true);
                }
            }
            places.push(of_dispatch);
        }
        places
    }

    /// Allocates the buffers; `None` where the system gives no memory.
    pub fn allocate(&self) -> Option<Memory> {
        Memory::allocate(&self.table)
    }
}

/// What the bindings see.
pub fn views(places: &Places, shared: &Memory, own: &Memory) -> Vec<View<u8>> {
    places.iter().map(|(binding, is_own)| if *is_own { own.view(*binding) } else { shared.view(*binding) }).collect()
}
