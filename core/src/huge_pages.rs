//! Huge pages for large memory, on Linux.

use std::mem::MaybeUninit;

/// Bytes of a huge page. With small ones a training step looks up hundreds of thousands, and filling memory for the first time takes
/// longer than the copy.
pub const HUGE_PAGE: usize = 2 << 20;

/// Asks the system for huge pages wherever whole ones fit in `memory`. The system may refuse.
pub fn ask(memory: &mut [MaybeUninit<u8>]) {
    let before = memory.as_ptr().align_offset(HUGE_PAGE);
    let whole = memory.len().saturating_sub(before) / HUGE_PAGE * HUGE_PAGE;
    if whole == 0 {
        return;
    }
    #[cfg(target_os = "linux")]
    // SAFETY: whole pages inside of `memory`, of which nothing but their size changes.
    unsafe {
        libc::madvise(memory[before..].as_mut_ptr().cast(), whole, libc::MADV_HUGEPAGE);
    }
}
