//! Random data and shapes of cases.

use lastbit_core::ops::{Activation, Tile};

use super::MACS;

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z >> 32) as u32
    }

    pub(super) fn below(&mut self, bound: u32) -> u32 {
        self.word() % bound
    }

    pub(super) fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u32) as usize]
    }

    /// A float between -scale and scale; one in 16 is a zero of either sign.
    pub(super) fn float(&mut self, scale: f32) -> f32 {
        let word = self.word();
        match word % 32 {
            0 => 0.0,
            1 => -0.0,
            _ => (f64::from(word as i32) / 2_147_483_648.0) as f32 * scale,
        }
    }

    pub(super) fn floats(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| self.float(scale)).collect()
    }

    /// Multiples of 1/4 from -1 to 1, so that sums are exact and many values are equal.
    pub(super) fn coarse(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.below(9) as f32 / 4.0 - 1.0).collect()
    }

    pub(super) fn pixels(&mut self) -> (u32, u32) {
        const ALL: [(u32, u32); 17] = [
            (1, 1),
            (2, 2),
            (3, 17),
            (4, 4),
            (5, 7),
            (6, 6),
            (7, 5),
            (8, 8),
            (10, 9),
            (12, 20),
            (13, 9),
            (14, 14),
            (16, 16),
            (28, 28),
            (30, 30),
            (32, 32),
            (33, 33),
        ];
        self.one_of(&ALL)
    }

    pub(super) fn channels(&mut self) -> u32 {
        self.one_of(&[1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 16, 17, 20, 24, 27, 32, 33])
    }

    /// Random numbers of replicas and samples. With `macs` multiplications per sample and replica they stay within `MACS`.
    pub(super) fn batch(&mut self, macs: u64) -> (u32, u32) {
        let most = (MACS / macs.max(1)).max(1);
        let samples = self.one_of(&[1, 2, 3, 5, 9, 16, 31, 33, 40, 65]).min(most);
        let replicas = u64::from(1 + self.below(6)).min((most / samples).max(1));
        (replicas as u32, samples as u32)
    }

    /// A random tile, staged or not. Tiles only divide the work of a GPU; twins ignore them.
    pub(super) fn tile(&mut self) -> Tile {
        let base = Tile::default();
        self.one_of(&[
            base,
            Tile { rows: 2, groups: 2, channels: [2, 2], lanes: 32, uniform: true, staging: None },
            Tile { rows: 1, groups: 1, channels: [1, 8], staging: Some(2), ..base },
            Tile { rows: 2, groups: 1, channels: [2, 4], staging: Some(1), ..base },
        ])
    }

    pub(super) fn activation(&mut self) -> Option<Activation> {
        let swish = |beta| Some(Activation::Swish { beta });
        self.one_of(&[None, Some(Activation::Relu), swish(5.0), swish(1.0), Some(Activation::Tanh)])
    }
}
