//! Twin of shaders/heat_steps.wgsl: explicit Euler steps of the heat equation, until a value exceeds the bound.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::twin::{Launch, Twin};

/// One dispatch of `heat_steps`, one piece per replica.
pub struct HeatSteps {
    orders: View<u32>,
    rates: View<f32>,
    u: View<f32>,
    progress: View<u32>,
    points: usize,
    stop_bits: u32,
    steps: usize,
}

impl Twin for HeatSteps {
    fn new(launch: &Launch<'_>) -> Self {
        Self {
            orders: launch.words(0),
            rates: launch.floats(1),
            u: launch.floats(2),
            progress: launch.words(3),
            points: launch.size("POINTS"),
            stop_bits: launch.size("STOP_BITS") as u32,
            steps: launch.argument("steps"),
        }
    }

    fn pieces(&self) -> usize {
        1
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, _piece: usize, scratch: &mut Scratch) {
        let points = self.points;
        // SAFETY: the dispatch only reads orders and rates, and only this piece accesses this replica's u and progress.
        let (orders, rate, u, progress) = unsafe {
            (
                self.orders.read(0..1)[0],
                self.rates.read(replica..replica + 1)[0],
                self.u.write(replica * points..(replica + 1) * points),
                self.progress.write(2 * replica..2 * replica + 2),
            )
        };
        let steps = if self.steps == 0 { orders } else { self.steps as u32 };
        let (mut old, mut new) = scratch.floats(2 * points).split_at_mut(points);
        old.copy_from_slice(u);
        new.copy_from_slice(u); // sets both ends
        let mut stopped = progress[1];
        for step in 1..=steps {
            let now = progress[0].wrapping_add(step);
            if stopped < now {
                // After the stop, neither the values nor the recorded step of the stop change.
                break;
            }
            let mut largest = largest_bits(&[old[0], old[points - 1]]);
            for (value, here) in new[1..points - 1].iter_mut().zip(old.windows(3)) {
                *value = L::mac1(rate, (here[0] + here[2]) - 2.0 * here[1], here[1]);
            }
            largest = largest.max(largest_bits(&new[1..points - 1]));
            if largest > self.stop_bits {
                stopped = now;
            }
            std::mem::swap(&mut old, &mut new);
        }
        u.copy_from_slice(old);
        progress.copy_from_slice(&[progress[0].wrapping_add(steps), stopped]);
    }
}

/// The largest bit pattern of the magnitudes. Infinity and NaN are larger than any finite value.
#[inline(always)]
fn largest_bits(values: &[f32]) -> u32 {
    values.iter().fold(0, |largest, value| largest.max(value.to_bits() & 0x7fff_ffff))
}
