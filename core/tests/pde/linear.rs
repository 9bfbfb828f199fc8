//! The linear one-layer equation: bounds of stability, and growth in every regime.

use lastbit_core::device::Fill;
use lastbit_core::pde::{Bracket, Image, Linear, LinearDouble, LinearParams, PdeError, Regime, bisect, initial_kernel};
use pollster::block_on;

use super::common::{Failures, Random};
use super::context;

fn params(image: Image, kernel: u32, regime: Regime) -> LinearParams {
    LinearParams { image, kernel, regime, a: -0.5, beta: 1.0, source: true, initial: initial_kernel(kernel, None, 1) }
}

fn paper() -> LinearParams {
    params(Image::checkerboard(256, 256).unwrap(), 32, Regime::Transitioning)
}

/// |w| after the last step, divided by |w| after the step before.
fn growth(linear: &Linear, replica: usize) -> f64 {
    let [.., a, b] = linear.history(replica) else { panic!("two steps") };
    (f64::from(b.squares) / f64::from(a.squares)).sqrt()
}

#[test]
fn the_papers_bounds_in_closed_form_and_in_float64() {
    let dt = 1e-8;
    let paper = paper();
    let eigenvalues = paper.eigenvalues().unwrap();
    let bounds = LinearParams::bounds(eigenvalues, dt);
    assert!((bounds.alpha_min / 12_960_000.0 - 1.0).abs() < 1e-12, "{bounds:?}");
    assert!((bounds.alpha_max * dt / 2.0 - 1.0).abs() < 1e-12, "{bounds:?}");
    assert!((LinearParams::factor(eigenvalues, 2.1e8, dt) + 1.1).abs() < 1e-9);

    // The same bounds by simulation: whether the leading mode grows after the others have decayed.
    let mut double = LinearDouble::new(&paper, 1.5e7, dt).unwrap();
    let mut grows = |alpha: f64| -> Result<bool, PdeError> {
        double.restart(&paper.initial, alpha, dt)?;
        double.step(400);
        let before = double.norm();
        double.step(1);
        Ok(double.norm() > before)
    };
    let low = bisect(Bracket { without: 1.6e7, with: 1e7 }, 1e-3, &mut grows).unwrap().middle();
    let high = bisect(Bracket { without: 1.9e8, with: 2.2e8 }, 1e-3, &mut grows).unwrap().middle();
    assert!((low / 12_960_000.0 - 1.0).abs() < 5e-3, "alpha_min {low}");
    assert!((high / 2e8 - 1.0).abs() < 5e-3, "alpha_max {high}");
}

/// On 64 x 64 pixels a step costs a fiftieth of one at the published size; the bounds are 33^2 / 225^2 of the published ones.
#[test]
fn the_bounds_on_the_gpu() {
    let params = params(Image::checkerboard(64, 64).unwrap(), 32, Regime::Transitioning);
    // The source is off: it would hold a decaying kernel at its fixed point.
    let params = LinearParams { source: false, ..params };
    let dt = 1e-8 * 225.0 * 225.0 / (33.0 * 33.0);
    let eigenvalues = params.eigenvalues().unwrap();
    let theory = LinearParams::bounds(eigenvalues, dt);
    assert!((theory.alpha_min - 278_784.0).abs() < 1.0, "0.25 * 33^2 * 1024: {theory:?}");
    // Eight replicas divide a bracket into nine parts; after four rounds 1/6,561 of it is left.
    let at = |from: f64, to: f64| -> Vec<(f64, f64)> {
        (1..=8).map(|i| (from + (to - from) * f64::from(i) / 9.0, dt)).collect()
    };
    let mut linear = block_on(Linear::new(context(), params, &at(1.0, 2.0), Fill::Junk)).unwrap();
    for (mut stable, mut grown, expected) in [
        (1.2 * theory.alpha_min, 0.8 * theory.alpha_min, theory.alpha_min),
        (0.9 * theory.alpha_max, 1.1 * theory.alpha_max, theory.alpha_max),
    ] {
        for _ in 0..4 {
            let replicas = at(stable, grown);
            block_on(linear.restart(&replicas)).unwrap();
            block_on(linear.step(150)).unwrap();
            let first = (0..8).find(|r| growth(&linear, *r) > 1.0);
            let (low, high) = match first {
                Some(r) => (if r == 0 { stable } else { replicas[r - 1].0 }, replicas[r].0),
                None => (replicas[7].0, grown),
            };
            (stable, grown) = (low, high);
        }
        let found = 0.5 * (stable + grown);
        assert!((found / expected - 1.0).abs() < 5e-3, "{found} instead of {expected}");
    }
    // At 1.05 alpha_max the factor of the highest mode is -1.1.
    block_on(linear.restart(&[(1.05 * theory.alpha_max, dt); 8])).unwrap();
    block_on(linear.step(120)).unwrap();
    for replica in 0..8 {
        let found = growth(&linear, replica);
        assert!((found - 1.1).abs() < 1e-4, "{found}");
    }
}

#[test]
fn growth_is_the_factor_in_every_regime() {
    let mut random = Random::new(5);
    for regime in Regime::ALL {
        // The image's mean is not zero, so that the activated regime has a separate mode.
        let image = Image::noise(19, 16, 0.6, 1.0, u64::from(random.below(100))).unwrap();
        let params = LinearParams { source: false, ..params(image, 5, regime) };
        let eigenvalues = params.eigenvalues().unwrap();
        let spread = eigenvalues[0].abs().max(eigenvalues[1].abs()).max(1.0);
        let dt = 0.3 / spread;
        let bounds = LinearParams::bounds(eigenvalues, dt);
        let width = bounds.alpha_max - bounds.alpha_min;
        let alphas = [-0.05, 0.05, 0.95, 1.05].map(|share| bounds.alpha_min + share * width);
        let replicas = alphas.map(|alpha| (alpha, dt));
        let mut linear = block_on(Linear::new(context(), params.clone(), &replicas, Fill::Junk)).unwrap();
        block_on(linear.step(250)).unwrap();
        for (r, alpha) in alphas.into_iter().enumerate() {
            let expected = LinearParams::factor(eigenvalues, alpha, dt);
            let mut double = LinearDouble::new(&params, alpha, dt).unwrap();
            double.step(250);
            let before = double.norm();
            double.step(1);
            // The tolerance is wide, because nearby modes have not decayed entirely after 250 steps.
            let found = double.norm() / before;
            assert!((found - expected.abs()).abs() < 3e-3, "{regime} {alpha} float64: {found} for {expected}");
            assert!(
                (growth(&linear, r) - expected.abs()).abs() < 3e-3,
                "{regime} {alpha}: {} for {expected}",
                growth(&linear, r)
            );
            assert_eq!(expected.abs() > 1.0, r == 0 || r == 3, "{regime} {alpha}: {expected}");
        }
    }
}

#[test]
fn gpu_and_float64_agree_on_random_images_and_kernels() {
    let mut failures = Failures::default();
    let mut random = Random::new(6);
    let context = context();
    for round in 0..9 {
        let regime = Regime::ALL[round % 3];
        let (height, width) = (random.between(6..=23), random.between(6..=23));
        let kernel = random.between(1..=6);
        let image = Image::noise(height, width, 0.2, 1.0, round as u64).unwrap();
        let params = params(image, kernel, regime);
        let spread = params.eigenvalues().unwrap().into_iter().fold(1.0, |most: f64, v| most.max(v.abs()));
        let dt = 0.1 / spread;
        let replicas = [(0.5 * spread, dt), (2.0 * spread, 0.7 * dt)];
        let mut linear = block_on(Linear::new(context.clone(), params.clone(), &replicas, Fill::Junk)).unwrap();
        block_on(linear.step(12)).unwrap();
        for (r, (kernel_found, (alpha, dt))) in block_on(linear.kernels()).unwrap().iter().zip(replicas).enumerate() {
            let mut double = LinearDouble::new(&params, alpha, dt).unwrap();
            double.step(12);
            let name = format!("{regime} {height} x {width}, kernel {kernel}, alpha {alpha}");
            // About twelve steps, each with sums of a few hundred products.
            failures.close(&name, kernel_found, double.kernel(), 1e-5);
            let sample = linear.history(r).last().unwrap();
            let loss = sample.loss(alpha);
            failures.check((loss / double.loss() - 1.0).abs() < 1e-4, || {
                format!("{name}: loss {loss} for {}", double.loss())
            });
        }
    }
    failures.finish();
}

#[test]
fn a_run_stops_and_reports_when() {
    let params =
        LinearParams { source: false, ..params(Image::checkerboard(12, 12).unwrap(), 4, Regime::NotActivated) };
    let replicas = [(3.0, 1.0), (0.5, 1.0), (1e30, 1e3)];
    let mut linear = block_on(Linear::new(context(), params.clone(), &replicas, Fill::Junk)).unwrap();
    block_on(linear.step(300)).unwrap();
    let stopped = linear.stopped().to_vec();
    let kernels = block_on(linear.kernels()).unwrap();
    for (r, (alpha, dt)) in replicas.into_iter().enumerate() {
        let mut double = LinearDouble::new(&params, alpha, dt).unwrap();
        double.step(300);
        assert_eq!(stopped[r], double.stopped(), "{alpha}");
        assert_eq!(linear.history(r).len() as u64, stopped[r].unwrap_or(300) + 1);
    }
    let largest = kernels[0].iter().fold(0.0_f32, |most, w| most.max(w.abs()));
    assert!((1e15..2e15).contains(&largest), "the kernel changed after the stop: {largest}");
    assert_eq!(stopped[2], Some(1));
}

#[test]
fn bad_values_are_named() {
    let image = || Image::checkerboard(8, 8).unwrap();
    let good = params(image(), 4, Regime::Activated);
    let message = |params: &LinearParams, alpha, dt| LinearDouble::new(params, alpha, dt).unwrap_err().to_string();
    assert_eq!(message(&good, 1.0, -1.0), "dt must be a positive number, not -1");
    assert_eq!(message(&good, f64::NAN, 1.0), "alpha must be a finite number, not NaN");
    let large = LinearParams { kernel: 9, ..good.clone() };
    assert_eq!(message(&large, 1.0, 1.0), "kernel size must be 1 to 8 on an image of 8 x 8 pixels, not 9");
    let short = LinearParams { initial: vec![1.0], ..good };
    assert_eq!(message(&short, 1.0, 1.0), "initial kernel must be 16 finite values, not 1 values");
    let none = Linear::new(context(), params(image(), 4, Regime::Activated), &[], Fill::Zero);
    assert_eq!(block_on(none).err().unwrap().to_string(), "number of replicas must be 1 to 1024, not 0");
    assert_eq!(Image::checkerboard(0, 3).unwrap_err().to_string(), "image side must be 1 to 1024 pixels, not 0");
    assert!(Image::checkerboard(3, u32::MAX).is_err());
    assert!(Image::from_bytes(2, 2, &[0; 5]).is_err());
}
