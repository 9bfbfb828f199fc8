//! Twin of shaders/fma_rate.wgsl: independent chains of multiply-adds in registers. Measures the FMA rate for the
//! benchmarks.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::pieces::Pieces;
use super::twin::{Launch, Twin};

/// Chains of a thread. A vector of threads keeps this many vectors in registers.
const CHAINS: usize = 12;
/// Multiply-adds of a chain in a round.
const TURNS: usize = 4;
/// Threads of a workgroup.
const THREADS: usize = 64;

/// One dispatch of `fma_rate`, which has no replica axis. A piece is several workgroups.
pub struct FmaRate {
    results: View<f32>,
    rounds: usize,
    pieces: Pieces,
}

impl Twin for FmaRate {
    fn new(launch: &Launch<'_>) -> Self {
        let rounds = launch.size("ROUNDS");
        Self { results: launch.floats(0), rounds, pieces: Pieces::new(launch.tiles(), THREADS * rounds) }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, _replica: usize, piece: usize, _scratch: &mut Scratch) {
        let groups = self.pieces.range(piece);
        for first in (groups.start * THREADS..groups.end * THREADS).step_by(L::N) {
            let mut steps = [0.0; THREADS];
            let mut factors = [0.0; THREADS];
            for i in 0..L::N {
                steps[i] = (first + i) as f32 * 1e-6;
                factors[i] = 0.9999 + steps[i] * 1e-6;
            }
            // SAFETY: only this piece accesses these results.
            unsafe {
                let (step, factor) = (L::load(steps.as_ptr()), L::load(factors.as_ptr()));
                let mut chains: [L::V; CHAINS] = std::array::from_fn(|j| L::add(step, L::splat(j as f32)));
                for _ in 0..self.rounds {
                    for _ in 0..TURNS {
                        for chain in &mut chains {
                            *chain = L::mac(*chain, factor, step);
                        }
                    }
                }
                let total = chains.into_iter().fold(L::splat(0.0), |total, chain| L::add(total, chain));
                L::store(self.results.at(first), total);
            }
        }
    }
}
