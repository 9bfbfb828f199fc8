//! The buffers of a plan: scratch by name, planes from a pool by shape. Both grow to their largest use. Final lengths are known
//! only when everything is recorded; until then a binding that extends to a buffer's end has no length.

use std::collections::HashMap;

use crate::ops::Shape;
use crate::record::{Binding, BufferId, BufferTable, Command, Recording};

/// Placeholder for the length of a binding that extends to its buffer's end.
const TO_THE_END: u64 = u64::MAX;

/// Binds the whole buffer, whatever its final length.
pub fn whole(buffer: BufferId) -> Binding {
    from(buffer, 0)
}

/// Binds a buffer from byte `offset` (a multiple of 256) to its end.
pub fn from(buffer: BufferId, offset: u64) -> Binding {
    Binding { buffer, offset, bytes: TO_THE_END }
}

/// The buffers of a plan. The same name or slot always gives the same buffer, so that recordings of several batch sizes
/// share memory.
#[derive(Default)]
pub struct Memory {
    table: BufferTable,
    named: HashMap<String, BufferId>,
    planes: HashMap<Shape, Vec<BufferId>>,
    cleared: Vec<BufferId>,
}

impl Memory {
    /// The buffer called `name`, grown to at least `bytes`.
    pub fn named(&mut self, name: &str, bytes: u64) -> BufferId {
        let id = match self.named.get(name) {
            Some(id) => *id,
            None => {
                let id = self.table.add(name, bytes);
                self.named.insert(name.to_owned(), id);
                id
            }
        };
        self.table.grow(id, bytes);
        id
    }

    /// Binds the whole buffer called `name`, grown to at least `bytes`.
    pub fn scratch(&mut self, name: &str, bytes: u64) -> Binding {
        whole(self.named(name, bytes))
    }

    /// A named buffer that must be zero before the first step, for example because its tensors are padded.
    pub fn arena(&mut self, name: &str, bytes: u64) -> BufferId {
        let id = self.named(name, bytes);
        if !self.cleared.contains(&id) {
            self.cleared.push(id);
        }
        id
    }

    fn slot(&mut self, shape: Shape, slot: usize, bytes: u64) -> BufferId {
        let slots = self.planes.entry(shape).or_default();
        if slot == slots.len() {
            let label = format!("planes {}x{}x{} {slot}", shape.channels, shape.height, shape.width);
            let id = self.table.add(label, bytes);
            slots.push(id);
            self.cleared.push(id);
        }
        let id = slots[slot];
        self.table.grow(id, bytes);
        id
    }

    /// Gives the bindings of `recordings` their lengths. Returns all buffers, and those that rely on zeros where kernels do not
    /// write: borders of planes, padding of arenas.
    pub fn finish<'a>(self, recordings: impl Iterator<Item = &'a mut Recording>) -> (BufferTable, Vec<BufferId>) {
        for command in recordings.flat_map(|recording| &mut recording.commands) {
            let Command::Dispatch(dispatch) = command else { continue };
            for binding in dispatch.bindings.iter_mut().filter(|binding| binding.bytes == TO_THE_END) {
                *binding = self.table.from(binding.buffer, binding.offset);
            }
        }
        (self.table, self.cleared)
    }
}

/// Hands out planes while one recording is made, and reuses those that are given back. The sequence of requests depends only
/// on the network, so every recording gets the same buffers.
pub struct PlanePool<'a> {
    memory: &'a mut Memory,
    replicas: u32,
    samples: u32,
    taken: HashMap<Shape, Vec<bool>>,
}

/// Planes from the pool.
#[derive(Clone, Copy, Debug)]
pub struct Planes {
    /// C, H, W.
    pub shape: Shape,
    slot: usize,
    /// Binding of the whole buffer.
    pub binding: Binding,
}

impl<'a> PlanePool<'a> {
    /// A pool whose planes are all free.
    pub fn new(memory: &'a mut Memory, replicas: u32, samples: u32) -> Self {
        Self { memory, replicas, samples, taken: HashMap::new() }
    }

    /// The buffers of the plan.
    pub fn memory(&mut self) -> &mut Memory {
        self.memory
    }

    /// Takes planes of `shape` for every replica and sample.
    pub fn take(&mut self, shape: Shape) -> Planes {
        let taken = self.taken.entry(shape).or_default();
        let slot = taken.iter().position(|t| !t).unwrap_or(taken.len());
        if slot == taken.len() {
            taken.push(true);
        } else {
            taken[slot] = true;
        }
        let id = self.memory.slot(shape, slot, self.bytes(shape));
        Planes { shape, slot, binding: whole(id) }
    }

    /// Bytes of planes of `shape` for every replica and sample.
    pub fn bytes(&self, shape: Shape) -> u64 {
        shape.plane_bytes(self.replicas, self.samples)
    }

    /// Gives planes back.
    pub fn give(&mut self, planes: Planes) {
        if let Some(taken) = self.taken.get_mut(&planes.shape) {
            taken[planes.slot] = false;
        }
    }
}
