//! Twin of shaders/batch_input.wgsl: the batch as float planes, from bytes, cropped and flipped.

use super::lanes::Lanes;
use super::memory::{Scratch, View};
use super::shared::pieces::Pieces;
use super::shared::planes::PlaneLayout;
use super::twin::{Launch, Twin};

/// Values of a byte.
const BYTES: usize = 256;

/// One dispatch of `batch_input`, which has no replica axis. A piece is several samples.
pub struct BatchInput {
    bytes: View<u32>,
    choices: View<u32>,
    levels: View<f32>,
    x: View<f32>,
    planes: PlaneLayout,
    margin: usize,
    pad_byte: usize,
    pieces: Pieces,
}

impl Twin for BatchInput {
    fn new(launch: &Launch<'_>) -> Self {
        let planes = PlaneLayout::new(launch);
        Self {
            bytes: launch.words(0),
            choices: launch.words(1),
            levels: launch.floats(2),
            x: launch.floats(3),
            planes,
            margin: launch.size("MARGIN"),
            pad_byte: launch.size("PAD_BYTE"),
            pieces: Pieces::new(launch.samples(), planes.channels * planes.plane),
        }
    }

    fn pieces(&self) -> usize {
        self.pieces.count()
    }

    #[inline(always)]
    fn run<L: Lanes>(&self, _replica: usize, piece: usize, _scratch: &mut Scratch) {
        let PlaneLayout { channels, height, width, .. } = self.planes;
        // SAFETY: the dispatch only reads these.
        let (levels, choices, bytes) = unsafe {
            let words = self.bytes.read(0..self.bytes.len());
            (self.levels.read(0..channels * BYTES), self.choices.read(0..self.choices.len()), words)
        };
        // Words hold bytes in address order: every machine that runs this is little-endian.
        let bytes: &[u8] = bytemuck::cast_slice(bytes);
        for n in self.pieces.range(piece) {
            let choice = choices[n] as usize;
            let (down, right, is_flipped) = (choice & 255, choice >> 8 & 255, choice >> 16 != 0);
            // Columns whose pixel comes from inside the image, before the flip.
            let inside =
                self.margin.saturating_sub(right).min(width)..(width + self.margin).saturating_sub(right).min(width);
            for c in 0..channels {
                let levels = &levels[c * BYTES..(c + 1) * BYTES];
                let image = &bytes[(n * channels + c) * height * width..][..height * width];
                for h in 0..height {
                    let at = self.planes.start(n * channels + c, h);
                    // SAFETY: only this piece accesses this sample of x.
                    let row = unsafe { self.x.write(at..at + self.planes.across()) };
                    let (pixels, excess) = row.split_at_mut(width);
                    excess.fill(0.0);
                    pixels.fill(levels[self.pad_byte]);
                    let from = (h + down).wrapping_sub(self.margin);
                    if from >= height || inside.is_empty() {
                        continue;
                    }
                    let first = inside.start + right - self.margin;
                    let from = &image[from * width + first..][..inside.len()];
                    if is_flipped {
                        let to = &mut pixels[width - inside.end..width - inside.start];
                        for (value, byte) in to.iter_mut().rev().zip(from) {
                            *value = levels[usize::from(*byte)];
                        }
                    } else {
                        for (value, byte) in pixels[inside.clone()].iter_mut().zip(from) {
                            *value = levels[usize::from(*byte)];
                        }
                    }
                }
            }
        }
    }
}
