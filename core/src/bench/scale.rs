//! What a step costs over the replicas, the batch and the depth, one of them at a time.

use std::rc::Rc;

use serde::Serialize;

use super::{Bench, Options, Row, cases};
use crate::device::{Context, DeviceError};
use crate::nets::NetKind;
use crate::train::TrainError;

/// What a step costs when one size of the run changes and the others stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScaleOver {
    /// Replicas in lockstep.
    Replicas,
    /// Samples of a batch.
    Batch,
    /// Depth of the ResNet.
    Depth,
}

/// A point of a curve.
#[derive(Clone, Debug, Serialize)]
pub struct ScalePoint {
    /// Of which curve it is.
    pub over: ScaleOver,
    /// The network's depth.
    pub depth: u32,
    /// Replicas in lockstep.
    pub replicas: u32,
    /// Samples of a batch.
    pub samples: u32,
    /// The step.
    pub row: Row,
}

impl ScalePoint {
    /// The size that the curve changes.
    #[must_use]
    pub fn size(&self) -> u32 {
        match self.over {
            ScaleOver::Replicas => self.replicas,
            ScaleOver::Batch => self.samples,
            ScaleOver::Depth => self.depth,
        }
    }

    /// Milliseconds of a step, for each replica.
    #[must_use]
    pub fn ms_a_replica(&self) -> f64 {
        self.row.ms / f64::from(self.replicas)
    }

    /// Images a second, each counted once for every replica.
    #[must_use]
    pub fn images_a_second(&self) -> f64 {
        f64::from(self.samples) / self.ms_a_replica() * 1e3
    }
}

/// The sizes of each curve. What it does not change is as in the options, and the depth `depth`.
#[derive(Clone, Debug)]
pub struct ScaleSizes {
    /// Depth of the ResNet where another size changes.
    pub depth: u32,
    /// Replicas.
    pub replicas: Vec<u32>,
    /// Samples of a batch.
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

/// Measures whole steps of ResNets of these sizes, around the replicas and the batch of `options`; `tell` sees each point when
/// it is there, or why there is none.
///
/// # Errors
/// The GPU. A point that does not fit into its memory is no error.
pub async fn scale(
    context: Rc<Context>,
    options: &Options,
    sizes: &ScaleSizes,
    mut tell: impl FnMut(Result<&ScalePoint, &TrainError>),
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
                tell(Ok(&point));
                points.push(point);
            }
            Err(error @ TrainError::Gpu(DeviceError::OverLimit { .. } | DeviceError::OutOfMemory { .. })) => {
                tell(Err(&error));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(points)
}
