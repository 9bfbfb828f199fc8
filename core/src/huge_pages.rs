//! Huge pages for large blocks of memory, on Linux.

use std::mem::MaybeUninit;

/// Bytes of a huge page. With pages of 4 KiB, the processor looks up hundreds of thousands of page addresses in a training step, and
/// the first write to memory takes longer than the copy itself.
pub const HUGE_PAGE: usize = 2 << 20;

/// An empty vector with capacity for `capacity` bytes, in huge pages where the system grants them.
#[must_use]
pub fn with_capacity(capacity: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(capacity);
    advise(bytes.spare_capacity_mut());
    bytes
}

/// Advises the system to use huge pages wherever whole ones fit in `memory`. The system may refuse.
#[cfg(target_os = "linux")]
pub fn advise(memory: &mut [MaybeUninit<u8>]) {
    let before = memory.as_ptr().align_offset(HUGE_PAGE);
    let whole = memory.len().saturating_sub(before) / HUGE_PAGE * HUGE_PAGE;
    if whole > 0 {
        let pages = &mut memory[before..][..whole];
        // SAFETY: `pages` are whole pages inside `memory`, and the advice changes nothing but the size of pages.
        unsafe { libc::madvise(pages.as_mut_ptr().cast(), pages.len(), libc::MADV_HUGEPAGE) };
    }
}

/// Does nothing: other systems choose the size of pages themselves.
#[cfg(not(target_os = "linux"))]
pub fn advise(_: &mut [MaybeUninit<u8>]) {}
