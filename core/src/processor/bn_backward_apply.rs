//! Twin of shaders/bn_backward_apply.wgsl: the gradient by batch norm's input.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::norm::Norm;
use super::shared::pieces::Pieces;
use super::shared::planes::{Planes, Regions};
use super::twin::{Launch, Twin};

/// The dispatch; a piece is several regions.
pub struct BnBackwardApply {
    y: View<f32>,
    g: View<f32>,
    channels: View<f32>,
    means: View<f32>,
    dy: View<f32>,
    regions: Regions,
    count: usize,
    pieces: Pieces,
}

impl Twin for BnBackwardApply {
    fn new(launch: &Launch<'_>) -> Self {
        let planes = Planes::new(launch);
        let count = launch.samples() * planes.channels;
        let regions = Regions::new(planes, count, 1);
        Self {
            y: launch.floats(0),
            g: launch.floats(1),
            channels: launch.floats(2),
            means: launch.floats(3),
            dy: launch.floats(4),
            regions,
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
            // SAFETY: the dispatch only reads y, g, channels and means, where a whole vector may begin anywhere;
            // scratch is padded; this piece alone has this region of dy.
            unsafe {
                for p in 0..region.planes {
                    let channel = replica * channels + (region.plane + p) % channels;
                    let norm = Norm::<L>::read(&self.channels, channel);
                    let factor = {
                        let channel = self.channels.read(4 * channel..4 * channel + 4);
                        L::splat(channel[2] * channel[1])
                    };
                    let mean = self.means.read(2 * channel..2 * channel + 2);
                    let [minus_g, minus_product] = [L::splat(-mean[0]), L::splat(-mean[1])];
                    let (y, g) = (self.y.at(at + p * plane), self.g.at(at + p * plane));
                    let to = values.as_mut_ptr().add(p * plane);
                    let mut i = 0;
                    while i < run {
                        let normalized = norm.normalize(L::load(y.add(i)));
                        let centred = L::add(L::load(g.add(i)), minus_g);
                        L::store(to.add(i), L::mul(factor, L::mac(normalized, minus_product, centred)));
                        i += L::N;
                    }
                }
                region.mask(values);
                region.store::<L>(values, &self.dy, at);
            }
        }
    }
}
