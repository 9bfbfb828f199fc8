//! Natively: a pool of threads.

use std::sync::Arc;

use rayon::iter::{IndexedParallelIterator as _, IntoParallelIterator as _, ParallelIterator as _};

/// Some threads. Clones share them.
#[derive(Clone, Debug)]
pub struct Threads {
    /// `None`: the caller's own thread.
    pool: Option<Arc<rayon::ThreadPool>>,
}

/// What drivers' compilers are used to: the stack of a main thread.
const STACK_BYTES: usize = 8 << 20;

impl Threads {
    /// The caller's own thread.
    #[must_use]
    pub fn one() -> Self {
        Self { pool: None }
    }

    /// So many threads (at least one).
    ///
    /// # Errors
    /// The system's words, where it gives no more threads.
    pub fn new(count: usize) -> Result<Self, String> {
        if count <= 1 {
            return Ok(Self::one());
        }
        let builder = rayon::ThreadPoolBuilder::new().num_threads(count).stack_size(STACK_BYTES);
        let pool = builder.thread_name(|i| format!("lastbit-{i}")).build().map_err(|error| error.to_string())?;
        Ok(Self { pool: Some(Arc::new(pool)) })
    }

    /// As many as the machine runs at once, but at most `most`; the caller's own where the system gives none.
    #[must_use]
    pub fn up_to(most: usize) -> Self {
        Self::new(Self::available_count().min(most)).unwrap_or_else(|_| Self::one())
    }

    /// How many the machine runs at once.
    #[must_use]
    pub fn available_count() -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.pool.as_ref().map_or(1, |pool| pool.current_num_threads())
    }

    /// Runs `work` in one of the threads and waits for it. Calls of [`Threads::spread`] from there start without a detour.
    pub fn enter<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// Calls `work` with 0 to `n` - 1, each once, in any order and in any of the threads; returns when all are done.
    pub fn spread(&self, n: usize, work: &(dyn Fn(usize) + Sync)) {
        match &self.pool {
            Some(pool) if n > 1 => pool.install(|| (0..n).into_par_iter().with_max_len(1).for_each(work)),
            _ => (0..n).for_each(work),
        }
    }
}

impl Default for Threads {
    fn default() -> Self {
        Self::up_to(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_piece_is_done_once_also_from_inside() {
        for count in [1, 2, 3, 7] {
            let threads = Threads::new(count).unwrap();
            assert_eq!(threads.count(), count);
            for n in [0, 1, 2, 100] {
                let times: Vec<AtomicUsize> = (0..n * n).map(|_| AtomicUsize::new(0)).collect();
                threads.enter(|| {
                    threads.spread(n, &|i| {
                        threads.spread(n, &|j| {
                            times[i * n + j].fetch_add(1, Ordering::Relaxed);
                        });
                    });
                });
                assert!(times.into_iter().all(|times| times.into_inner() == 1), "{n} in {count} threads");
            }
        }
    }
}
