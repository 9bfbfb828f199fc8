//! Huge pages for large memory, on Linux.

use std::mem::MaybeUninit;

/// Bytes of a huge page. With pages of 4 KiB a training step has the processor look up hundreds of thousands of page addresses, and to
/// fill memory for the first time takes longer than the copy.
pub const HUGE_PAGE: usize = 2 << 20;

/// No bytes yet, with room for `capacity`.
#[must_use]
pub fn room_for(capacity: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(capacity);
    ask(bytes.spare_capacity_mut());
    bytes
}

/// Asks the system for huge pages wherever whole ones fit in `memory`. The system may refuse.
#[cfg(target_os = "linux")]
pub fn ask(memory: &mut [MaybeUninit<u8>]) {
    let before = memory.as_ptr().align_offset(HUGE_PAGE);
    let whole = memory.len().saturating_sub(before) / HUGE_PAGE * HUGE_PAGE;
    if whole > 0 {
        let pages = &mut memory[before..][..whole];
        // SAFETY: whole pages, of which nothing but their size changes.
        unsafe { libc::madvise(pages.as_mut_ptr().cast(), pages.len(), libc::MADV_HUGEPAGE) };
    }
}

/// Nothing: other systems decide themselves.
#[cfg(not(target_os = "linux"))]
pub fn ask(_: &mut [MaybeUninit<u8>]) {}
