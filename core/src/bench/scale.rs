//! Measures how the duration of a step depends on the number of replicas, the batch size and the depth, one at a time.

use std::rc::Rc;

use serde::Serialize;

use super::{Bench, Measurement, Options, cases};
use crate::device::{Context, DeviceError};
use crate::nets::NetKind;
use crate::train::TrainError;

/// The size that a curve varies; the other sizes are constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScaleOver {
    /// Number of replicas in lockstep.
    Replicas,
    /// Batch size.
    Batch,
    /// Depth of the ResNet.
    Depth,
}

/// A point of a curve.
#[derive(Clone, Debug, Serialize)]
pub struct ScalePoint {
    /// The curve to which the point belongs.
    pub over: ScaleOver,
    /// Depth of the ResNet.
    pub depth: u32,
    /// Number of replicas in lockstep.
    pub replicas: u32,
    /// Batch size.
    pub samples: u32,
    /// Measurement of the step.
    pub row: Measurement,
}

impl ScalePoint {
    /// The size that the curve varies.
    #[must_use]
    pub fn size(&self) -> u32 {
        match self.over {
            ScaleOver::Replicas => self.replicas,
            ScaleOver::Batch => self.samples,
            ScaleOver::Depth => self.depth,
        }
    }

    /// Milliseconds per step and replica.
    #[must_use]
    pub fn ms_per_replica(&self) -> f64 {
        self.row.ms / f64::from(self.replicas)
    }

    /// Images per second; each image counts once for every replica.
    #[must_use]
    pub fn images_per_second(&self) -> f64 {
        f64::from(self.samples) / self.ms_per_replica() * 1e3
    }
}

/// The sizes of each curve. The sizes that a curve does not vary come from [`Options`] and `depth`.
#[derive(Clone, Debug)]
pub struct ScaleSizes {
    /// Depth of the ResNet in the curves over replicas and batch size.
    pub depth: u32,
    /// Numbers of replicas.
    pub replicas: Vec<u32>,
    /// Batch sizes.
    pub samples: Vec<u32>,
    /// Depths of the ResNet.
    pub depths: Vec<u32>,
}

impl Default for ScaleSizes {
    fn default() -> Self {
        Self {
            depth: 20,
            replicas: vec![1, 2, 3, 6, 12],
            samples: vec![32, 64, 128, 256, 512],
            depths: vec![8, 14, 20, 32, 44, 56, 110],
        }
    }
}

/// Measures whole steps of ResNets with these sizes. Calls `on_point` with each point when it is measured, or with the error if
/// the point does not fit into memory.
///
/// # Errors
/// [`TrainError::Gpu`] if the device fails otherwise, and any other error that stops training from starting.
pub async fn scale(
    context: Rc<Context>,
    options: &Options,
    sizes: &ScaleSizes,
    mut on_point: impl FnMut(Result<&ScalePoint, &TrainError>),
) -> Result<Vec<ScalePoint>, TrainError> {
    let mut bench = Bench { context: &context, options, fma_gflops: f64::INFINITY, copy_gbps: f64::INFINITY };
    let adapter = context.adapter();
    bench.fma_gflops = bench.operation("fma", cases::fma(adapter)).await?.gflops;
    bench.copy_gbps = bench.operation("copy", cases::copy(adapter)).await?.gbps;
    let (&Options { replicas, samples, .. }, depth) = (options, sizes.depth);
    let of_replicas = sizes.replicas.iter().map(|&replicas| (ScaleOver::Replicas, depth, replicas, samples));
    let of_batch = sizes.samples.iter().map(|&samples| (ScaleOver::Batch, depth, replicas, samples));
    let of_depth = sizes.depths.iter().map(|&depth| (ScaleOver::Depth, depth, replicas, samples));
    let mut points = Vec::new();
    for (over, depth, replicas, samples) in of_replicas.chain(of_batch).chain(of_depth) {
        match bench.step(NetKind::ResNet { depth }, (replicas, samples)).await {
            Ok(row) => {
                let point = ScalePoint { over, depth, replicas, samples, row };
                on_point(Ok(&point));
                points.push(point);
            }
            Err(error @ TrainError::Gpu(DeviceError::OverLimit { .. } | DeviceError::OutOfMemory { .. })) => {
                on_point(Err(&error));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(points)
}
