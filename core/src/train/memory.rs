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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::plan::{BatchSizes, MemoryLimits, Plan, RecordingKind, Tuning};
    use super::*;
    use crate::nets::NetKind;
    use crate::ops::{Activation, sgd::Perturbation};
    use crate::record::{Job, Kernel, Shader, Work};

    const SMALL: Shape = Shape { channels: 4, height: 8, width: 8 };
    const LARGE: Shape = Shape { channels: 2, height: 16, width: 16 };

    /// The buffer that the pool hands out for `shape`.
    fn taken(pool: &mut PlanePool, shape: Shape) -> (Planes, BufferId) {
        let planes = pool.take(shape);
        (planes, planes.binding.buffer)
    }

    #[test]
    fn planes_that_were_given_back_are_taken_again_for_the_same_shape() {
        let mut memory = Memory::default();
        let mut pool = PlanePool::new(&mut memory, 2, 3);
        let [(a, at_a), (_, at_b), (_, at_c)] = [SMALL, SMALL, LARGE].map(|shape| taken(&mut pool, shape));
        assert!(at_a != at_b && at_a != at_c && at_b != at_c, "planes in use share a buffer");
        pool.give(a);
        let (_, at_d) = taken(&mut pool, LARGE);
        assert!(![at_a, at_b, at_c].contains(&at_d), "planes of another shape were reused");
        assert_eq!(taken(&mut pool, SMALL).1, at_a);
        assert!(![at_a, at_b, at_c, at_d].contains(&taken(&mut pool, SMALL).1), "planes in use were taken again");
    }

    #[test]
    fn recordings_share_planes_that_fit_the_largest_batch() {
        // Each recording begins with a pool whose planes are all free.
        let mut memory = Memory::default();
        let buffers = [2, 5, 3].map(|samples| {
            let mut pool = PlanePool::new(&mut memory, 2, samples);
            [SMALL, SMALL, LARGE].map(|shape| taken(&mut pool, shape).1)
        });
        assert!(buffers[0] == buffers[1] && buffers[0] == buffers[2]);
        let (table, cleared) = memory.finish(std::iter::empty());
        let bytes: Vec<u64> = table.specs().iter().map(|spec| spec.bytes).collect();
        assert_eq!(bytes, [SMALL, SMALL, LARGE].map(|shape| shape.plane_bytes(2, 5)));
        assert_eq!(cleared, buffers[0], "borders of planes must be zero");
    }

    #[test]
    fn scratch_grows_to_its_largest_use_and_bindings_follow() {
        let mut memory = Memory::default();
        let mut rec = Recording::new(1, Job::default());
        let copy = || Kernel::new(Shader::CopyRate, &[]);
        let (a, b) = (memory.scratch("a", 512), memory.scratch("b", 16));
        rec.dispatch("small", copy(), &[a, b], 1, Work::default());
        let (a, arena) = (memory.scratch("a", 2048), memory.arena("arena", 1024));
        rec.dispatch("large", copy(), &[a, from(arena, 256)], 1, Work::default());
        assert_eq!(memory.scratch("a", 1024).buffer, a.buffer);
        assert_eq!(memory.arena("arena", 64), arena);
        let (table, cleared) = memory.finish(std::iter::once(&mut rec));
        let lengths: Vec<_> = rec.dispatches().flat_map(|d| &d.bindings).map(|b| (b.offset, b.bytes)).collect();
        assert_eq!(lengths, [(0, 2048), (0, 16), (0, 2048), (256, 768)]);
        let sizes: Vec<_> = table.specs().iter().map(|spec| (spec.label.as_str(), spec.bytes)).collect();
        assert_eq!(sizes, [("a", 2048), ("b", 16), ("arena", 1024)]);
        assert_eq!(cleared, [arena], "only arenas rely on zeros here");
    }

    #[test]
    fn chunks_share_all_buffers_but_the_state_of_their_replicas() {
        let network = NetKind::ResNet { depth: 8 }.build(Shape::new(1, 8, 8), 2, Activation::Relu, 0.25).unwrap();
        let sizes = BatchSizes { train: vec![4], evaluate: vec![4] };
        let tuning = Tuning { chunk_replicas: Some(1), ..Tuning::default() };
        let limits = MemoryLimits { binding: u64::MAX, total: None };
        let images = (&[[0.5, 0.25]][..], 0);
        let plan = Plan::new(&network, 2, Perturbation::Divide, &sizes, images, &tuning, limits).unwrap();
        let labels = |chunk: usize| -> BTreeSet<&str> {
            let dispatches = plan.recording(RecordingKind::Train(chunk, 4)).dispatches();
            let bound = dispatches.flat_map(|dispatch| &dispatch.bindings);
            bound.map(|binding| plan.table().spec(binding.buffer).label.as_str()).collect()
        };
        let own: Vec<_> = labels(0).symmetric_difference(&labels(1)).copied().collect();
        let state = [
            "momentum 0",
            "momentum 1",
            "parameters 0",
            "parameters 1",
            "running statistics 0",
            "running statistics 1",
        ];
        assert_eq!(own, state);
    }
}
