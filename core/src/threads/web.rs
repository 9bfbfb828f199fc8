//! The implementation in a browser, which uses only the caller's thread.

/// The caller's thread.
#[derive(Clone, Debug, Default)]
pub struct Threads;

impl Threads {
    /// The caller's thread.
    #[must_use]
    pub fn one() -> Self {
        Self
    }

    /// Only the caller's thread, whatever `count` says.
    ///
    /// # Errors
    /// Never.
    #[allow(clippy::unnecessary_wraps, reason = "the native implementation may fail")]
    pub fn new(_count: usize) -> Result<Self, String> {
        Ok(Self)
    }

    /// The caller's thread, whatever `_most` is.
    #[must_use]
    pub fn up_to(_most: usize) -> Self {
        Self
    }

    /// Number of threads that can be used: always 1.
    #[must_use]
    pub fn available_count() -> usize {
        1
    }

    /// Number of threads: always 1.
    #[must_use]
    pub fn count(&self) -> usize {
        1
    }

    /// Runs `work` in the caller's thread.
    pub fn enter<R>(&self, work: impl FnOnce() -> R) -> R {
        work()
    }

    /// Calls `work` with each number from 0 to `n - 1`, in order.
    pub fn parallel_for(&self, n: usize, work: &dyn Fn(usize)) {
        (0..n).for_each(work);
    }
}
