//! Sample loops: consecutive dispatches that are computed together, a few samples at a time, so that each dispatch finds the
//! output of the one before in the L2 cache.
//!
//! Most dispatches between two convolutions pass over a tensor that is larger than the cache. A loop ends where a dispatch
//! needs a number that depends on all samples (batch statistics, for example). Tensors that only the loop reads never reach
//! memory: they are *rings*, which hold the current samples.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::record::{Binding, BufferId, Command, Constant, Dispatch, Shader};

/// Bytes that the members of a loop pass over in a group of samples. They share the L2 cache of a core with those of the next
/// group, weights and sums.
const GROUP_BYTES: usize = 768 << 10;

/// Most bytes that samples which must stay together may pass over. Beyond it a loop does not pay off.
const MOST_BYTES: usize = 2 << 20;

/// Dispatches of a stretch that form a loop.
pub struct SampleLoop {
    /// Indices of the dispatches in the stretch. Each `conv_dweight_reduce` among them runs after the loop.
    pub dispatches: Range<usize>,
    /// Samples in a group.
    pub group: usize,
    /// Tensors that only the loop reads, with their bytes per sample.
    pub rings: HashMap<BufferId, usize>,
    /// The other tensors except the batch, in order of use: `(dispatch of the loop, binding, bytes per sample)`.
    pub streams: Vec<(usize, usize, usize)>,
}

/// The value of the integer or boolean constant `name`; 0 if the kernel has none.
fn constant(dispatch: &Dispatch, name: &str) -> usize {
    match dispatch.kernel.constants().iter().find(|(known, _)| *known == name) {
        Some((_, Constant::U32(value))) => *value as usize,
        Some((_, Constant::Bool(value))) => usize::from(*value),
        _ => 0,
    }
}

/// A binding `[R][N]` of planes.
#[derive(Clone, Copy)]
struct PlanesBinding {
    binding: usize,
    /// Bytes per sample.
    bytes: usize,
    /// Whether the dispatch writes every pixel of a sample and reads none before.
    is_overwritten: bool,
}

/// The tensors of a dispatch that can run sample by sample; `None` if it cannot.
fn planes(dispatch: &Dispatch) -> Option<Vec<PlanesBinding>> {
    let of = |channels: &str, plane: &str| constant(dispatch, channels) * constant(dispatch, plane) * 16;
    let read = |binding, bytes| PlanesBinding { binding, bytes, is_overwritten: false };
    let overwritten = |binding, bytes| PlanesBinding { binding, bytes, is_overwritten: true };
    let same = of("C", "PLANE");
    let (x, y) = (of("C", "X_PLANE"), of("K", "Y_PLANE"));
    Some(match dispatch.kernel.shader() {
        Shader::BnStatistics => vec![read(0, same)],
        Shader::BnApply => vec![read(0, same), read(2, same), overwritten(3, same)],
        Shader::BnBackwardReduce => vec![read(0, same), read(2, same), read(3, same)],
        Shader::BnBackwardApply => vec![read(0, same), read(1, same), overwritten(4, same)],
        Shader::Conv3x3Forward | Shader::Conv3x3ForwardStaged => {
            let y =
                PlanesBinding { is_overwritten: constant(dispatch, "ACCUMULATE") == 0, ..read(2, of("K", "PLANE")) };
            vec![read(0, same), y]
        }
        Shader::Conv3x3Dweight | Shader::Conv3x3DweightStaged => vec![read(0, same), read(1, of("K", "PLANE"))],
        Shader::ConvDownForward => vec![read(0, x), overwritten(3, y), overwritten(4, y)],
        Shader::ConvDownDinput => vec![read(0, y), read(1, y), overwritten(4, x)],
        Shader::ConvDownDweight => vec![read(0, x), read(1, y), read(2, y)],
        Shader::MaxPoolForward => vec![read(0, x), overwritten(1, of("C", "Y_PLANE"))],
        Shader::MaxPoolBackward => vec![read(0, x), read(1, of("C", "Y_PLANE")), overwritten(2, x)],
        _ => return None,
    })
}

/// Number of samples that must stay together: the images of a block of a weight gradient, 1 elsewhere.
fn block(dispatch: &Dispatch) -> usize {
    match dispatch.kernel.shader() {
        Shader::Conv3x3Dweight | Shader::Conv3x3DweightStaged | Shader::ConvDownDweight => {
            constant(dispatch, "IMAGES").max(1)
        }
        _ => 1,
    }
}

/// A loop under construction.
#[derive(Default)]
struct Growing {
    members: usize,
    /// Samples in the batch.
    samples: u32,
    block: usize,
    /// Bytes per sample of each tensor.
    tensors: HashMap<BufferId, usize>,
    /// Other buffers that members read.
    read: HashSet<BufferId>,
    /// Other buffers that members write.
    written: HashSet<BufferId>,
    /// Buffers of the dispatches that run after the loop.
    later: HashSet<BufferId>,
}

impl Growing {
    /// Adds the next dispatch if the loop can contain it. Returns whether it did.
    fn add(&mut self, dispatch: &Dispatch) -> bool {
        let buffers = |writes: bool| {
            let all = dispatch.kernel.shader().bindings().iter().zip(&dispatch.bindings);
            all.enumerate()
                .filter(move |(_, (its, _))| its.writes() == writes)
                .map(|(i, (_, binding))| (i, binding.buffer))
        };
        if dispatch.kernel.shader() == Shader::ConvDweightReduce {
            // May run after the loop if it adds what members wrote into what no member touches.
            let is_last = buffers(false).all(|(_, buffer)| self.written.contains(&buffer))
                && buffers(true).all(|(_, buffer)| !self.is_touched(buffer));
            if is_last && self.members > 0 {
                self.later.extend(dispatch.bindings.iter().map(|binding| binding.buffer));
            }
            return is_last && self.members > 0;
        }
        let Some(planes) = planes(dispatch) else { return false };
        let samples = dispatch.job.samples;
        if self.members > 0 && samples != self.samples {
            return false;
        }
        let is_planes = |binding: usize| planes.iter().any(|planes| planes.binding == binding);
        let read: Vec<BufferId> = buffers(false).filter(|(i, _)| !is_planes(*i)).map(|(_, id)| id).collect();
        let written: Vec<BufferId> = buffers(true).filter(|(i, _)| !is_planes(*i)).map(|(_, id)| id).collect();
        let mut tensors = self.tensors.clone();
        for planes in &planes {
            let Binding { buffer, offset, .. } = dispatch.bindings[planes.binding];
            if offset > 0 || *tensors.entry(buffer).or_insert(planes.bytes) != planes.bytes || self.is_other(buffer) {
                return false;
            }
        }
        // Other buffers belong to all samples at once: no member may wait for them inside the loop.
        let waits = read.iter().any(|buffer| self.written.contains(buffer) || tensors.contains_key(buffer))
            || written.iter().any(|buffer| self.is_other(*buffer) || tensors.contains_key(buffer))
            || read.iter().chain(&written).any(|buffer| self.later.contains(buffer));
        let blocks = [self.block.max(1), block(dispatch)];
        let block = blocks[0].max(blocks[1]);
        let fits = block * tensors.values().sum::<usize>() <= MOST_BYTES;
        if waits || !fits || blocks.iter().any(|one| !block.is_multiple_of(*one)) {
            return false;
        }
        self.read.extend(read);
        self.written.extend(written);
        (self.samples, self.block, self.tensors) = (samples, block, tensors);
        self.members += 1;
        true
    }

    fn is_other(&self, buffer: BufferId) -> bool {
        self.read.contains(&buffer) || self.written.contains(&buffer) || self.later.contains(&buffer)
    }

    /// Whether a member reads or writes `buffer`.
    fn is_touched(&self, buffer: BufferId) -> bool {
        self.read.contains(&buffer) || self.written.contains(&buffer) || self.tensors.contains_key(&buffer)
    }

    /// Samples in a group: as many whole blocks as pass over [`GROUP_BYTES`], at least one.
    fn group(&self, samples: usize) -> usize {
        let block = self.block.max(1);
        let blocks = GROUP_BYTES / (block * self.tensors.values().sum::<usize>()).max(1);
        (blocks.max(1) * block).min(samples.next_multiple_of(block)).max(1)
    }
}

/// Finds the loops of a stretch. Each dispatch comes with its index in `commands`.
pub fn find(stretch: &[(usize, &Dispatch)], commands: &[Command]) -> Vec<SampleLoop> {
    let mut loops = Vec::new();
    let mut first = 0;
    while first < stretch.len() {
        let mut growing = Growing::default();
        let count = stretch[first..].iter().take_while(|(_, dispatch)| growing.add(dispatch)).count();
        let dispatches = first..first + count.max(1);
        if growing.members > 1 {
            let members = &stretch[dispatches.clone()];
            let after = &commands[members[count - 1].0 + 1..];
            let rings = growing.tensors.iter().filter(|(buffer, _)| is_ring(**buffer, members, after));
            let rings: HashMap<_, _> = rings.map(|(buffer, bytes)| (*buffer, *bytes)).collect();
            let streams = streams(members, &rings);
            let group = growing.group(members[0].1.job.samples as usize);
            loops.push(SampleLoop { dispatches: dispatches.clone(), group, rings, streams });
        }
        first = dispatches.end;
    }
    loops
}

/// Tensors of the members that are not rings. See [`SampleLoop::streams`].
fn streams(members: &[(usize, &Dispatch)], rings: &HashMap<BufferId, usize>) -> Vec<(usize, usize, usize)> {
    let mut known: HashSet<BufferId> = rings.keys().copied().collect();
    let mut streams = Vec::new();
    for (number, (_, dispatch)) in members.iter().enumerate() {
        for planes in planes(dispatch).unwrap_or_default() {
            // All replicas share the batch, which stays in the caches anyway.
            let is_shared = planes.binding == 0 && constant(dispatch, "SHARED_INPUT") == 1;
            if !is_shared && known.insert(dispatch.bindings[planes.binding].buffer) {
                streams.push((number, planes.binding, planes.bytes));
            }
        }
    }
    streams
}

/// Whether a member of a loop writes a tensor, later members read it, and it is overwritten before anything else reads it.
fn is_ring(buffer: BufferId, members: &[(usize, &Dispatch)], after: &[Command]) -> bool {
    let mut uses = members.iter().map(|(_, dispatch)| uses(dispatch, buffer)).filter(|uses| !uses.is_empty());
    let begins = uses.next().is_some_and(|uses| uses.iter().all(|is_overwritten| *is_overwritten));
    let is_read = uses.flatten().any(|is_overwritten| !is_overwritten);
    let next = after.iter().find_map(|command| match command {
        Command::Dispatch(dispatch) => {
            let uses = self::uses(dispatch, buffer);
            (!uses.is_empty()).then(|| uses.iter().all(|is_overwritten| *is_overwritten))
        }
        Command::Copy { from, to, .. } => (from.0 == buffer || to.0 == buffer).then_some(false),
        Command::Clear(cleared) => (*cleared == buffer).then_some(false),
    });
    begins && is_read && next == Some(true)
}

/// For each binding of `dispatch` to `buffer`: whether the dispatch overwrites it.
fn uses(dispatch: &Dispatch, buffer: BufferId) -> Vec<bool> {
    let planes = planes(dispatch).unwrap_or_default();
    let bound = dispatch.bindings.iter().enumerate().filter(|(_, binding)| binding.buffer == buffer);
    let is_overwritten = |(i, _)| planes.iter().any(|planes| planes.binding == i && planes.is_overwritten);
    bound.map(is_overwritten).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::batch_norm::BatchNorm;
    use crate::ops::conv::Conv;
    use crate::ops::{Activation, Pass, Shape, TileTarget, Tiles};
    use crate::record::{BufferTable, Job, Recording};

    const SHAPE: Shape = Shape { channels: 16, height: 32, width: 32 };
    const SAMPLES: u32 = 32;

    /// Two layers: a convolution reads `a`, the output of a batch norm. The next batch norm overwrites `a` if `is_reused`.
    fn recording(is_reused: bool) -> (Recording, Binding) {
        let mut table = BufferTable::default();
        let mut planes = || {
            let id = SHAPE.buffer(&mut table, "planes", 2, SAMPLES);
            table.whole(id)
        };
        let [y, a, y2, other] = [(); 4].map(|()| planes());
        let [coefficients, packed] = [("coefficients", 512), ("packed", 2 * 9216)].map(|(label, bytes)| {
            let id = table.add(label, bytes);
            table.whole(id)
        });
        let mut rec = Recording::new(2, Job { samples: SAMPLES, ..Job::default() });
        let norm = BatchNorm { shape: SHAPE, activation: Some(Activation::Relu), shortcut: false };
        let conv = Conv { input: SHAPE, out_channels: 16, shared_input: false };
        norm.apply(&mut rec, "norm", y, coefficients, y, a);
        conv.forward(
            &mut rec,
            "conv",
            Tiles::default_for(TileTarget::Software).of(conv, Pass::Forward),
            [a, packed, y2],
        );
        // Needs all samples of the dispatches before it.
        norm.running(&mut rec, "norm", channels(packed), coefficients);
        norm.apply(&mut rec, "norm", y2, coefficients, y2, if is_reused { a } else { other });
        (rec, a)
    }

    fn channels(binding: Binding) -> crate::ops::batch_norm::ChannelBindings {
        crate::ops::batch_norm::ChannelBindings {
            scale: binding,
            shift: binding,
            running: binding,
            mean_to_variance: 16,
        }
    }

    fn loops(rec: &Recording) -> Vec<SampleLoop> {
        let stretch: Vec<_> = rec.dispatches().enumerate().collect();
        find(&stretch, &rec.commands)
    }

    #[test]
    fn a_loop_ends_where_all_samples_are_needed() {
        let (rec, _) = recording(false);
        let loops = loops(&rec);
        assert_eq!((loops.len(), &loops[0].dispatches), (1, &(0..2)));
        // Three tensors of 76,032 bytes per sample.
        assert_eq!(loops[0].group, 3);
    }

    #[test]
    fn only_what_is_written_again_before_it_is_read_is_a_ring() {
        let (rec, a) = recording(true);
        assert_eq!(loops(&rec)[0].rings.keys().collect::<Vec<_>>(), [&a.buffer]);
        let (rec, _) = recording(false);
        assert!(loops(&rec)[0].rings.is_empty(), "a later dispatch may read the tensor");
    }
}
