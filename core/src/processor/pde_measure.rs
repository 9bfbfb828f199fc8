//! Twin of shaders/pde_measure.wgsl: the measurements of each replica of a one-layer equation after a step.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::reduce::{LANES, pairwise};
use super::shared::relative::{relative, ulps};
use super::twin::{Launch, Twin};

/// Words in a sample of the history.
const WORDS: usize = 8;

/// One dispatch of `pde_measure`, one piece per replica.
pub struct PdeMeasure {
    parameters: View<u32>,
    scores: View<u32>,
    watches: View<u32>,
    rates: View<u32>,
    history: View<u32>,
    kernel: usize,
    elements: usize,
    stop_bits: u32,
    stride: usize,
    replicas: usize,
    rate_words: usize,
    rate_word: usize,
}

impl Twin for PdeMeasure {
    fn new(launch: &Launch<'_>) -> Self {
        Self {
            parameters: launch.words(0),
            scores: launch.words(1),
            watches: launch.words(2),
            rates: launch.words(3),
            history: launch.words(4),
            kernel: launch.size("KERNEL"),
            elements: launch.size("ELEMENTS"),
            stop_bits: launch.size("STOP_BITS") as u32,
            stride: launch.job().parameter_stride as usize,
            replicas: launch.argument("replicas"),
            rate_words: launch.argument("rate_words"),
            rate_word: launch.argument("rate_word"),
        }
    }

    fn pieces(&self) -> usize {
        1
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, _piece: usize, _scratch: &mut Scratch) {
        // SAFETY: only this piece accesses this replica's watch.
        let watch = unsafe { self.watches.write(2 * replica..2 * replica + 2) };
        let [here, there] = [replica, watch[1] as usize].map(|r| r * self.stride..r * self.stride + self.elements);
        // SAFETY: the dispatch only reads parameters.
        let (here, there) = unsafe { (self.parameters.read(here), self.parameters.read(there)) };
        let (mut squares, mut distances) = ([0.0; LANES], [0.0; LANES]);
        let (mut largest, mut differing, mut farthest) = (0, 0_u32, 0);
        for (here, there) in here.chunks(LANES).zip(there.chunks(LANES)) {
            for l in 0..here.len().min(there.len()) {
                let (a, b) = (here[l], there[l]);
                let w = f32::from_bits(a);
                squares[l] = L::mac1(w, w, squares[l]);
                distances[l] += relative(a, b);
                largest = largest.max(a & 0x7fff_ffff);
                differing += u32::from(a != b);
                farthest = farthest.max(ulps(a, b));
            }
        }
        let at = (watch[0] as usize * self.replicas + replica) * WORDS;
        // SAFETY: the dispatch only reads scores, and only this piece accesses this replica's samples and rate.
        unsafe {
            self.history.write(at..at + WORDS).copy_from_slice(&[
                self.scores.read(2 * replica..2 * replica + 1)[0],
                pairwise(squares).to_bits(),
                largest,
                (pairwise(distances) / (self.kernel * self.kernel) as f32).to_bits(),
                differing,
                farthest,
                0,
                0,
            ]);
            watch[0] = watch[0].wrapping_add(1);
            if largest > self.stop_bits {
                let rate = replica * self.rate_words + self.rate_word;
                self.rates.write(rate..rate + 1)[0] = 0;
            }
        }
    }
}
