//! The heat equation: the edge of stability and the growth beyond it.

use lastbit_core::device::Fill;
use lastbit_core::pde::{Bracket, Heat, HeatDouble, HeatParams, bisect};
use pollster::block_on;

use super::context;

const PAPER: HeatParams = HeatParams { points: 31, dx: 1.0 };

#[test]
fn the_edge_of_31_points_is_found_by_bisection() {
    // At 1e-4 beyond the edge the highest mode grows by 4e-4 per step, to e^16 in 40,000 steps.
    const STEPS: u32 = 40_000;
    let mut heat = block_on(Heat::new(context(), PAPER, &[0.5], Fill::Junk)).unwrap();
    let grows = |dt: f64| -> Result<bool, lastbit_core::pde::PdeError> {
        heat.restart(&[dt])?;
        heat.step(STEPS);
        let end = block_on(heat.values())?;
        Ok(end[0].iter().any(|u| u.is_nan() || u.abs() > 1.5))
    };
    let found = bisect(Bracket { without: 0.48, with: 0.53 }, 1e-4, grows).unwrap().middle();
    assert!((found / PAPER.edge() - 1.0).abs() < 1e-3, "edge at {found}, theory {}", PAPER.edge());
    assert!((found / 0.50137 - 1.0).abs() < 1e-3);
}

#[test]
fn growth_at_0_8_matches_theory() {
    let mut heat = block_on(Heat::new(context(), PAPER, &[0.4, 0.8], Fill::Junk)).unwrap();
    heat.step(30);
    let early = block_on(heat.values()).unwrap();
    heat.step(3);
    let late = block_on(heat.values()).unwrap();
    let wide = |u: &[f32]| u.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
    let mode = PAPER.highest_mode();
    let ratio = PAPER.amplitude(mode, &wide(&late[1])) / PAPER.amplitude(mode, &wide(&early[1]));
    let expected = PAPER.factor(mode, 0.8).powi(3);
    // After 30 steps the mode is 1e10 times as large as at the start, and larger than all others.
    assert!((ratio / expected - 1.0).abs() < 1e-5, "{ratio} instead of {expected}");
    assert!(late[0].iter().all(|u| (0.0..1.5).contains(u)), "dt 0.4 is not stable");
}

#[test]
fn gpu_and_float64_agree_for_any_size_and_split() {
    for (points, dx) in [(3, 1.0), (64, 0.5), (65, 1.0), (1024, 2.0)] {
        let params = HeatParams { points, dx };
        let dts = [0.3 * dx * dx, 0.45 * dx * dx];
        let mut whole = block_on(Heat::new(context(), params, &dts, Fill::Junk)).unwrap();
        whole.step(300);
        let values = block_on(whole.values()).unwrap();
        let mut pieces = block_on(Heat::new(context(), params, &dts[1..], Fill::Zero)).unwrap();
        for steps in [1, 0, 43, 256] {
            pieces.step(steps);
        }
        // Neither the other replica nor the split of steps changes a bit.
        assert_eq!(values[1], block_on(pieces.values()).unwrap()[0], "{points}");
        for (dt, values) in dts.iter().zip(&values) {
            let mut double = HeatDouble::new(params, *dt).unwrap();
            double.step(300);
            let error = values.iter().zip(double.values()).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            // 300 steps, each with a few roundings of values up to 1.5.
            assert!(error < 3e-5, "{points} {dt}: {error}");
        }
    }
}

#[test]
fn a_run_stops_where_values_pass_the_bound() {
    let mut heat = block_on(Heat::new(context(), PAPER, &[0.8, 0.4, 3.0], Fill::Junk)).unwrap();
    heat.step(40);
    heat.step(300);
    let stopped = block_on(heat.stopped()).unwrap();
    let values = block_on(heat.values()).unwrap();
    for (r, dt) in [0.8, 0.4, 3.0].into_iter().enumerate() {
        let mut double = HeatDouble::new(PAPER, dt).unwrap();
        double.step(340);
        assert_eq!(stopped[r], double.stopped(), "dt {dt}");
        let largest = values[r].iter().fold(0.0_f32, |most, u| most.max(u.abs()));
        assert_eq!(largest > 1e15, stopped[r].is_some());
        assert!(largest < 1e18, "values changed after the stop: {largest}");
    }
    assert!(stopped[0].is_some() && stopped[1].is_none());
}
