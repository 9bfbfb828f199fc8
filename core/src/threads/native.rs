//! The native implementation: a pool of threads.

use std::sync::Arc;

use rayon::iter::{IndexedParallelIterator as _, IntoParallelIterator as _, ParallelIterator as _};

/// A pool of threads. Clones share it.
#[derive(Clone, Debug)]
pub struct Threads {
    /// `None` stands for the caller's thread.
    pool: Option<Arc<rayon::ThreadPool>>,
}

/// Bytes of each thread's stack: as much as a main thread has, which drivers' compilers expect.
const STACK_BYTES: usize = 8 << 20;

impl Threads {
    /// Only the caller's thread.
    #[must_use]
    pub fn one() -> Self {
        Self { pool: None }
    }

    /// A pool of `count` threads; for 0 or 1, only the caller's thread.
    ///
    /// # Errors
    /// The system's error message if it cannot start the threads.
    pub fn new(count: usize) -> Result<Self, String> {
        if count <= 1 {
            return Ok(Self::one());
        }
        let builder = rayon::ThreadPoolBuilder::new().num_threads(count).stack_size(STACK_BYTES);
        let pool = builder.thread_name(|i| format!("lastbit-{i}")).build().map_err(|error| error.to_string())?;
        Ok(Self { pool: Some(Arc::new(pool)) })
    }

    /// As many threads as the machine runs at once, but at most `most`; only the caller's thread if the system cannot start them.
    #[must_use]
    pub fn up_to(most: usize) -> Self {
        Self::new(Self::available_count().min(most)).unwrap_or_else(|_| Self::one())
    }

    /// Number of threads that the machine runs at once.
    #[must_use]
    pub fn available_count() -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    /// Number of threads.
    #[must_use]
    pub fn count(&self) -> usize {
        self.pool.as_ref().map_or(1, |pool| pool.current_num_threads())
    }

    /// Runs `work` in one of the threads and waits for it. Inside `work`, [`Threads::parallel_for`] starts without a change of
    /// thread.
    pub fn enter<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// Calls `work` once with each number from 0 to `n - 1`, in any order and in any of the threads. Returns when all calls are
    /// done.
    pub fn parallel_for(&self, n: usize, work: &(dyn Fn(usize) + Sync)) {
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
                    threads.parallel_for(n, &|i| {
                        threads.parallel_for(n, &|j| {
                            times[i * n + j].fetch_add(1, Ordering::Relaxed);
                        });
                    });
                });
                assert!(times.into_iter().all(|times| times.into_inner() == 1), "{n} in {count} threads");
            }
        }
    }
}
