//! The curves of `lastbit bench --scale`, at sizes that take seconds. The time of a step is not tested.

use std::rc::Rc;

use lastbit_core::bench::{Options, ScaleOver, ScalePoint, ScaleSizes, scale};
use lastbit_core::device::{AdapterChoice, Context, DeviceError};
use lastbit_core::train::TrainError;
use pollster::block_on;

use crate::runs;

fn options(replicas: u32, samples: u32) -> Options {
    Options { filter: String::new(), replicas, samples, repeats: 1, tune: false }
}

#[test]
fn each_curve_changes_one_size() {
    let sizes = ScaleSizes { depth: 8, replicas: vec![1, 3], samples: vec![2, 8], depths: vec![8, 14] };
    let mut seen = Vec::new();
    let report =
        |point: Result<&ScalePoint, &TrainError>| seen.push(point.map(ScalePoint::size).map_err(ToString::to_string));
    let points = block_on(scale(runs::context(), &options(2, 4), &sizes, report)).unwrap();
    assert_eq!(seen, [1, 3, 2, 8, 8, 14].map(Ok));
    let found = points.iter().map(|p| (p.over, p.depth, p.replicas, p.samples));
    let expected = [
        (ScaleOver::Replicas, 8, 1, 4),
        (ScaleOver::Replicas, 8, 3, 4),
        (ScaleOver::Batch, 8, 2, 2),
        (ScaleOver::Batch, 8, 2, 8),
        (ScaleOver::Depth, 8, 2, 4),
        (ScaleOver::Depth, 14, 2, 4),
    ];
    assert!(found.eq(expected), "{points:?}");
    for point in &points {
        let ScalePoint { depth, replicas, samples, row, .. } = point;
        assert_eq!(
            (row.name.as_str(), &row.shape),
            (&*format!("step_resnet{depth}"), &format!("R{replicas} N{samples}"))
        );
        assert!(row.ms > 0.0 && row.fma_share.is_finite() && row.copy_share.is_finite(), "{row:?}");
        assert!((point.images_per_second() * row.ms / 1e3 - f64::from(replicas * samples)).abs() < 1e-6, "{point:?}");
    }
    // Work and memory grow with each size.
    for pair in points.chunks(2) {
        let work = |point: &ScalePoint| point.row.gflops * point.row.ms;
        assert!(work(&pair[0]) < work(&pair[1]), "{pair:?}");
        assert!(pair[0].row.memory_mib < pair[1].row.memory_mib, "{pair:?}");
    }
    let work = |point: &ScalePoint| point.row.gflops * point.row.ms;
    assert!((work(&points[1]) / work(&points[0]) - 3.0).abs() < 1e-6, "three replicas must do three times the work");
}

#[test]
fn a_point_that_does_not_fit_is_left_out() {
    let context = block_on(Context::new(&AdapterChoice::Best)).unwrap();
    // Enough memory for the copy that is measured first.
    context.set_memory_budget(400 << 20);
    let context = Rc::new(context);
    let sizes = ScaleSizes { depth: 8, replicas: vec![], samples: vec![4096, 2], depths: vec![] };
    let mut seen = Vec::new();
    let report = |point: Result<&ScalePoint, &TrainError>| match point {
        Ok(point) => seen.push(Some(point.samples)),
        Err(TrainError::Gpu(DeviceError::OverLimit { .. } | DeviceError::OutOfMemory { .. })) => seen.push(None),
        Err(error) => panic!("{error}"),
    };
    let points = block_on(scale(context, &options(1, 2), &sizes, report)).unwrap();
    assert_eq!(seen, [None, Some(2)]);
    assert_eq!(points.len(), 1);
}
