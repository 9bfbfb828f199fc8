//! Buffers in the host's memory, and what pieces of work see of them.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::NonNull;

use crate::record::{Binding, BufferId, BufferTable};

/// Buffers begin at cache lines, which are also the widest vectors.
const ALIGNMENT: usize = 64;

/// Bytes of zeros at an address that is a multiple of [`ALIGNMENT`]. Pieces of work write them through [`View`]s.
struct Block {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: a block is memory and nothing else; who writes what at a time is the contract of `View`.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    /// `None` where the system gives no memory.
    fn new(bytes: usize) -> Option<Self> {
        let layout = Layout::from_size_align(bytes.max(1), ALIGNMENT).ok()?;
        // SAFETY: the size is not zero.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Self { start, layout })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

/// The buffers of a [`BufferTable`].
pub struct Memory {
    blocks: Vec<(Block, u64)>,
}

impl Memory {
    /// Zeros. `None` where the system gives no memory; it may give what it does not have.
    pub fn allocate(table: &BufferTable) -> Option<Self> {
        // A vector may be read whole whose first element is a buffer's last.
        let block = |bytes: u64| Some((Block::new(usize::try_from(bytes).ok()? + ALIGNMENT)?, bytes));
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

/// A part of a buffer, as a piece of work sees it: it may be read and written through any number of views. The executor runs
/// one dispatch after the other, and pieces of a dispatch write different elements ([`super::twin::Twin`]).
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

/// Memory of one thread for the time of a piece.
#[derive(Default)]
pub struct Scratch {
    block: Option<Block>,
}

impl Scratch {
    /// So many floats, at a multiple of 64 bytes, holding whatever was there.
    ///
    /// # Panics
    /// If the system gives no memory.
    pub fn floats(&mut self, length: usize) -> &mut [f32] {
        let bytes = (length * 4).max(ALIGNMENT);
        let block = match self.block.take().filter(|block| block.layout.size() >= bytes) {
            Some(block) => block,
            None => Block::new(bytes.next_power_of_two()).expect("scratch of a few hundred KiB"),
        };
        let start = self.block.insert(block).start.cast::<f32>();
        // SAFETY: long enough, initialised (zeros at first), and borrowed from this scratch alone.
        unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), length) }
    }
}
