//! The nonlinear one-layer network: fixed point, period doubling, chaos and blow-up; k = 3 compared with k = 1.

use lastbit_core::device::Fill;
use lastbit_core::ops::Activation;
use lastbit_core::ops::sgd::Perturbation;
use lastbit_core::pde::{
    Bracket, Image, Nonlinear, NonlinearDouble, NonlinearParams, Replica, Sample, bisect, initial_kernel, period,
};
use pollster::block_on;

use super::common::{Failures, Random};
use super::context;

fn params(image: Image, kernel: u32) -> NonlinearParams {
    NonlinearParams {
        image,
        kernel,
        activation: Activation::Swish { beta: 1.0 },
        label: 1,
        alpha: 20.0,
        perturbation: Perturbation::Divide,
        initial: initial_kernel(kernel, None, 1),
    }
}

fn paper() -> NonlinearParams {
    params(Image::checkerboard(256, 256).unwrap(), 32)
}

fn settled(dt: f64) -> NonlinearDouble {
    let mut run = NonlinearDouble::new(&paper(), 1, dt).unwrap();
    run.step(3000);
    run
}

#[test]
fn the_papers_route_to_chaos_in_float64() {
    for dt in [0.01, 0.03] {
        let run = settled(dt);
        assert!((run.loss() - 0.2915).abs() < 5e-5, "dt {dt}: loss {}", run.loss());
    }
    // The fixed point does not depend on dt. It becomes unstable at dt = 2 / sharpness.
    let doubling = 2.0 / settled(0.01).sharpness();
    assert!((doubling / 0.0323 - 1.0).abs() < 0.01, "first period doubling at {doubling}");
    let orbit = |dt: f64, steps: usize| -> Vec<f64> {
        let mut run = settled(dt);
        (0..steps)
            .map(|_| {
                run.step(1);
                run.response()
            })
            .collect()
    };
    let doubled = |dt: f64| -> Result<bool, ()> { Ok(period(&orbit(dt, 40), 8, 1e-4) != Some(1)) };
    let found = bisect(Bracket { without: 0.031, with: 0.034 }, 1e-3, doubled).unwrap().middle();
    assert!((found / 0.0323 - 1.0).abs() < 0.01, "period doubles at {found}");
    assert_eq!(period(&orbit(0.036, 200), 8, 1e-6), Some(2));
    // The Lyapunov exponent per step is negative on a cycle and positive in chaos.
    let exponent = |dt: f64| settled(dt).lyapunov(4000);
    assert!(exponent(0.03).unwrap() < -0.05 && exponent(0.036).unwrap() < 0.0);
    assert!(exponent(0.046).unwrap() < 0.0, "{:?}", exponent(0.046));
    for dt in [0.05, 0.07, 0.09] {
        assert!(exponent(dt).unwrap() > 0.01, "dt {dt}: {:?}", exponent(dt));
    }
    for dt in [0.11, 0.13] {
        let run = settled(dt);
        assert!(run.stopped().is_some_and(|step| step < 1000), "dt {dt}: {:?}", run.stopped());
    }
}

#[test]
fn the_derivatives_are_those_of_the_loss() {
    for activation in [Activation::Swish { beta: 1.7 }, Activation::Relu] {
        let image = Image::noise(13, 11, 0.3, 1.0, 4).unwrap();
        let params = NonlinearParams { activation, alpha: 0.3, label: 0, ..params(image, 3) };
        let at = |w: &[f64]| {
            let initial = w.iter().map(|w| *w as f32).collect();
            NonlinearDouble::new(&NonlinearParams { initial, ..params.clone() }, 1, 0.1).unwrap()
        };
        // Kernels that are exact in float32, 2^-12 apart.
        let w: Vec<f64> = (0..9)
            .map(|i| f64::from((f64::from(i) * 1.7).sin() as f32 * 0.25))
            .map(|w| (w * 4096.0).round() / 4096.0)
            .collect();
        let h = 1.0 / 4096.0;
        let here = at(&w);
        for e in 0..9 {
            let moved = |by: f64| {
                let mut w = w.clone();
                w[e] += by;
                at(&w)
            };
            let (plus, minus) = (moved(h), moved(-h));
            let slope = (plus.loss() - minus.loss()) / (2.0 * h);
            assert!((slope - here.gradient()[e]).abs() < 1e-6, "{activation}: {slope} {}", here.gradient()[e]);
            if activation == Activation::Relu {
                continue;
            }
            let mut unit = vec![0.0; 9];
            unit[e] = 1.0;
            for ((p, m), found) in plus.gradient().iter().zip(minus.gradient()).zip(here.hessian_times(&unit)) {
                assert!(((p - m) / (2.0 * h) - found).abs() < 1e-5, "{activation}");
            }
        }
    }
}

#[test]
fn gpu_and_float64_agree_on_random_images_and_kernels() {
    let mut failures = Failures::default();
    let mut random = Random::new(7);
    let context = context();
    for round in 0..10 {
        let (height, width) = (random.between(5..=21), random.between(5..=21));
        let kernel = random.between(1..=5);
        let image = match round % 3 {
            0 => Image::checkerboard(height, width),
            1 => Image::grating(height, width, 5.0, 0.5),
            _ => Image::noise(height, width, 0.3, 1.0, round),
        };
        let activation = if round % 4 == 3 { Activation::Relu } else { Activation::Swish { beta: 2.0 } };
        let perturbation =
            [Perturbation::Divide, Perturbation::Reciprocal, Perturbation::Nextafter][round as usize % 3];
        let label = round as u32 % 2;
        let params = NonlinearParams { activation, label, alpha: 1.5, perturbation, ..params(image.unwrap(), kernel) };
        let replicas: Vec<Replica> =
            [(1, 0.05), (3, 0.05), (7, 0.2)].iter().map(|(k, dt)| Replica { k: *k, dt: *dt, reference: 0 }).collect();
        let mut run = block_on(Nonlinear::new(context.clone(), params.clone(), &replicas, Fill::Junk)).unwrap();
        block_on(run.step(15)).unwrap();
        let kernels = block_on(run.kernels()).unwrap();
        for (r, replica) in replicas.iter().enumerate() {
            let mut double = NonlinearDouble::new(&params, replica.k, replica.dt).unwrap();
            let first = run.history(r)[0].cross_entropy;
            let name = format!("{height} x {width}, kernel {kernel}, {activation}, k {}", replica.k);
            failures.check((f64::from(first) - double.cross_entropy()).abs() < 1e-6, || format!("{name}: {first}"));
            double.step(15);
            // 15 steps, each with sums of a few hundred products.
            failures.close(&name, &kernels[r], double.kernel(), 1e-5);
            let sample = run.history(r).last().unwrap();
            let loss = sample.loss(params.alpha);
            failures
                .check((loss - double.loss()).abs() < 1e-5, || format!("{name}: loss {loss} for {}", double.loss()));
            let largest = double.kernel().iter().fold(0.0, |most: f64, w| most.max(w.abs()));
            failures.check((f64::from(sample.max_abs) / largest - 1.0).abs() < 1e-4, || {
                format!("{name}: max {}", sample.max_abs)
            });
        }
    }
    failures.finish();
}

/// 40 x 40 pixels take 1/600 of the work at the published size. The checkerboard's two patches are not equally frequent, which
/// changes the loss by 1 %, but the dynamics are the same.
#[test]
fn k_3_leaves_k_1_where_theory_is_unstable() {
    let dts = [0.01, 0.03, 0.05, 0.07, 0.09, 0.11, 0.13];
    let image = Image::checkerboard(40, 40).unwrap();
    // Four replicas for each step size: k = 1, 1, 3 and 2.
    let replicas: Vec<Replica> = dts
        .iter()
        .enumerate()
        .flat_map(|(i, dt)| [1, 1, 3, 2].map(|k| Replica { k, dt: *dt, reference: 4 * i }))
        .collect();
    let params = params(image, 32);
    let mut run = block_on(Nonlinear::new(context(), params.clone(), &replicas, Fill::Junk)).unwrap();
    block_on(run.step(1000)).unwrap();
    let leaves = |r: usize| run.history(r).iter().position(|s| s.rel_l1 > 0.1);
    let mean_of_end = |r: usize| {
        let end: Vec<f64> = run.history(r).iter().rev().take(100).map(|s| f64::from(s.rel_l1)).collect();
        end.iter().sum::<f64>() / end.len() as f64
    };
    for (i, dt) in dts.into_iter().enumerate() {
        let history = run.history(4 * i + 2);
        println!(
            "dt {dt}: leaves {:?}, end {}, stopped {:?}",
            leaves(4 * i + 2),
            mean_of_end(4 * i + 2),
            run.stopped()[4 * i]
        );
        for control in [4 * i + 1, 4 * i + 3] {
            assert!(run.history(control).iter().all(|s: &Sample| s.differing == 0), "dt {dt}: the control differs");
        }
        if dt <= 0.03 {
            assert!(history.iter().all(|s| s.rel_l1 < 1e-3), "dt {dt}");
            let loss = history[1000].loss(20.0);
            let mut double = NonlinearDouble::new(&params, 1, dt).unwrap();
            double.step(1000);
            assert!((loss - double.loss()).abs() < 1e-5, "dt {dt}: loss {loss} for {}", double.loss());
        } else if dt < 0.1 {
            let within = if dt == 0.05 { 400 } else { 60 };
            assert!(leaves(4 * i + 2).is_some_and(|step| step <= within), "dt {dt}: {:?}", leaves(4 * i + 2));
            assert!(dt != 0.05 || mean_of_end(4 * i + 2) > 0.5, "dt {dt}: {}", mean_of_end(4 * i + 2));
        } else {
            assert!(run.stopped()[4 * i].is_some(), "dt {dt}");
        }
    }
}

#[test]
fn a_replica_does_not_see_its_neighbours_nor_the_split_of_steps() {
    let params = params(Image::noise(17, 14, 0.1, 1.0, 2).unwrap(), 6);
    let of = |k, dt, reference| Replica { k, dt, reference };
    let all = [of(1, 0.05, 0), of(3, 0.07, 0), of(5, 0.02, 2)];
    let mut run = block_on(Nonlinear::new(context(), params.clone(), &all, Fill::Junk)).unwrap();
    block_on(run.step(300)).unwrap();
    let kernels = block_on(run.kernels()).unwrap();
    for (r, replica) in all.iter().enumerate() {
        let alone = [Replica { reference: 0, ..*replica }];
        let mut alone = block_on(Nonlinear::new(context(), params.clone(), &alone, Fill::Zero)).unwrap();
        for steps in [1, 7, 192, 100] {
            block_on(alone.step(steps)).unwrap();
        }
        assert!(block_on(alone.kernels()).unwrap()[0] == kernels[r], "replica {r}");
        let entropies = |samples: &[Sample]| samples.iter().map(|s| s.cross_entropy.to_bits()).collect::<Vec<_>>();
        assert!(entropies(alone.history(0)) == entropies(run.history(r)), "replica {r}");
        assert_eq!(run.history(r).len(), 301);
    }
    // As a slider does: change the step sizes during a run, then restart.
    block_on(run.restart(&all)).unwrap();
    block_on(run.step(4)).unwrap();
    let fourth = block_on(run.kernels()).unwrap();
    block_on(run.restart(&all)).unwrap();
    block_on(run.step(3)).unwrap();
    let slower = all.map(|r| Replica { dt: r.dt / 2.0, ..r });
    run.change_dts(&slower).unwrap();
    block_on(run.step(1)).unwrap();
    assert!(block_on(run.kernels()).unwrap() != fourth);
    block_on(run.restart(&all)).unwrap();
    block_on(run.step(300)).unwrap();
    assert!(block_on(run.kernels()).unwrap() == kernels, "a restarted run differs");
}

#[test]
fn bad_values_are_named() {
    let good = params(Image::checkerboard(8, 8).unwrap(), 4);
    let message = |params: &NonlinearParams, k, dt| NonlinearDouble::new(params, k, dt).unwrap_err().to_string();
    assert_eq!(message(&good, 1, 0.0), "dt must be a positive number, not 0");
    assert_eq!(message(&good, 64, 0.1), "k must be 1 to 63, not 64");
    assert_eq!(message(&NonlinearParams { alpha: -1.0, ..good.clone() }, 1, 0.1), "alpha must be 0 to 1e10, not -1");
    assert_eq!(message(&NonlinearParams { label: 2, ..good.clone() }, 1, 0.1), "label must be 0 or 1, not 2");
    let replica = Replica { k: 1, dt: 0.1, reference: 1 };
    let refused = block_on(Nonlinear::new(context(), good, &[replica], Fill::Zero));
    assert_eq!(refused.err().unwrap().to_string(), "reference must be below 1, not 1");
}
