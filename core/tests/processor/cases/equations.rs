//! Cases of the differential equations.

use lastbit_core::ops::workgroups;
use lastbit_core::record::{Shader, Work};

use super::random::Random;
use super::sketch::Sketch;
use super::{Case, kernel};

/// The differential equations. `core/src/pde/` records their launches in a run.
pub(super) fn equations(random: &mut Random, all: &mut Vec<Case>) {
    let stop_bits = 1e15_f32.to_bits();
    for (points, steps) in [(31, 50), (3, 7), (200, 20), (31, 0)] {
        let replicas = 1 + random.below(5);
        let mut sketch = Sketch::new(random, replicas, 1);
        let rates: Vec<f32> =
            (0..replicas).map(|r| if r == 1 { 30.0 } else { 0.5 + sketch.random.float(0.1) }).collect();
        let bindings = [
            sketch.words(&[25]),
            sketch.floats(&rates),
            sketch.random_floats((replicas * points) as usize, 2.0),
            sketch.words(&[3, u32::MAX].repeat(replicas as usize)),
        ];
        let kernel = kernel(Shader::HeatSteps, &[("POINTS", points), ("STOP_BITS", stop_bits)]);
        sketch.rec.dispatch_with("heat", kernel, &bindings, 1, Work::default(), &[steps]);
        sketch.finish(format!("heat of {points} points, {steps} steps"), all);
    }
    for side in [3, 8, 20] {
        let replicas = 2 + random.below(4);
        let mut sketch = Sketch::new(random, replicas, 1);
        let elements = side * u32::next_multiple_of(side, 4);
        let parameters = sketch.arena(&[], |_| 0.0);
        let stride = parameters.stride.max(elements.next_multiple_of(64));
        sketch.rec.job.parameter_stride = stride;
        let r = replicas as usize;
        let mut values = sketch.random.floats(stride as usize * r, 2.0);
        // The second replica is near the first one; the last one is beyond the bound.
        for e in 0..stride as usize {
            values[stride as usize + e] = f32::from_bits(values[e].to_bits() ^ sketch.random.below(3));
        }
        *values.last_mut().expect("a value") = 0.0;
        values[(r - 1) * stride as usize] = 2e15;
        let parameters = sketch.floats(&values);
        let gram = sketch.random_floats(stride as usize * r, 2.0);
        let source = sketch.random_floats(elements as usize, 2.0);
        let dots = sketch.junk(r);
        let constants = [("ELEMENTS", elements)];
        sketch.rec.dispatch(
            "inner product",
            kernel(Shader::PdeSourceDot, &constants),
            &[parameters, source, dots],
            1,
            Work::default(),
        );
        let coefficients: Vec<f32> = (0..replicas)
            .flat_map(|r| {
                let dt = if r == 0 { 0.0 } else { 0.01 };
                [dt, 20.0, sketch.random.float(1.0), -0.25, 0.125, 0.0, 0.0, 0.0]
            })
            .collect();
        let coefficients = sketch.floats(&coefficients);
        sketch.rec.dispatch(
            "update",
            kernel(Shader::PdeLinearUpdate, &constants),
            &[gram, source, dots, coefficients, parameters],
            workgroups(u64::from(elements)),
            Work::default(),
        );
        let watches: Vec<u32> = (0..replicas).flat_map(|r| [r % 3, 0]).collect();
        let bindings = [
            parameters,
            sketch.random_floats(r * 2, 1.0),
            sketch.words(&watches),
            coefficients,
            sketch.junk(3 * r * 8),
        ];
        let constants = [("KERNEL", side), ("ELEMENTS", elements), ("STOP_BITS", stop_bits)];
        sketch.rec.dispatch_with(
            "measure",
            kernel(Shader::PdeMeasure, &constants),
            &bindings,
            1,
            Work::default(),
            &[replicas, 8, 0],
        );
        sketch.finish(format!("linear equation, kernel of {side}x{side}"), all);
    }
}
