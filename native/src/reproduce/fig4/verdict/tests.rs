//! Verdicts in both directions, and where the data cannot decide.

use super::*;
use crate::reproduce::fig4::orbits::Orbit;

/// A distance that grows from `first` by `factor` a step, up to 1.
fn distance(first: f64, factor: f64, steps: i32) -> Vec<f64> {
    (0..=steps).map(|step| if step == 0 { 0.0 } else { (first * factor.powi(step)).min(1.0) }).collect()
}

fn trajectory(dt: f64, single: Vec<f64>, double: Vec<f64>) -> Trajectory {
    let loss: Vec<Option<f64>> = (0..single.len()).map(|step| Some(0.3 + (step % 2) as f64)).collect();
    Trajectory {
        dt,
        loss: loss.clone(),
        loss_double: loss,
        distance: single,
        distance_double: double,
        control: 0,
        stopped: None,
    }
}

/// Chaos with this exponent at dt 0.05 to 0.09.
fn orbits(exponent: f64) -> Orbits {
    let orbit = |dt| Orbit { dt, values: vec![1.0], period: None, lyapunov: Some(exponent) };
    Orbits {
        orbits: [0.05, 0.07, 0.09].map(orbit).into(),
        fixed_point_loss: 0.29,
        doubling: 0.0322,
        doubling_found: Some(0.0322),
        explosion: 0.1,
    }
}

fn figure(size: u32, steps: u64) -> Fig4 {
    Fig4 { is_quick: true, dt: vec![0.05], steps, alpha: 20.0, points: 24, size, kernel: 32, seed: 1 }
}

#[test]
fn more_bits_may_part_earlier_but_must_part() {
    let verdict = |single: Vec<f64>, double: Vec<f64>| {
        precision(&[trajectory(0.05, single, double)], &orbits(0.4)).map(|claim| claim.agrees)
    };
    let late = |steps: i32| [vec![0.0, 1e-8], vec![0.0; 90], distance(1e-8, 1.5, steps - 91)].concat();
    assert_eq!(verdict(distance(1e-8, 1.5, 300), distance(1e-17, 1.5, 300)), Some(Agreement::Yes));
    // The float32 copies were equal again for a while.
    assert_eq!(verdict(late(300), distance(1e-17, 1.5, 300)), Some(Agreement::Yes));
    let never = |steps: i32| distance(1e-17, 1.0, steps);
    assert_eq!(verdict(distance(1e-8, 1.5, 80), never(80)), Some(Agreement::CannotTell), "too few steps");
    assert_eq!(verdict(distance(1e-8, 1.5, 1000), never(1000)), Some(Agreement::No), "float32 is the cause");
    assert_eq!(verdict(distance(1e-8, 1.5, 300), distance(1e-8, 1.5, 300)), Some(Agreement::No), "no more bits");
    assert_eq!(verdict(distance(1e-8, 1.0, 300), never(300)), None, "nothing to compare");
}

#[test]
fn chaos_parts_copies_if_it_has_time() {
    let verdict = |exponent: f64, steps: i32, factor: f64| {
        let trajectories = [trajectory(0.05, distance(1e-8, factor, steps), Vec::new())];
        chaos(&figure(64, steps as u64), &trajectories, &orbits(exponent)).agrees
    };
    assert_eq!(verdict(0.4, 1000, 1.5), Agreement::Yes);
    assert_eq!(verdict(0.4, 1000, 1.0), Agreement::No);
    assert_eq!(verdict(0.4, 50, 1.0), Agreement::CannotTell);
    assert_eq!(verdict(0.01, 1000, 1.0), Agreement::CannotTell, "a weak instability is slow");
}

#[test]
fn another_kernel_may_leave_later() {
    let verdict = |size: u32, single: Vec<f64>| {
        let steps = single.len() as u64 - 1;
        parting(&figure(size, steps), &[trajectory(0.07, single, Vec::new())])[0].agrees
    };
    let at = |step: usize| [vec![0.0; step], vec![1.0; 1001 - step]].concat();
    assert_eq!([64, 256].map(|size| verdict(size, at(40))), [Agreement::Yes; 2]);
    assert_eq!([64, 256].map(|size| verdict(size, at(90))), [Agreement::CannotTell, Agreement::No]);
    assert_eq!([64, 256].map(|size| verdict(size, vec![0.0; 1001])), [Agreement::No; 2]);
    assert_eq!([64, 256].map(|size| verdict(size, vec![0.0; 41])), [Agreement::CannotTell; 2]);
    let back = [vec![0.0; 20], vec![1.0; 20], vec![0.0; 961]].concat();
    assert_eq!(verdict(64, back), Agreement::No, "they do not stay apart");
}

#[test]
fn what_explodes_may_take_longer() {
    let verdict = |dt: f64, steps: u64, end: f64| {
        let trajectory =
            Trajectory { loss: vec![Some(end); steps as usize + 1], ..trajectory(dt, Vec::new(), Vec::new()) };
        one(&figure(64, steps), &trajectory, &orbits(0.4)).agrees
    };
    assert_eq!(verdict(0.13, 20, 1e6), Agreement::Yes);
    assert_eq!(verdict(0.13, 20, 1.0), Agreement::No);
    assert_eq!(verdict(0.101, 20, 20.0), Agreement::CannotTell);
    // Above the doubling: neither settled nor exploded.
    assert_eq!(verdict(0.05, 1000, 0.29), Agreement::No);
    assert_eq!(verdict(0.0323, 1000, 0.29), Agreement::CannotTell, "so close to the doubling the cycle is small");
}
