//! What a twin is: a whole dispatch of one shader, on the machine's own cores.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use crate::record::{Constant, Dispatch, Job};

/// A dispatch of one shader, computed in the order of docs/ORDER.md. Pieces are independent of each other: they may run in
/// any order and in any threads, and no two of them write the same element.
pub trait Twin: Sized + Send + Sync + 'static {
    /// Reads what the kernel's constants, the job and the bindings say.
    fn new(launch: &Launch<'_>) -> Self;

    /// Number of pieces that the work of one replica falls into. Bits do not depend on it.
    fn pieces(&self) -> usize;

    /// Does one piece of one replica. Implementations are `#[inline(always)]`, so that they are compiled for the instruction
    /// set of `L`.
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch);
}

/// A dispatch and the memory that its bindings lie in.
pub struct Launch<'a> {
    dispatch: &'a Dispatch,
    bindings: Vec<View<u8>>,
}

impl<'a> Launch<'a> {
    /// `dispatch` on what its bindings see of the buffers.
    pub fn new(dispatch: &'a Dispatch, bindings: Vec<View<u8>>) -> Self {
        Self { dispatch, bindings }
    }

    /// The dispatch.
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

    /// A constant of type `u32`, as an index.
    pub fn size(&self, name: &str) -> usize {
        match self.constant(name) {
            Constant::U32(value) => value as usize,
            other => unreachable!("{} is {other:?}", name),
        }
    }

    /// A constant of type `f32`.
    pub fn float(&self, name: &str) -> f32 {
        match self.constant(name) {
            Constant::F32(value) => value,
            other => unreachable!("{} is {other:?}", name),
        }
    }

    /// A constant of type `bool`.
    pub fn flag(&self, name: &str) -> bool {
        match self.constant(name) {
            Constant::Bool(value) => value,
            other => unreachable!("{} is {other:?}", name),
        }
    }

    /// The job.
    pub fn job(&self) -> &Job {
        &self.dispatch.job
    }

    /// Samples in the batch.
    pub fn samples(&self) -> usize {
        self.dispatch.job.samples as usize
    }

    /// A number of the job that only this shader has.
    pub fn argument(&self, name: &str) -> usize {
        let shader = self.dispatch.kernel.shader();
        match shader.arguments().iter().position(|known| *known == name) {
            Some(position) => self.dispatch.job.arguments[position] as usize,
            None => unreachable!("{} has no argument {name}", shader.name()),
        }
    }

    /// Workgroups that the shader would be launched in for each replica.
    pub fn tiles(&self) -> usize {
        self.dispatch.tiles as usize
    }

    /// Replicas of the dispatch; 1 where it has no replica axis.
    pub fn replicas(&self) -> usize {
        self.dispatch.replicas as usize
    }

    /// The floats of a binding, counted from 0 in the order of the shader.
    pub fn floats(&self, binding: usize) -> View<f32> {
        self.bindings[binding].cast()
    }

    /// The words of a binding.
    pub fn words(&self, binding: usize) -> View<u32> {
        self.bindings[binding].cast()
    }
}
