//! Submitted work whose results are pending.

use std::collections::VecDeque;

use super::state::EpochSums;
use crate::device::Pending;

/// A submitted step whose results are pending.
pub struct InFlight {
    pub step: u64,
    pub samples: u32,
    pub lr: f64,
    pub layers: bool,
    pub pending: Pending,
}

/// An evaluation in progress, batch by batch.
pub struct Evaluation {
    pub next: usize,
    pub sums: EpochSums,
    pub pending: VecDeque<(u32, Pending)>,
}
