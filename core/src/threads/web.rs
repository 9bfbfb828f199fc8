//! In a browser: the caller's own thread.

/// The caller's own thread.
#[derive(Clone, Debug, Default)]
pub struct Threads;

impl Threads {
    /// The caller's own thread.
    #[must_use]
    pub fn one() -> Self {
        Self
    }

    /// The caller's own thread.
    #[must_use]
    pub fn up_to(_most: usize) -> Self {
        Self
    }

    /// How many the machine lends.
    #[must_use]
    pub fn available_count() -> usize {
        1
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        1
    }

    /// Runs `work`.
    pub fn enter<R>(&self, work: impl FnOnce() -> R) -> R {
        work()
    }

    /// Calls `work` with 0 to `n` - 1.
    pub fn spread(&self, n: usize, work: &dyn Fn(usize)) {
        (0..n).for_each(work);
    }
}
