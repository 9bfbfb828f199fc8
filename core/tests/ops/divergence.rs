//! The divergence of tensors with injected differences is compared with f64, and the fingerprint with the host's.

use lastbit_core::ops::{
    divergence::{self, Distance},
    fingerprint,
};

use super::common::{Arena, Bench, Failures, Gpu, Outputs, Random, Setting, outputs_by_any_setting};

/// `[first block, blocks, elements, 0]` of each tensor.
fn tensor_table(arena: &Arena, elements: &[usize]) -> Vec<u32> {
    let entries = arena.offsets.iter().zip(elements);
    entries.flat_map(|(offset, n)| [offset / 64, (*n as u32).div_ceil(64), *n as u32, 0]).collect()
}

/// `[tensor, first element, elements, 0]` of each block of 64.
fn block_table(arena: &Arena, elements: &[usize]) -> Vec<u32> {
    let mut table = vec![0; arena.stride as usize / 64 * 4];
    for (tensor, (offset, n)) in arena.offsets.iter().zip(elements).enumerate() {
        for (i, first) in (0..*n).step_by(64).enumerate() {
            let at = (*offset as usize / 64 + i) * 4;
            table[at..at + 3].copy_from_slice(&[tensor as u32, first as u32, (n - first).min(64) as u32]);
        }
    }
    table
}

fn rank(v: f32) -> i64 {
    let magnitude = i64::from(v.to_bits() & 0x7fff_ffff);
    if v.is_sign_negative() { -magnitude } else { magnitude }
}

fn relative(a: f32, b: f32) -> f64 {
    // The kernels count subnormal numbers as zero.
    let [x, y] = [a, b].map(|v| if v.is_subnormal() { 0.0 } else { f64::from(v) });
    if a.to_bits() == b.to_bits() || (x == 0.0 && y == 0.0) {
        0.0
    } else if !a.is_finite() || !b.is_finite() {
        2.0
    } else {
        2.0 * (x - y).abs() / (x.abs() + y.abs())
    }
}

/// Mean relative distance, norm of the difference, norm of the reference; in f64.
fn real_parts(a: &[f32], b: &[f32]) -> [f64; 3] {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let pairs = || a.iter().zip(b);
    let mean = pairs().map(|(a, b)| relative(*a, *b)).sum::<f64>() / a.len() as f64;
    let distance = norm(&mut pairs().map(|(a, b)| f64::from(*a) - f64::from(*b)));
    [mean, distance, norm(&mut b.iter().map(|b| f64::from(*b)))]
}

/// Largest distance in ulps, number of differing elements.
fn integer_parts(a: &[f32], b: &[f32]) -> [u64; 2] {
    let pairs = || a.iter().zip(b);
    let ulps = pairs().map(|(a, b)| rank(*a).abs_diff(rank(*b))).max().unwrap_or(0);
    [ulps, pairs().filter(|(a, b)| a.to_bits() != b.to_bits()).count() as u64]
}

/// `[tensor][replica][element]`
type Tensors = Vec<Vec<Vec<f32>>>;

/// The result words of each replica, not decoded.
fn run(gpu: &Gpu, setting: &Setting, tensors: &Tensors) -> Outputs {
    let range = setting.replicas.clone();
    let mut bench = Bench::new(gpu, range.len(), 1);
    let elements: Vec<_> = tensors.iter().map(|t| t[0].len()).collect();
    bench.padding = 0.0;
    let first = bench.arena(&tensors.iter().map(|t| vec![t[0].clone()]).collect::<Vec<_>>());
    let arena = bench.arena(&tensors.iter().map(|t| t[range.clone()].to_vec()).collect::<Vec<_>>());
    let n_blocks = u64::from(arena.stride / divergence::BLOCK) * range.len() as u64;
    let blocks = bench.fresh((n_blocks * divergence::BLOCK_BYTES / 4) as usize);
    let table = bench.words(&tensor_table(&arena, &elements));
    let words = tensors.len() * size_of::<Distance>() / 4;
    let results = bench.fresh(words * range.len());
    let (parameters, reference) = (bench.whole(&arena), bench.whole(&first));
    divergence::measure(&mut bench.rec, tensors.len() as u32, [parameters, reference, blocks, table, results]);
    vec![("divergence", bench.run(setting.limit_flops).by_replica(results, words))]
}

/// `norms`: also compare the L2 norms. False where their squares overflow f32.
fn check(gpu: &Gpu, failures: &mut Failures, name: &str, tensors: &Tensors, norms: bool) {
    let replicas = tensors[0].len();
    let outputs = outputs_by_any_setting(failures, name, replicas, &[], |s| run(gpu, s, tensors));
    for (r, words) in outputs[0].1.iter().enumerate() {
        let distances: &[Distance] = bytemuck::cast_slice(words);
        for (t, (tensor, out)) in tensors.iter().zip(distances).enumerate() {
            let what = format!("{name}: tensor {t} replica {r}: {out:?}");
            let reals = [out.rel_l1, out.l2, out.reference_l2].map(f64::from);
            let expected = real_parts(&tensor[r], &tensor[0]);
            for i in 0..if norms { 3 } else { 1 } {
                // A few roundings and a sum of thousands of terms.
                let holds = (reals[i] - expected[i]).abs() <= 1e-6 * expected[i];
                failures.check(holds, || format!("{what}, not {expected:?}"));
            }
            let expected = integer_parts(&tensor[r], &tensor[0]);
            let holds = [out.max_ulp, out.differing].map(u64::from) == expected;
            failures.check(holds, || format!("{what}, not {expected:?}"));
        }
    }
}

const SIZES: [usize; 7] = [1, 10, 64, 65, 432, 4096, 9216];

#[test]
fn injected_differences() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(71);
    // Replica r differs in about one of 4^(r+1) elements: by an ulp, by a factor of 1.001, by its sign, or by the value 0.25.
    let mut tensors: Tensors = SIZES.iter().map(|n| vec![random.normals(*n); 5]).collect();
    for replicas in &mut tensors {
        let zeros: Vec<_> = (0..replicas[0].len()).map(|_| random.below(8) == 0).collect();
        for (r, replica) in replicas.iter_mut().enumerate() {
            for (value, zero) in replica.iter_mut().zip(&zeros) {
                *value = if *zero { 0.0 } else { *value };
                if r > 0 && random.below(4 << (2 * r)) == 0 {
                    *value = match random.below(4) {
                        0 => f32::from_bits(value.to_bits() + 1),
                        1 => *value * 1.001,
                        2 => -*value,
                        _ => 0.25,
                    };
                }
            }
        }
    }
    check(&gpu, &mut failures, "injected", &tensors, true);
    failures.finish();
}

#[test]
fn extreme_values() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let max = f32::MAX;
    let pairs = [
        (0.0, 0.0),
        (0.0, -0.0),
        (1.0, -1.0),
        (max, -max),
        (max, 0.0),
        (max, max / 2.0),
        (-max, f32::from_bits(max.to_bits() - 1)),
        (2e38, 3e38),
        (1e-38, max),
        (1.2e-38, 2.4e-38),
        (1.2e-38, 1.200001e-38),
        (1e-40, 1.2e-38),
        (1e-40, 0.0),
        (1e-44, 1e30),
        (1e-37, 1e37),
        (8e37, 1e38),
        (1e-30, -3e-30),
        (f32::NAN, 1.0),
        (f32::NAN, f32::NAN),
        (f32::INFINITY, f32::NEG_INFINITY),
        (f32::INFINITY, max),
        (3.0, f32::NEG_INFINITY),
    ];
    // One tensor for each pair: one of its ten elements holds the pair.
    let tensors = pairs.map(|(a, b)| {
        let mut both = vec![vec![1.0f32; 10]; 2];
        (both[0][3], both[1][3]) = (a, b);
        both
    });
    check(&gpu, &mut failures, "extremes", &tensors.to_vec(), false);
    failures.finish();
}

#[test]
fn fingerprints_equal_the_hosts() {
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(72);
    let replicas = 5;
    // Parameters and three arenas of an optimiser.
    let of_all: [Tensors; 4] = [(); 4].map(|()| SIZES.map(|n| random.replicas(replicas, n)).to_vec());
    let outputs = outputs_by_any_setting(&mut failures, "fingerprint", replicas, &[], |setting| {
        let range = setting.replicas.clone();
        let mut bench = Bench::new(&gpu, range.len(), 1);
        let [parameters, optimizer @ ..] = of_all.each_ref().map(|tensors| {
            let chosen: Vec<_> = tensors.iter().map(|t| t[range.clone()].to_vec()).collect();
            bench.arena(&chosen)
        });
        let places = bench.words(&block_table(&parameters, &SIZES));
        let blocks = bench.fresh(parameters.stride as usize / 64 * 2 * range.len());
        let results = bench.fresh(2 * range.len());
        let optimizer = optimizer.each_ref().map(|arena| bench.whole(arena));
        let parameters = bench.whole(&parameters);
        let bindings = fingerprint::Bindings { parameters, optimizer: &optimizer, places, blocks, results };
        fingerprint::measure(&mut bench.rec, bindings);
        vec![("words", bench.run(setting.limit_flops).by_replica(results, 2))]
    });
    for r in 0..replicas {
        let expected = fingerprint::of_arenas(of_all.iter().map(|arena| arena.iter().map(|tensor| &tensor[r][..])));
        let out = [0, 1].map(|i| outputs[0].1[r][i].to_bits());
        failures.check(out == expected, || format!("replica {r}: {out:x?}, not {expected:x?}"));
    }
    // The fingerprint changes with any bit and with the order of the elements.
    let tensor = random.normals(64);
    let of = |values: &[f32]| fingerprint::of_arenas([[values], [&tensor[..]]]);
    let (mut flipped, mut exchanged) = (tensor.clone(), tensor.clone());
    flipped[5] = f32::from_bits(flipped[5].to_bits() ^ 1);
    exchanged.swap(5, 6);
    failures.check(of(&flipped) != of(&tensor), || "a flipped bit does not change the fingerprint".to_owned());
    failures.check(of(&exchanged) != of(&tensor), || "exchanged elements do not change the fingerprint".to_owned());
    failures.finish();
}
