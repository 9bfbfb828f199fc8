//! The exact division is compared with Rust's `/`, bit for bit; exp, log, sigmoid and tanh are compared with f64, in ulps.

use lastbit_core::ops::functions;
use lastbit_core::record::Function;

use super::common::{Bench, Failures, Gpu, Random};

/// The function of each triple of words.
fn map(gpu: &Gpu, function: Function, operands: &[[u32; 3]]) -> Vec<u32> {
    let mut bench = Bench::new(gpu, 1, 1);
    let words: Vec<u32> = operands.iter().flat_map(|[x, y, z]| [*x, *y, *z, 0]).collect();
    let bindings = [bench.words(&words), bench.fresh(operands.len())];
    functions::apply(&mut bench.rec, function, bindings, operands.len() as u32);
    let mut results = bench.run(u64::MAX).words(bindings[1]);
    results.truncate(operands.len());
    results
}

/// The function of one word each.
fn map_words(gpu: &Gpu, function: Function, words: &[u32]) -> Vec<u32> {
    map(gpu, function, &words.iter().map(|x| [*x, 0, 0]).collect::<Vec<_>>())
}

/// Compares results with `expected`, a function of the host. Any two NaNs are equal: WGSL promises nothing for their bits.
fn compare(gpu: &Gpu, function: Function, operands: &[[u32; 3]], expected: impl Fn(f32, f32) -> f32) {
    let mut failures = Failures::default();
    for ([x, y, z], found) in operands.iter().zip(map(gpu, function, operands)) {
        let (expected, value) = (expected(f32::from_bits(*x), f32::from_bits(*y)), f32::from_bits(found));
        let is_right = expected.to_bits() == found || (expected.is_nan() && value.is_nan());
        failures.check(is_right, || {
            format!("{function:?} of {x:#010x} {y:#010x} {z:#010x} = {found:#010x}, not {:#010x}", expected.to_bits())
        });
    }
    failures.finish();
}

/// Numbers at the limits of float32, of both signs.
fn limits() -> Vec<u32> {
    let magnitudes =
        [0, 1, 2, 3, 0x007f_ffff, 0x0080_0000, 0x0080_0001, 0x3f7f_ffff, 0x3f80_0000, 0x3f80_0001, 0x4040_0000];
    let largest = [0x7f7f_fffe, 0x7f7f_ffff, 0x7f80_0000, 0x7fc0_0000];
    magnitudes.into_iter().chain(largest).flat_map(|bits: u32| [bits, bits | 0x8000_0000]).collect()
}

/// Operands in pieces that fit any binding.
const PIECE: usize = 1 << 22;

#[test]
fn quotients_are_those_of_ieee() {
    let gpu = Gpu::new();
    let mut random = Random::new(43);
    let divide = |x: f32, y: f32| x / y;
    let limits = limits();
    let mut operands: Vec<_> = limits.iter().flat_map(|x| limits.iter().map(|y| [*x, *y, 0])).collect();
    // Every pair of exponents, subnormals and overflows included.
    for exponents in 0..1_u32 << 16 {
        let [x, y] = [exponents & 255, exponents >> 8].map(|exponent| exponent << 23);
        operands.extend((0..16).map(|_| {
            let [x, y] = [x, y].map(|exponent| exponent | random.below(1 << 23) | u32::from(random.coin()) << 31);
            [x, y, 0]
        }));
    }
    compare(&gpu, Function::Quotient, &operands, divide);
    // Every significand of the divisor.
    for first in (0..1 << 23).step_by(PIECE) {
        let operands = (first..first + PIECE as u32).map(|y| [0x3f80_0000 | random.below(1 << 23), 0x3f80_0000 | y, 0]);
        compare(&gpu, Function::Quotient, &operands.collect::<Vec<_>>(), divide);
    }
    // Quotients beside the middle of two floats: q + 1/2 of the last place, times the divisor, rounded down and up.
    let near = (0..1 << 20).flat_map(|_| {
        let y = 0x3f80_0000 | random.below(1 << 23);
        let q = f64::from(f32::from_bits(0x3f80_0000 | random.below(1 << 23))) + 2_f64.powi(-24);
        let x = (q * f64::from(f32::from_bits(y))) as f32;
        [x.to_bits() - 1, x.to_bits(), x.to_bits() + 1].map(|x| [x, y, 0])
    });
    compare(&gpu, Function::Quotient, &near.collect::<Vec<_>>(), divide);
}

#[test]
fn roots_are_those_of_ieee() {
    let gpu = Gpu::new();
    let mut random = Random::new(44);
    let root = |x: f32, _| x.sqrt();
    let mut operands: Vec<_> = limits().into_iter().map(|x| [x, 0, 0]).collect();
    for exponent in 0..512 {
        operands.extend((0..1024).map(|_| [exponent << 23 | random.below(1 << 23), 0, 0]));
    }
    compare(&gpu, Function::Root, &operands, root);
    // Every significand, with an odd and an even exponent.
    for first in (0x3f80_0000..0x4080_0000).step_by(PIECE) {
        let operands = (first..first + PIECE as u32).map(|x| [x, 0, 0]);
        compare(&gpu, Function::Root, &operands.collect::<Vec<_>>(), root);
    }
}

#[test]
fn division_is_rusts_for_every_k_and_exponent() {
    let gpu = Gpu::new();
    let mut random = Random::new(41);
    // Zero and the smallest subnormals (whose halves tie), and the border to normal numbers.
    let mut values: Vec<u32> = (0..2048).chain(0x007f_fc00..0x0080_0400).collect();
    // Values whose quotients cross into the subnormals, for every k.
    for exponent in 1..=7 {
        values.extend((0..256).map(|i| (exponent << 23) + i));
        values.extend((1..=256).map(|i| ((exponent + 1) << 23) - i));
    }
    // The largest numbers, and infinity.
    values.extend([0x7f7f_ffff, 0x7f7f_fffe, 0x7f00_0000, 0x7f80_0000]);
    // Exact quotients and their neighbours: q k for random q.
    for k in 1..=63u32 {
        for _ in 0..16 {
            let product = (random.below(1 << 18) | 1) as f32 * k as f32;
            values.extend([product.to_bits() - 1, product.to_bits(), product.to_bits() + 1]);
        }
    }
    for exponent in 0..=254u32 {
        values.extend((0..256).map(|_| (exponent << 23) | random.below(1 << 23)));
    }
    for value in &mut values {
        *value |= u32::from(random.coin()) << 31;
    }
    for k in 1..=63_u8 {
        let operands: Vec<_> = values.iter().map(|value| [*value, k.into(), 0]).collect();
        compare(&gpu, Function::DivideExactly, &operands, |x, _| x / f32::from(k));
    }
}

#[test]
fn division_lets_nan_through() {
    // WGSL promises nothing for NaN, but the division uses integers and returns the bits of a NaN unchanged.
    let nans = [0x7f80_0001, 0x7fc0_0000, 0xffc0_1234];
    for k in 1..=3 {
        assert_eq!(map(&Gpu::new(), Function::DivideExactly, &nans.map(|bits| [bits, k, 0])), nans);
    }
}

/// Distance in units in the last place of `expected`, a normal number.
fn ulps(out: u32, expected: f64) -> f64 {
    let unit = 2f64.powi((expected.abs().log2().floor() as i32).max(-126) - 23);
    (f64::from(f32::from_bits(out)) - expected).abs() / unit
}

struct Bounded {
    name: &'static str,
    function: Function,
    /// Smallest and largest argument.
    range: (f32, f32),
    reference: fn(f64) -> f64,
    /// The error bound that the comments in math.wgsl promise.
    most_ulps: f64,
}

#[test]
fn elementary_functions_keep_their_error_bounds() {
    let functions = [
        Bounded {
            name: "exp_finite",
            function: Function::Exp,
            range: (-87.0, 88.0),
            reference: f64::exp,
            most_ulps: 2.0,
        },
        Bounded {
            name: "log_positive",
            function: Function::Log,
            range: (1.2e-38, 3.4e38),
            reference: f64::ln,
            most_ulps: 2.0,
        },
        Bounded {
            name: "sigmoid",
            function: Function::Sigmoid,
            range: (-87.0, 87.0),
            reference: |x| 1.0 / (1.0 + (-x).exp()),
            most_ulps: 4.0,
        },
        Bounded {
            name: "log1p_exp_neg_abs",
            function: Function::Log1pExpNegAbs,
            range: (-87.0, 87.0),
            reference: |x| (-x.abs()).exp().ln_1p(),
            most_ulps: 4.0,
        },
        Bounded {
            name: "hyperbolic_tangent",
            function: Function::Tanh,
            range: (-3.4e38, 3.4e38),
            reference: f64::tanh,
            most_ulps: 2.0,
        },
    ];
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(42);
    for Bounded { name, function, range: (low, high), reference, most_ulps } in functions {
        let mut values: Vec<f32> = (0..300_000).map(|_| random.uniform(low, high)).collect();
        // Arguments of all exponents (and so near 0), and arguments near 1.
        let any_exponent = (0..300_000).map(|_| f32::from_bits(random.word() as u32));
        values.extend(any_exponent.filter(|v| (low..=high).contains(v) && (*v == 0.0 || v.is_normal())));
        values.extend((0..100_000).map(|_| random.uniform(0.5, 2.0)));
        values.extend((0..100_000).map(|_| random.uniform(-0.7, 0.7)).filter(|v| (low..=high).contains(v)));
        values.extend([low, high, 1.0]);
        let bits: Vec<_> = values.iter().map(|v| v.to_bits()).collect();
        let mut worst = (0.0, 0.0);
        for (x, out) in values.iter().zip(map_words(&gpu, function, &bits)) {
            let expected = reference(f64::from(*x));
            let error = if expected == 0.0 { f64::from(out) } else { ulps(out, expected) };
            worst = if error > worst.0 { (error, *x) } else { worst };
            failures.check(error <= most_ulps, || format!("{name}({x:e}) is {error:.2} ulp off {expected:e}"));
        }
        println!("{name}: at most {:.3} ulp, at {:e}", worst.0, worst.1);
    }
    failures.finish();
}

#[test]
fn extreme_arguments_give_finite_values() {
    let gpu = Gpu::new();
    let extremes = [88.1, 89.0, 104.0, 1e4, 1e30, f32::MAX].map(|v: f32| [v, -v]).concat();
    let bits: Vec<_> = extremes.iter().map(|v| v.to_bits()).collect();
    let mut failures = Failures::default();
    // The limits of exp, which is clamped, of the sigmoid, of ln(1 + e^-|x|), and of tanh.
    type Within = fn(f32, f32) -> bool;
    let functions: [(&str, Function, Within); 4] = [
        (
            "exp_finite",
            Function::Exp,
            |x, y| if x > 0.0 { (1.6e38..1.7e38).contains(&y) } else { y > 0.0 && y < 2e-38 },
        ),
        ("sigmoid", Function::Sigmoid, |x, y| if x > 0.0 { y == 1.0 } else { y == 0.0 }),
        ("log1p_exp_neg_abs", Function::Log1pExpNegAbs, |_, y| (0.0..2e-38).contains(&y)),
        ("hyperbolic_tangent", Function::Tanh, |x, y| y == x.signum()),
    ];
    for (name, function, within) in functions {
        for (x, out) in extremes.iter().zip(map_words(&gpu, function, &bits)) {
            let y = f32::from_bits(out);
            failures.check(out & 0x7f80_0000 != 0x7f80_0000 && within(*x, y), || format!("{name}({x:e}) = {y:e}"));
        }
    }
    failures.finish();
}
