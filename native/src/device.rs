//! Opens an adapter for a command, with the processor's threads to build pipelines in.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use lastbit_core::gpu::{AdapterChoice, Context, GpuError};
use pollster::block_on;

use crate::failure::Failure;

/// The adapter of `--adapter`, or the best one, with its device.
pub fn open(adapter: Option<&str>) -> Result<Context, GpuError> {
    let choice = adapter.map_or(AdapterChoice::Best, |name| AdapterChoice::Named(name.to_owned()));
    Ok(block_on(Context::new(&choice))?.with_spread(spread))
}

/// A thread that builds pipelines: with the stack that a main thread has, which drivers' compilers are used to.
pub fn thread() -> thread::Builder {
    thread::Builder::new().stack_size(8 << 20)
}

/// The system gives no thread to one of `--adapters`.
pub fn no_thread(error: std::io::Error) -> Failure {
    Failure::other(format!(
        "--adapters: cannot start a thread for each: {error}: end other programs, or give --adapter"
    ))
}

/// Calls `work` with 0 to n - 1, in as many threads as the processor runs at once.
fn spread(n: usize, work: &(dyn Fn(usize) + Sync)) {
    let next = AtomicUsize::new(0);
    let help = || {
        while let Some(i) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|i| *i < n) {
            work(i);
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(n);
    thread::scope(|scope| {
        for _ in 1..threads {
            // Where the system gives no more threads, those that there are do the work.
            let _ = thread().spawn_scoped(scope, help);
        }
        help();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_done_once() {
        for n in [0, 1, 2, 1000] {
            let times: Vec<AtomicUsize> = (0..n).map(|_| AtomicUsize::new(0)).collect();
            spread(n, &|i| {
                times[i].fetch_add(1, Ordering::Relaxed);
            });
            assert!(times.into_iter().all(|times| times.into_inner() == 1), "{n}");
        }
    }
}
