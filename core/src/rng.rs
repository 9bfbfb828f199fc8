//! Random numbers that are the same on every platform: Philox4x32-10, a counter-based generator (Salmon et al., "Parallel
//! random numbers: as easy as 1, 2, 3", SC 2011). A stream is a pure function of (seed, purpose, index), so it gives the same
//! image, weight or permutation whatever was drawn before. Only integers, + - * / sqrt and `libm` are used (rule 10 of
//! docs/RULES.md). Any change here changes every run; the golden tests guard against it.

/// What a stream is for. Streams of one seed but of different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Purpose {
    /// Initial weights; index = parameter.
    Init = 1,
    /// Order of samples; index = epoch.
    Order = 2,
    /// Crop and flip; index = epoch << 32 | position in the epoch.
    Augment = 3,
    /// Synthetic images; index = image.
    Synthetic = 4,
    /// The weight that the nextafter perturbation moves; index = k.
    Nextafter = 5,
    /// Noise images for the one-layer equations.
    Noise = 6,
    /// A perturbation of weights before a step; index = parameter, or 2^32 for the choice of one weight.
    Poke = 7,
    /// The vector that a measurement of the curvature begins with; index = parameter.
    Curvature = 8,
    /// The direction in which replicas are displaced to measure a Lyapunov exponent; index = parameter.
    Lyapunov = 9,
}

const ROUNDS: usize = 10;
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// One block of Philox4x32-10: computes four words from a counter and a key. Written without closures, which take most of the time in a
/// build without full optimisation: the synthetic images take two million blocks.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let a = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let b = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// An endless sequence of u32, determined by (seed, purpose, index).
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    index: u64,
    purpose: Purpose,
    next_block: u64,
    words: [u32; 4],
    used: usize,
    spare_normal: Option<f64>,
}

impl Stream {
    /// The stream from its start.
    #[must_use]
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let key = [seed as u32, (seed >> 32) as u32];
        Self { key, index, purpose, next_block: 0, words: [0; 4], used: 4, spare_normal: None }
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == self.words.len() {
            // The counter holds the low word of the block number, the index, the purpose (8 bits) and the rest of the block number.
            let purpose = self.purpose as u32 | ((self.next_block >> 32) as u32) << 8;
            let counter = [self.next_block as u32, self.index as u32, (self.index >> 32) as u32, purpose];
            self.words = philox(counter, self.key);
            self.next_block += 1;
            self.used = 0;
        }
        let word = self.words[self.used];
        self.used += 1;
        word
    }

    /// Uniform in 0..n without bias (Lemire 2019: multiply, reject the few products that would favour a value).
    /// `n` is at least 1.
    pub fn below(&mut self, n: u32) -> u32 {
        debug_assert!(n > 0, "n must be at least 1");
        let mut product = u64::from(self.next_u32()) * u64::from(n);
        if (product as u32) < n {
            let rejected = n.wrapping_neg() % n;
            while (product as u32) < rejected {
                product = u64::from(self.next_u32()) * u64::from(n);
            }
        }
        (product >> 32) as u32
    }

    /// Uniform in [0, 1): a multiple of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        let low = u64::from(self.next_u32());
        let high = u64::from(self.next_u32());
        const UNIT: f64 = 1.0 / (1_u64 << 53) as f64;
        ((high << 32 | low) >> 11) as f64 * UNIT
    }

    /// Standard normal (Box and Muller 1958). Two values share one logarithm: the second is kept for the next call.
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare_normal.take() {
            return spare;
        }
        // 1 - u is in (0, 1], so the logarithm is finite.
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
        let (sin, cos) = libm::sincos(std::f64::consts::TAU * self.uniform());
        self.spare_normal = Some(radius * sin);
        radius * cos
    }

    /// `n` normal values of standard deviation `std`, rounded once to f32.
    pub fn normal_f32s(&mut self, std: f64, n: usize) -> Vec<f32> {
        (0..n).map(|_| (std * self.normal()) as f32).collect()
    }

    /// `n` values uniform in [-bound, bound), rounded once to f32. One word gives one value: with 24 bits
    /// (a multiple of bound / 2^23) rounding cannot reach the upper bound.
    pub fn uniform_f32s(&mut self, bound: f64, n: usize) -> Vec<f32> {
        let half = f64::from(1_u32 << 23);
        (0..n).map(|_| ((f64::from(self.next_u32() >> 8) - half) / half * bound) as f32).collect()
    }

    /// A uniform permutation of 0..n (Fisher and Yates, from the end).
    pub fn shuffled(&mut self, n: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last as usize, self.below(last + 1) as usize);
        }
        order
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// From `tests/kat_vectors` of the Random123 library, the three lines `philox4x32 10`.
    #[test]
    fn philox_gives_the_known_answers() {
        let ones = u32::MAX;
        let pi = ([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]);
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([ones; 4], [ones; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(philox(pi.0, pi.1), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    /// A 64-bit FNV-1a hash.
    pub(crate) fn hash(words: impl IntoIterator<Item = u32>) -> u64 {
        let bytes = words.into_iter().flat_map(u32::to_le_bytes);
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    /// Frozen: every run starts from these values. The wasm build runs the same test.
    #[test]
    fn streams_keep_their_values() {
        let stream = |index| Stream::new(0x0123_4567_89ab_cdef, Purpose::Init, index);
        let words = |mut s: Stream| hash((0..1000).map(|_| s.next_u32()));
        let normals = stream(7).normal_f32s(0.25, 10_000);
        let uniforms = stream(7).uniform_f32s(0.125, 10_000);
        let found = [
            words(stream(0)),
            words(stream(u64::MAX)),
            hash(normals.iter().map(|v| v.to_bits())),
            hash(uniforms.iter().map(|v| v.to_bits())),
            hash(stream(7).shuffled(1000)),
        ];
        let expected = [
            0xdcd2_c92b_c604_4d8a,
            0x545a_ddb6_d680_1a1c,
            0x1249_ad85_3562_5259,
            0x280f_2433_7dcb_41b5,
            0x5317_5670_b9c6_be59,
        ];
        assert_eq!(found, expected, "{found:#018x?}");
    }

    #[test]
    fn streams_differ_in_seed_purpose_and_index() {
        let first = |seed, purpose, index| Stream::new(seed, purpose, index).next_u32();
        let words = [
            first(1, Purpose::Init, 0),
            first(2, Purpose::Init, 0),
            first(1 << 32, Purpose::Init, 0),
            first(1, Purpose::Order, 0),
            first(1, Purpose::Init, 1),
            first(1, Purpose::Init, 1 << 32),
        ];
        for (i, word) in words.iter().enumerate() {
            assert!(!words[..i].contains(word), "{words:?}");
        }
    }

    #[test]
    fn a_stream_outlives_32_bits_of_blocks() {
        let mut stream = Stream::new(1, Purpose::Synthetic, 2);
        stream.next_block = 1 << 32;
        assert_ne!(stream.next_u32(), Stream::new(1, Purpose::Synthetic, 2).next_u32());
        assert_eq!(stream.words, philox([0, 2, 0, 4 | 1 << 8], [1, 0]));
    }

    #[test]
    fn below_is_uniform() {
        let mut stream = Stream::new(3, Purpose::Order, 0);
        assert!((0..10).all(|_| stream.below(1) == 0));
        // There are 1.33 n words: without rejection, some values would be more frequent than others.
        let n = 3 << 30;
        let low = (0..40_000).filter(|_| stream.below(n) < n / 2).count();
        assert!((19_500..20_500).contains(&low), "5 standard deviations: {low}");
        let mut counts = [0_u32; 9];
        (0..90_000).for_each(|_| counts[stream.below(9) as usize] += 1);
        assert!(counts.iter().all(|c| c.abs_diff(10_000) < 500), "5 standard deviations: {counts:?}");
    }

    #[test]
    fn normals_have_the_right_moments() {
        let mut stream = Stream::new(5, Purpose::Init, 0);
        let values: Vec<f64> = (0..100_000).map(|_| stream.normal()).collect();
        let moment = |p| values.iter().map(|v| v.powi(p)).sum::<f64>() / values.len() as f64;
        // Standard errors: 1, sqrt(2), sqrt(15), sqrt(96) over sqrt(n) = 316; the bounds are five of them.
        for (p, expected, bound) in [(1, 0.0, 0.016), (2, 1.0, 0.023), (3, 0.0, 0.062), (4, 3.0, 0.16)] {
            assert!((moment(p) - expected).abs() < bound, "moment {p}: {}", moment(p));
        }
    }

    #[test]
    fn uniforms_stay_below_the_bound() {
        for bound in [0.125, 0.1, 1.0 / 3.0, 1.0 - 1e-9] {
            let mut stream = Stream::new(5, Purpose::Init, 0);
            let edge = bound as f32;
            assert!(stream.uniform_f32s(bound, 10_000).iter().all(|v| (-edge..edge).contains(v)));
            let half = f64::from(1_u32 << 23);
            assert!((((half - 1.0) / half * bound) as f32) < edge, "largest value for {bound}");
        }
        let mut stream = Stream::new(5, Purpose::Init, 1);
        assert!((0..10_000).all(|_| (0.0..1.0).contains(&stream.uniform())));
    }

    #[test]
    fn shuffles_are_permutations() {
        for n in [0, 1, 2, 257] {
            let mut order = Stream::new(9, Purpose::Order, u64::from(n)).shuffled(n);
            order.sort_unstable();
            assert!(order.into_iter().eq(0..n));
        }
        // All 6 orders of 3 are equally frequent.
        let mut stream = Stream::new(9, Purpose::Order, 0);
        let mut counts = [0_u32; 6];
        for _ in 0..60_000 {
            let order = stream.shuffled(3);
            counts[(order[0] * 2 + u32::from(order[1] > order[2])) as usize] += 1;
        }
        assert!(counts.iter().all(|c| c.abs_diff(10_000) < 500), "5 standard deviations: {counts:?}");
    }
}
