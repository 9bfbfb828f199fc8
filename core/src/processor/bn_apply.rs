//! Twin of shaders/bn_apply.wgsl: a = activation(batch_norm(y) + shortcut).

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::activation::Activation;
use super::shared::norm::Norm;
use super::shared::pieces::Pieces;
use super::shared::planes::{Planes, Regions, scratch as padded};
use super::twin::{Launch, Twin};

/// The dispatch; a piece is several regions.
pub struct BnApply {
    y: View<f32>,
    channels: View<f32>,
    shortcut: View<f32>,
    a: View<f32>,
    regions: Regions,
    has_shortcut: bool,
    activation: Activation,
    count: usize,
    pieces: Pieces,
}

impl Twin for BnApply {
    fn new(launch: &Launch<'_>) -> Self {
        let planes = Planes::new(launch);
        let count = launch.samples() * planes.channels;
        let regions = Regions::new(planes, count, 1);
        Self {
            y: launch.floats(0),
            channels: launch.floats(1),
            shortcut: launch.floats(2),
            a: launch.floats(3),
            regions,
            has_shortcut: launch.flag("SHORTCUT"),
            activation: Activation::new(launch),
            count,
            pieces: Pieces::new(regions.count(), 2 * regions.run()),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, replica: usize, piece: usize, scratch: &mut Scratch) {
        let Planes { channels, plane, .. } = self.regions.shape;
        let values = scratch.floats(self.regions.scratch());
        for region in self.pieces.range(piece).map(|index| self.regions.get(index)) {
            let at = region.start(replica * self.count);
            let run = region.plane_run();
            // SAFETY: the dispatch only reads y, shortcut and channels, where a whole vector may begin anywhere;
            // scratch is padded; this piece alone has this region of a.
            unsafe {
                for p in 0..region.planes {
                    let norm = Norm::<L>::read(&self.channels, replica * channels + (region.plane + p) % channels);
                    let (y, shortcut) = (self.y.at(at + p * plane), self.shortcut.at(at + p * plane));
                    let to = values.as_mut_ptr().add(p * plane);
                    let mut i = 0;
                    while i < run {
                        let mut z = norm.scale_and_shift(norm.normalize(L::load(y.add(i))));
                        if self.has_shortcut {
                            z = L::add(z, L::load(shortcut.add(i)));
                        }
                        L::store(to.add(i), z);
                        i += L::N;
                    }
                }
                self.activation.apply::<L>(&mut values[..padded(region.run())]);
                region.mask(values);
                region.store::<L>(values, &self.a, at);
            }
        }
    }
}
