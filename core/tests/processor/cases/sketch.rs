//! Building a case: a recording and its data.

use lastbit_core::ops::Shape;
use lastbit_core::ops::pack::{Direction, PackTable};
use lastbit_core::record::{Binding, BufferId, BufferTable, Job, Recording};

use super::random::Random;
use super::{Case, GUARDS, JUNK};

/// A case under construction.
pub(super) struct Sketch<'a> {
    pub(super) random: &'a mut Random,
    pub(super) table: BufferTable,
    pub(super) contents: Vec<Vec<u32>>,
    pub(super) rec: Recording,
}

/// Tensors of all replicas, `[replica][tensor]`, at multiples of 64 elements.
pub(super) struct Arena {
    pub(super) id: BufferId,
    pub(super) offsets: Vec<u32>,
    /// Elements from one replica to the next.
    pub(super) stride: u32,
}

impl<'a> Sketch<'a> {
    pub(super) fn new(random: &'a mut Random, replicas: u32, samples: u32) -> Self {
        let job = Job { samples, ..Job::default() };
        Self { random, table: BufferTable::default(), contents: Vec::new(), rec: Recording::new(replicas, job) }
    }

    pub(super) fn finish(self, name: impl std::fmt::Display, all: &mut Vec<Case>) {
        let Self { table, contents, rec, .. } = self;
        let name = format!("{name}, {} replicas, {} samples", rec.replicas, rec.job.samples);
        all.push(Case { name, table, contents, recording: rec });
    }

    pub(super) fn samples(&self) -> usize {
        self.rec.job.samples as usize
    }

    pub(super) fn replicas(&self) -> usize {
        self.rec.replicas as usize
    }

    /// Samples times replicas.
    pub(super) fn all_samples(&self) -> usize {
        self.samples() * self.replicas()
    }

    pub(super) fn add(&mut self, mut words: Vec<u32>) -> BufferId {
        let id = self.table.add(format!("buffer {}", self.contents.len()), ((words.len() + GUARDS) * 4) as u64);
        words.resize(self.table.spec(id).bytes as usize / 4, u32::MAX);
        self.contents.push(words);
        id
    }

    pub(super) fn words(&mut self, words: &[u32]) -> Binding {
        let id = self.add(words.to_vec());
        self.table.whole(id)
    }

    pub(super) fn floats(&mut self, values: &[f32]) -> Binding {
        let words: Vec<u32> = values.iter().map(|value| value.to_bits()).collect();
        self.words(&words)
    }

    pub(super) fn random_floats(&mut self, count: usize, scale: f32) -> Binding {
        let values = self.random.floats(count, scale);
        self.floats(&values)
    }

    pub(super) fn junk(&mut self, count: usize) -> Binding {
        self.floats(&vec![JUNK; count])
    }

    /// Planes whose rows are padded to whole vectors with zeros of either sign, as kernels leave them.
    pub(super) fn planes(&mut self, shape: Shape, values: &[f32]) -> Binding {
        let mut planes = shape.to_planes(values);
        let (row, plane) = (shape.row() as usize * 4, shape.plane() as usize * 4);
        let count = values.len() / (shape.height * shape.width) as usize;
        for (i, value) in planes[..count * plane].iter_mut().enumerate() {
            let (h, w) = (i % plane / row, i % row);
            if h > 0 && w >= 4 + shape.width as usize && self.random.below(2) == 0 {
                *value = -0.0;
            }
        }
        self.floats(&planes)
    }

    pub(super) fn random_planes(&mut self, shape: Shape, scale: f32) -> Binding {
        let values = self.random.floats(self.all_samples() * shape.elements() as usize, scale);
        self.planes(shape, &values)
    }

    /// Random planes of one batch for each replica, or of one for all if `shared`.
    pub(super) fn input_planes(&mut self, shape: Shape, shared: bool) -> Binding {
        let samples = if shared { self.samples() } else { self.all_samples() };
        let values = self.random.floats(samples * shape.elements() as usize, 2.0);
        self.planes(shape, &values)
    }

    pub(super) fn junk_planes(&mut self, shape: Shape) -> Binding {
        let values = vec![JUNK; self.all_samples() * shape.elements() as usize];
        self.floats(&shape.to_planes(&values))
    }

    /// An arena of tensors with `elements` elements each, filled by `value`. No tensor uses its first 64 elements.
    pub(super) fn arena(&mut self, elements: &[u32], mut value: impl FnMut(&mut Random) -> f32) -> Arena {
        let mut stride = 64;
        let offsets = elements.iter().map(|count| {
            let offset = stride;
            stride = (stride + count).next_multiple_of(64);
            offset
        });
        let offsets = offsets.collect();
        let words = (0..stride * self.rec.replicas).map(|_| value(self.random).to_bits()).collect();
        self.rec.job.parameter_stride = stride;
        Arena { id: self.add(words), offsets, stride }
    }

    pub(super) fn junk_arena(&mut self, elements: &[u32]) -> Arena {
        self.arena(elements, |_| JUNK)
    }

    /// A binding from a tensor to the arena's end.
    pub(super) fn tensor(&self, arena: &Arena, tensor: usize) -> Binding {
        self.table.from(arena.id, u64::from(arena.offsets[tensor]) * 4)
    }

    /// Random packed weights of some layers; a binding from each layer's offset to the end.
    pub(super) fn packed<const D: usize>(&mut self, layers: [([u32; 3], Direction); D]) -> [Binding; D] {
        let mut table = PackTable::default();
        // Another layer comes first, so that no offset is 0.
        table.add([4, 1, 9], 0, Direction::Forward);
        let offsets = layers.map(|(dims, direction)| table.add(dims, 0, direction));
        self.rec.job.packed_stride = table.stride();
        let values = self.random.floats(table.stride() as usize * self.replicas(), 0.5);
        let words = values.into_iter().map(f32::to_bits).collect();
        let id = self.add(words);
        offsets.map(|offset| self.table.from(id, offset))
    }
}
