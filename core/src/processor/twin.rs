//! The [`Twin`] trait: a whole dispatch of one shader, computed on the machine's own cores.

use std::ops::Range;

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::tensor::Tensor;
use crate::record::{Constant, Dispatch, Job};

/// A dispatch of one shader, computed in the order of docs/ORDER.md. Pieces are independent of each other: they may run in
/// any order and in any thread, and no two of them write the same element. The exception is [`Grouped`]: its pieces run in
/// order and in one thread, and nothing in between uses the same slot of the thread's scratch.
pub trait Twin: Sized + Send + Sync + 'static {
    /// Reads the kernel's constants, the job and the bindings.
    fn new(launch: &Launch<'_>) -> Self;

    /// Number of pieces that the work of one replica is split into. It changes no bit.
    fn pieces(&self) -> usize;

    /// Computes one piece of one replica. Implementations are `#[inline(always)]`, so that they are compiled for the instruction
    /// set of `L`. WebAssembly has one instruction set for all functions; there, what a twin and its [`Grouped`] share is never
    /// inlined, so that the page does not download it twice.
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch);
}

/// A twin that can compute a replica's samples a few at a time, as a member of a sample loop.
pub trait BySample: Send + Sync + 'static {
    /// Computes some samples of one replica. Calls come in the order of the samples and in one thread; each begins at a multiple
    /// of the group's size. Implementations are `#[inline(always)]`.
    fn run_samples<L: Lanes>(&self, replica: usize, samples: Range<usize>, scratch: &mut Scratch);
}

/// A twin as a member of a sample loop: a piece is a group of samples.
pub struct Grouped<T> {
    twin: T,
    group: usize,
    samples: usize,
}

impl<T: BySample> Grouped<T> {
    /// Computes the samples of `twin`'s dispatch in groups of `group`.
    pub fn of(twin: T, launch: &Launch<'_>, group: usize) -> Self {
        Self { twin, group, samples: launch.samples() }
    }
}

impl<T: BySample> Twin for Grouped<T> {
    fn new(_: &Launch<'_>) -> Self {
        unreachable!("sample loops build this twin by `Grouped::of`")
    }

    fn pieces(&self) -> usize {
        self.samples.div_ceil(self.group)
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let first = piece * self.group;
        self.twin.run_samples::<L>(replica, first..self.samples.min(first + self.group), scratch);
    }
}

/// The memory of one binding of a launch.
#[derive(Clone, Copy)]
pub struct Bound {
    /// The bytes that the binding covers.
    pub view: View<u8>,
    /// Samples that a ring has room for; `None` if the memory holds the whole batch.
    pub ring: Option<usize>,
}

/// A dispatch and the memory of its bindings.
pub struct Launch<'a> {
    dispatch: &'a Dispatch,
    bindings: Vec<Bound>,
    slot: usize,
}

impl<'a> Launch<'a> {
    /// A launch of `dispatch` on the memory of its bindings.
    pub fn new(dispatch: &'a Dispatch, bindings: Vec<Bound>) -> Self {
        Self { dispatch, bindings, slot: 0 }
    }

    /// The same launch as a member of a sample loop, which may keep data in this slot of a thread's scratch.
    pub fn in_slot(self, slot: usize) -> Self {
        Self { slot, ..self }
    }

    /// The slot of a thread's scratch in which a member of a sample loop may keep data.
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// The recorded dispatch.
    pub fn dispatch(&self) -> &Dispatch {
        self.dispatch
    }

    fn constant(&self, name: &str) -> Constant {
        let kernel = &self.dispatch.kernel;
        match kernel.constants().iter().find(|(known, _)| *known == name) {
            Some((_, value)) => *value,
            None => unreachable!("{} has no constant {name}", kernel.name()),
        }
    }

    /// The `u32` constant `name`.
    pub fn size(&self, name: &str) -> usize {
        match self.constant(name) {
            Constant::U32(value) => value as usize,
            other => unreachable!("{} is {other:?}", name),
        }
    }

    /// The `f32` constant `name`.
    pub fn float(&self, name: &str) -> f32 {
        match self.constant(name) {
            Constant::F32(value) => value,
            other => unreachable!("{} is {other:?}", name),
        }
    }

    /// The `bool` constant `name`.
    pub fn flag(&self, name: &str) -> bool {
        match self.constant(name) {
            Constant::Bool(value) => value,
            other => unreachable!("{} is {other:?}", name),
        }
    }

    /// The job of the dispatch.
    pub fn job(&self) -> &Job {
        &self.dispatch.job
    }

    /// Samples in the batch.
    pub fn samples(&self) -> usize {
        self.dispatch.job.samples as usize
    }

    /// The job's argument `name`, which only this shader has.
    pub fn argument(&self, name: &str) -> usize {
        let shader = self.dispatch.kernel.shader();
        match shader.arguments().iter().position(|known| *known == name) {
            Some(position) => self.dispatch.job.arguments[position] as usize,
            None => unreachable!("{} has no argument {name}", shader.name()),
        }
    }

    /// Number of workgroups that a GPU would launch for each replica.
    pub fn tiles(&self) -> usize {
        self.dispatch.tiles as usize
    }

    /// Replicas of the dispatch; 1 if it has no replica axis.
    pub fn replicas(&self) -> usize {
        self.dispatch.replicas as usize
    }

    /// The floats of a binding. Bindings are numbered from 0 in the order of the shader.
    pub fn floats(&self, binding: usize) -> View<f32> {
        self.bindings[binding].view.cast()
    }

    /// A binding `[R][N]` of planes with `sample` floats per sample.
    pub fn tensor(&self, binding: usize, sample: usize) -> Tensor {
        let samples = self.bindings[binding].ring.unwrap_or(self.samples());
        Tensor::new(self.floats(binding), sample, samples)
    }

    /// The 32-bit words of a binding.
    pub fn words(&self, binding: usize) -> View<u32> {
        self.bindings[binding].view.cast()
    }
}
