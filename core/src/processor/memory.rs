//! Buffers in the host's memory, and the views through which pieces of work access them.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::NonNull;

use super::lanes::Lanes;
use crate::huge_pages::{self, HUGE_PAGE};
use crate::record::{Binding, BufferId, BufferTable};

/// Buffers begin at cache lines, which are as large as the widest vectors.
const ALIGNMENT: usize = 64;

/// Zero-initialised memory at a multiple of [`ALIGNMENT`]. Pieces of work write it through [`View`]s.
struct Block {
    start: NonNull<u8>,
    /// Usable bytes from `start` on.
    bytes: usize,
    allocation: (NonNull<u8>, Layout),
}

// SAFETY: a block is plain memory; the contract of `View` rules out data races.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    /// Allocates `bytes` bytes, or returns `None` if the system refuses. Dense blocks ask for huge pages on Linux.
    fn new(bytes: usize, is_dense: bool) -> Option<Self> {
        // Align here: an allocator that aligns writes the zeros itself and so takes all of the memory from the system,
        // used or not.
        let is_huge = cfg!(target_os = "linux") && is_dense && bytes >= HUGE_PAGE;
        let alignment = if is_huge { HUGE_PAGE } else { ALIGNMENT };
        let layout = Layout::from_size_align(bytes.checked_add(alignment)?, 1).ok()?;
        // SAFETY: the size is not zero.
        let allocated = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        // SAFETY: the offset is less than `alignment`, which the layout has room for.
        let start = unsafe { allocated.add(allocated.as_ptr().align_offset(alignment)) };
        if is_huge {
            // SAFETY: the block lies in the allocation and is not shared yet.
            huge_pages::advise(unsafe { NonNull::slice_from_raw_parts(start.cast(), bytes).as_mut() });
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
    /// Allocates every buffer, filled with zeros. Returns `None` if the system refuses; a system that overcommits may not refuse.
    pub fn allocate(table: &BufferTable) -> Option<Self> {
        Self::new(table, true)
    }

    /// Like [`Memory::allocate`], for buffers of which only small parts are used: the rest is never taken from the system.
    pub fn allocate_sparse(table: &BufferTable) -> Option<Self> {
        Self::new(table, false)
    }

    fn new(table: &BufferTable, is_dense: bool) -> Option<Self> {
        // A whole vector may be read at a buffer's last element, so each block has room for one more vector.
        let block = |bytes: u64| Some((Block::new(usize::try_from(bytes).ok()? + ALIGNMENT, is_dense)?, bytes));
        Some(Self { blocks: table.specs().iter().map(|spec| block(spec.bytes)).collect::<Option<_>>()? })
    }

    /// The bytes that a binding covers.
    ///
    /// # Panics
    /// If the binding reaches beyond its buffer.
    pub fn view(&self, binding: Binding) -> View<u8> {
        let (block, bytes) = &self.blocks[binding.buffer.0];
        assert!(binding.offset + binding.bytes <= *bytes, "the binding reaches beyond its buffer");
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

/// A part of a buffer, as a piece of work sees it. Any number of views may read and write the same bytes: for one replica, the
/// executor runs one dispatch after the other, or the members of a sample loop in turn, and pieces of a dispatch write
/// different elements ([`super::twin::Twin`]). A vector may also read floats beyond those that a piece uses; another piece may
/// write them meanwhile, and these lanes are dropped.
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

// SAFETY: a view is an address; the contract above rules out data races.
unsafe impl<T: Send> Send for View<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for View<T> {}

impl View<u8> {
    /// The same bytes as elements of another type. Bindings begin at multiples of 256 bytes, so the elements are aligned.
    pub fn cast<T: bytemuck::Pod>(self) -> View<T> {
        View { start: self.start.cast(), length: self.length / size_of::<T>(), of: PhantomData }
    }
}

impl<T> View<T> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Address of element `at`. A vector load may reach up to 64 bytes beyond the end of a buffer, a store may not.
    #[inline(always)]
    pub fn at(&self, at: usize) -> *mut T {
        debug_assert!(at <= self.length, "element {at} of {}", self.length);
        // SAFETY: the element lies in the view or one past its end, which is inside the allocation, too.
        unsafe { self.start.as_ptr().add(at) }
    }

    /// The elements of `range`, to read.
    ///
    /// # Safety
    /// Nothing may write these elements while the slice lives.
    #[inline(always)]
    pub unsafe fn read(&self, range: Range<usize>) -> &[T] {
        assert!(range.start <= range.end && range.end <= self.length, "{range:?} of {}", self.length);
        // SAFETY: the range lies in the view; the caller rules out writers.
        unsafe { std::slice::from_raw_parts(self.at(range.start), range.len()) }
    }

    /// The elements of `range`, to write.
    ///
    /// # Safety
    /// Nothing else may read or write these elements while the slice lives.
    #[inline(always)]
    #[allow(clippy::mut_from_ref, reason = "pieces write disjoint parts of one buffer")]
    pub unsafe fn write(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.length, "{range:?} of {}", self.length);
        // SAFETY: the range lies in the view; the caller rules out other accesses.
        unsafe { std::slice::from_raw_parts_mut(self.at(range.start), range.len()) }
    }
}

/// Memory of one thread: a block that lasts for a piece, and blocks that last for a sample loop, one for each slot.
#[derive(Default)]
pub struct Scratch {
    block: Option<Block>,
    kept: Vec<Option<Block>>,
    /// Cache lines that the thread will read soon.
    pub prefetch: Prefetch,
}

impl Scratch {
    /// `length` floats at a multiple of 64 bytes, with unspecified values.
    ///
    /// # Panics
    /// If the system refuses the memory.
    pub fn floats(&mut self, length: usize) -> &mut [f32] {
        floats(&mut self.block, length)
    }

    /// [`Scratch::floats`] and [`Scratch::prefetch`].
    pub fn floats_and_prefetch(&mut self, length: usize) -> (&mut [f32], &mut Prefetch) {
        (floats(&mut self.block, length), &mut self.prefetch)
    }

    /// The floats that a sample loop keeps in `slot` from group to group, and [`Scratch::prefetch`].
    pub fn kept_and_prefetch(&mut self, slot: usize, kept: usize) -> (&mut [f32], &mut Prefetch) {
        (floats(slot_of(&mut self.kept, slot), kept), &mut self.prefetch)
    }

    /// The floats that a sample loop keeps in `slot` from group to group, and [`Scratch::floats`].
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

/// Cache lines that a thread will need soon. Kernels that compute for long prefetch a few of them at a time, so that memory
/// access and arithmetic overlap.
#[derive(Default)]
pub struct Prefetch {
    /// Ranges `(address, bytes)`, in reverse order of use.
    runs: Vec<(*const u8, usize)>,
    /// Lines per call of [`Prefetch::lines`].
    each: usize,
    calls: usize,
}

/// A line that is always cached. Prefetching an unmapped address would cost a walk through the page table each time.
static ALWAYS_CACHED: [u8; LINE] = [0; LINE];

/// Bytes of a cache line.
const LINE: usize = 64;

impl Prefetch {
    /// Sets the ranges that are needed next. [`Prefetch::lines`] will be called about `calls` times before then.
    pub fn plan(&mut self, runs: impl Iterator<Item = (*const u8, usize)>, calls: usize) {
        self.runs.clear();
        self.runs.extend(runs);
        self.runs.reverse();
        let lines: usize = self.runs.iter().map(|(_, bytes)| bytes.div_ceil(LINE)).sum();
        (self.each, self.calls) = (lines.div_ceil(calls.max(1)), 0);
    }

    /// Calls of [`Prefetch::lines`] since the last [`Prefetch::plan`].
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// The next few lines, for a loop that prefetches one per iteration.
    #[inline(always)]
    pub fn lines(&mut self) -> CacheLines {
        self.calls += 1;
        let Some((at, bytes)) = self.runs.last_mut() else { return CacheLines { at: ALWAYS_CACHED.as_ptr(), left: 0 } };
        let lines = CacheLines { at: *at, left: self.each.min(bytes.div_ceil(LINE)) };
        *at = at.wrapping_add(LINE * lines.left);
        *bytes = bytes.saturating_sub(LINE * lines.left);
        if *bytes == 0 {
            self.runs.pop();
        }
        lines
    }
}

/// A few consecutive cache lines.
#[derive(Clone, Copy)]
pub struct CacheLines {
    at: *const u8,
    left: usize,
}

impl CacheLines {
    /// Prefetches the next line, or the last one again if none is left.
    #[inline(always)]
    pub fn prefetch_next<L: Lanes>(&mut self) {
        L::prefetch(self.at.cast());
        let is_more = self.left > 1;
        self.at = self.at.wrapping_add(if is_more { LINE } else { 0 });
        self.left -= usize::from(is_more);
    }
}

/// The first `length` floats of a block. A block that is too small is replaced by a larger one, filled with zeros.
fn floats(block: &mut Option<Block>, length: usize) -> &mut [f32] {
    let bytes = (length * 4).max(ALIGNMENT);
    let large_enough = match block.take().filter(|block| block.bytes >= bytes) {
        Some(block) => block,
        None => Block::new(bytes.next_power_of_two(), true).expect("the system has a few MiB of scratch memory"),
    };
    let start = block.insert(large_enough).start.cast::<f32>();
    // SAFETY: the block is long enough, initialised (zeros at first) and borrowed mutably.
    unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), length) }
}
