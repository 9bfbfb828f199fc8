//! Plain loops of the benchmark kernels.

use super::Reading;

impl Reading<'_> {
    pub(super) fn copy_rate(&self) {
        for at in 0..self.dispatch.tiles as usize * 64 * 16 {
            self.arrays[1].set_word(at, self.arrays[0].word(at));
        }
    }

    pub(super) fn fma_rate(&self) {
        for thread in 0..self.dispatch.tiles as usize * 64 {
            let step = thread as f32 * 1e-6;
            let factor = 0.9999 + step * 1e-6;
            let mut total = 0.0;
            for chain in 0..12_u8 {
                let first = step + f32::from(chain);
                total += (0..self.size("ROUNDS") * 4).fold(first, |value, _| self.mac(value, factor, step));
            }
            self.arrays[0].set(thread, total);
        }
    }
}
