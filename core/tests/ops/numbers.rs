//! The exact division is compared with Rust's `/`, bit for bit; exp, log and sigmoid are compared with f64, in ulps.

use lastbit_core::record::{Kernel, Shader, Work};

use super::common::{Bench, Failures, Gpu, Random};

const DIVIDE: u32 = 0;

/// Returns `[k - 1][i]`: the function of `values[i]`. Only the division depends on k.
fn map(gpu: &Gpu, function: u32, values: &[u32], divisors: usize) -> Vec<u32> {
    let mut bench = Bench::new(gpu, divisors, 1);
    let input = bench.words(values);
    let output = bench.fresh(values.len() * divisors);
    let kernel = Kernel::new(Shader::SharedFunctions, &[("FUNCTION", function.into())]);
    let (tiles, count) = (values.len().div_ceil(64) as u32, values.len() as u32);
    bench.rec.dispatch_with("map", kernel, &[input, output], tiles, Work::default(), &[count]);
    let mut results = bench.run(u64::MAX).words(output);
    results.truncate(values.len() * divisors);
    results
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
    let quotients = map(&gpu, DIVIDE, &values, 63);
    assert!(quotients.len() > 4_000_000, "only {} pairs", quotients.len());
    let mut failures = Failures::default();
    for (k, row) in (1u16..).zip(quotients.chunks(values.len())) {
        for (value, quotient) in values.iter().zip(row) {
            let expected = (f32::from_bits(*value) / f32::from(k)).to_bits();
            failures.check(*quotient == expected, || {
                format!("{value:#010x} / {k} = {quotient:#010x}, not {expected:#010x}")
            });
        }
    }
    failures.finish();
}

#[test]
fn division_lets_nan_through() {
    // WGSL promises nothing for NaN, but the division uses integers and returns the bits of a NaN unchanged.
    let nans = [0x7f80_0001, 0x7fc0_0000, 0xffc0_1234];
    assert_eq!(map(&Gpu::new(), DIVIDE, &nans, 3), [nans, nans, nans].concat());
}

/// Distance in units in the last place of `expected`, a normal number.
fn ulps(out: u32, expected: f64) -> f64 {
    let unit = 2f64.powi((expected.abs().log2().floor() as i32).max(-126) - 23);
    (f64::from(f32::from_bits(out)) - expected).abs() / unit
}

struct Function {
    name: &'static str,
    number: u32,
    /// Smallest and largest argument.
    range: (f32, f32),
    reference: fn(f64) -> f64,
    /// The error bound that the comments in math.wgsl promise.
    most_ulps: f64,
}

#[test]
fn elementary_functions_keep_their_error_bounds() {
    let functions = [
        Function { name: "exp_finite", number: 1, range: (-87.0, 88.0), reference: f64::exp, most_ulps: 2.0 },
        Function { name: "log_positive", number: 2, range: (1.2e-38, 3.4e38), reference: f64::ln, most_ulps: 2.0 },
        Function {
            name: "sigmoid",
            number: 3,
            range: (-87.0, 87.0),
            reference: |x| 1.0 / (1.0 + (-x).exp()),
            most_ulps: 4.0,
        },
        Function {
            name: "log1p_exp_neg_abs",
            number: 4,
            range: (-87.0, 87.0),
            reference: |x| (-x.abs()).exp().ln_1p(),
            most_ulps: 4.0,
        },
    ];
    let gpu = Gpu::new();
    let mut failures = Failures::default();
    let mut random = Random::new(42);
    for Function { name, number, range: (low, high), reference, most_ulps } in functions {
        let mut values: Vec<f32> = (0..300_000).map(|_| random.uniform(low, high)).collect();
        // Arguments of all exponents (and so near 0), and arguments near 1.
        let any_exponent = (0..300_000).map(|_| f32::from_bits(random.word() as u32));
        values.extend(any_exponent.filter(|v| (low..=high).contains(v) && (*v == 0.0 || v.is_normal())));
        values.extend((0..100_000).map(|_| random.uniform(0.5, 2.0)));
        values.extend([low, high, 1.0]);
        let bits: Vec<_> = values.iter().map(|v| v.to_bits()).collect();
        let mut worst = (0.0, 0.0);
        for (x, out) in values.iter().zip(map(&gpu, number, &bits, 1)) {
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
    // The limits of exp, which is clamped, of the sigmoid, and of ln(1 + e^-|x|).
    type Within = fn(f32, f32) -> bool;
    let functions: [(&str, u32, Within); 3] = [
        ("exp_finite", 1, |x, y| if x > 0.0 { (1.6e38..1.7e38).contains(&y) } else { y > 0.0 && y < 2e-38 }),
        ("sigmoid", 3, |x, y| if x > 0.0 { y == 1.0 } else { y == 0.0 }),
        ("log1p_exp_neg_abs", 4, |_, y| (0.0..2e-38).contains(&y)),
    ];
    for (name, number, within) in functions {
        for (x, out) in extremes.iter().zip(map(&gpu, number, &bits, 1)) {
            let y = f32::from_bits(out);
            failures.check(out & 0x7f80_0000 != 0x7f80_0000 && within(*x, y), || format!("{name}({x:e}) = {y:e}"));
        }
    }
    failures.finish();
}
