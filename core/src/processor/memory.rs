//! Buffers in the host's memory, and what pieces of work see of them.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::NonNull;

use super::lanes::Lanes;
use crate::huge_pages::{self, HUGE_PAGE};
use crate::record::{Binding, BufferId, BufferTable};

/// Buffers begin at cache lines, which are also the widest vectors.
const ALIGNMENT: usize = 64;

/// Bytes of zeros at an address that is a multiple of [`ALIGNMENT`]. Pieces of work write them through [`View`]s.
struct Block {
    start: NonNull<u8>,
    /// Bytes from `start` on.
    bytes: usize,
    allocation: (NonNull<u8>, Layout),
}

// SAFETY: a block is memory and nothing else; who writes what at a time is the contract of `View`.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    /// `None` where the system gives no memory. What is used densely gets huge pages where the system has them.
    fn new(bytes: usize, is_dense: bool) -> Option<Self> {
        // Aligned here and not by the allocator, which would then write the zeros itself and so take all of the memory
        // from the system, used or not.
        let is_huge = cfg!(target_os = "linux") && is_dense && bytes >= HUGE_PAGE;
        let alignment = if is_huge { HUGE_PAGE } else { ALIGNMENT };
        let layout = Layout::from_size_align(bytes.checked_add(alignment)?, 1).ok()?;
        // SAFETY: the size is not zero.
        let allocated = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        // SAFETY: less than `alignment` further on.
        let start = unsafe { allocated.add(allocated.as_ptr().align_offset(alignment)) };
        if is_huge {
            // SAFETY: the block, which nobody else has yet.
            huge_pages::ask(unsafe { NonNull::slice_from_raw_parts(start.cast(), bytes).as_mut() });
        }
        Some(Self { start, bytes, allocation: (allocated, layout) })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let (allocated, layout) = self.allocation;
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(allocated.as_ptr(), layout) };
    }
}

/// The buffers of a [`BufferTable`].
pub struct Memory {
    blocks: Vec<(Block, u64)>,
}

impl Memory {
    /// Zeros. `None` where the system gives no memory; it may give what it does not have.
    pub fn allocate(table: &BufferTable) -> Option<Self> {
        Self::new(table, true)
    }

    /// The same for buffers of which only small parts are used: the rest is never taken from the system.
    pub fn allocate_sparse(table: &BufferTable) -> Option<Self> {
        Self::new(table, false)
    }

    fn new(table: &BufferTable, is_dense: bool) -> Option<Self> {
        // A vector may be read whole whose first element is a buffer's last.
        let block = |bytes: u64| Some((Block::new(usize::try_from(bytes).ok()? + ALIGNMENT, is_dense)?, bytes));
        Some(Self { blocks: table.specs().iter().map(|spec| block(spec.bytes)).collect::<Option<_>>()? })
    }

    /// What a binding covers.
    ///
    /// # Panics
    /// If the binding reaches beyond its buffer.
    pub fn view(&self, binding: Binding) -> View<u8> {
        let (block, bytes) = &self.blocks[binding.buffer.0];
        assert!(binding.offset + binding.bytes <= *bytes, "a binding beyond its buffer");
        // SAFETY: the offset lies inside the block.
        let start = unsafe { block.start.add(binding.offset as usize) };
        View { start, length: binding.bytes as usize, of: PhantomData }
    }

    /// All bytes of a buffer.
    pub fn bytes(&self, buffer: BufferId) -> View<u8> {
        let (_, bytes) = &self.blocks[buffer.0];
        self.view(Binding { buffer, offset: 0, bytes: *bytes })
    }
}

/// A part of a buffer, as a piece of work sees it: it may be read and written through any number of views. For one replica, the
/// executor runs one dispatch after the other, or the members of a sample loop in turn, and pieces of a dispatch write
/// different elements ([`super::twin::Twin`]). A vector may also read floats behind those that a piece uses; what lies there may
/// be written meanwhile, and these lanes are dropped.
pub struct View<T> {
    start: NonNull<T>,
    length: usize,
    of: PhantomData<T>,
}

impl<T> Clone for View<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for View<T> {}

// SAFETY: an address; what may be done with it at a time says the contract above.
unsafe impl<T: Send> Send for View<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for View<T> {}

impl View<u8> {
    /// The same bytes as elements of another type. Bindings begin at multiples of 256 bytes.
    pub fn cast<T: bytemuck::Pod>(self) -> View<T> {
        View { start: self.start.cast(), length: self.length / size_of::<T>(), of: PhantomData }
    }
}

impl<T> View<T> {
    /// Elements.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Address of element `at`. Vectors may be read up to 64 bytes beyond the end of a buffer, never written.
    #[inline(always)]
    pub fn at(&self, at: usize) -> *mut T {
        debug_assert!(at <= self.length, "element {at} of {}", self.length);
        // SAFETY: inside the allocation or one past the view's end, which is inside it too.
        unsafe { self.start.as_ptr().add(at) }
    }

    /// Elements to read.
    ///
    /// # Safety
    /// Nobody writes them meanwhile.
    #[inline(always)]
    pub unsafe fn read(&self, range: Range<usize>) -> &[T] {
        assert!(range.start <= range.end && range.end <= self.length, "{range:?} of {}", self.length);
        // SAFETY: inside the view; the caller keeps writers away.
        unsafe { std::slice::from_raw_parts(self.at(range.start), range.len()) }
    }

    /// Elements to write.
    ///
    /// # Safety
    /// Nobody reads or writes them meanwhile.
    #[inline(always)]
    #[allow(clippy::mut_from_ref, reason = "disjoint parts of one buffer are written at a time")]
    pub unsafe fn write(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.length, "{range:?} of {}", self.length);
        // SAFETY: inside the view; the caller keeps everybody else away.
        unsafe { std::slice::from_raw_parts_mut(self.at(range.start), range.len()) }
    }
}

/// Memory of one thread: for the time of a piece, and for that of a sample loop.
#[derive(Default)]
pub struct Scratch {
    block: Option<Block>,
    kept: Vec<Option<Block>>,
    /// What the thread will read soon.
    pub ahead: Ahead,
}

impl Scratch {
    /// So many floats, at a multiple of 64 bytes, holding whatever was there.
    ///
    /// # Panics
    /// If the system gives no memory.
    pub fn floats(&mut self, length: usize) -> &mut [f32] {
        floats(&mut self.block, length)
    }

    /// [`Scratch::floats`], and what the thread will read soon.
    pub fn floats_and_ahead(&mut self, length: usize) -> (&mut [f32], &mut Ahead) {
        (floats(&mut self.block, length), &mut self.ahead)
    }

    /// What a sample loop keeps in this slot from group to group, and what the thread will read soon.
    pub fn kept_and_ahead(&mut self, slot: usize, kept: usize) -> (&mut [f32], &mut Ahead) {
        (floats(slot_of(&mut self.kept, slot), kept), &mut self.ahead)
    }

    /// What a sample loop keeps in this slot from group to group, and what [`Scratch::floats`] gives.
    pub fn kept_and_floats(&mut self, slot: usize, kept: usize, length: usize) -> [&mut [f32]; 2] {
        [floats(slot_of(&mut self.kept, slot), kept), floats(&mut self.block, length)]
    }
}

fn slot_of(kept: &mut Vec<Option<Block>>, slot: usize) -> &mut Option<Block> {
    if kept.len() <= slot {
        kept.resize_with(slot + 1, || None);
    }
    &mut kept[slot]
}

/// Cache lines that a thread will need soon. Kernels that compute for long ask for a few of them now and then, so that memory and
/// arithmetic overlap.
#[derive(Default)]
pub struct Ahead {
    /// Bytes from an address on, in the reverse order of their use.
    runs: Vec<(*const u8, usize)>,
    /// Lines a call.
    each: usize,
    calls: usize,
}

/// A line that is always near. To ask for an address that is not mapped would cost a walk through the page table each time.
static HERE: [u8; LINE] = [0; LINE];

/// Bytes of a cache line.
const LINE: usize = 64;

impl Ahead {
    /// These runs of bytes are next, and [`Ahead::ask`] will be called about so many times before they are needed.
    pub fn plan(&mut self, runs: impl Iterator<Item = (*const u8, usize)>, calls: usize) {
        self.runs.clear();
        self.runs.extend(runs);
        self.runs.reverse();
        let lines: usize = self.runs.iter().map(|(_, bytes)| bytes.div_ceil(LINE)).sum();
        (self.each, self.calls) = (lines.div_ceil(calls.max(1)), 0);
    }

    /// Calls since the plan was made.
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// The next few lines, for a loop that asks for one each time round.
    #[inline(always)]
    pub fn lines(&mut self) -> Lines {
        self.calls += 1;
        let Some((at, bytes)) = self.runs.last_mut() else { return Lines { at: HERE.as_ptr(), left: 0 } };
        let lines = Lines { at: *at, left: self.each.min(bytes.div_ceil(LINE)) };
        *at = at.wrapping_add(LINE * lines.left);
        *bytes = bytes.saturating_sub(LINE * lines.left);
        if *bytes == 0 {
            self.runs.pop();
        }
        lines
    }
}

/// A few cache lines in a row.
#[derive(Clone, Copy)]
pub struct Lines {
    at: *const u8,
    left: usize,
}

impl Lines {
    /// Asks for one of them; for the last one again where there are no more.
    #[inline(always)]
    pub fn ask<L: Lanes>(&mut self) {
        L::prefetch(self.at.cast());
        let is_more = self.left > 1;
        self.at = self.at.wrapping_add(if is_more { LINE } else { 0 });
        self.left -= usize::from(is_more);
    }
}

/// The first floats of a block, which is made larger (and then holds zeros) where it has to be.
fn floats(block: &mut Option<Block>, length: usize) -> &mut [f32] {
    let bytes = (length * 4).max(ALIGNMENT);
    let large_enough = match block.take().filter(|block| block.bytes >= bytes) {
        Some(block) => block,
        None => Block::new(bytes.next_power_of_two(), true).expect("scratch of a few MiB"),
    };
    let start = block.insert(large_enough).start.cast::<f32>();
    // SAFETY: long enough, initialised (zeros at first), and borrowed from this block alone.
    unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), length) }
}
