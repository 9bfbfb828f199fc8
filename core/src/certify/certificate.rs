//! The certificate of a device, as data: what front ends write, show and pass on.

use serde::Serialize;

use super::Promise;
use crate::arithmetic::Arithmetic;
use crate::bench::{Measurement, Report};
use crate::device::AdapterSummary;
use crate::record::ORDER_VERSION;

/// Version of the fields.
const FORMAT: u32 = 1;

/// A device's certificate. As JSON it is `certificate.json`.
#[derive(Debug, Serialize)]
pub struct Certificate {
    /// Version of the fields.
    pub format: u32,
    /// Version of lastbit.
    pub lastbit: &'static str,
    /// Version of docs/ORDER.md.
    pub order: u32,
    /// The day, `YYYY-MM-DD` in UTC.
    pub date: String,
    /// Whether fewer networks were checked.
    pub quick: bool,
    /// What was checked.
    pub adapter: Adapter,
    /// Its class, and what it does with subnormal numbers.
    pub arithmetic: Arithmetic,
    /// Promises, in the order in which they were checked.
    pub promises: Vec<Promise>,
    /// Durations of operations; empty if they were not measured.
    pub speed: Vec<Speed>,
    /// Rate of independent multiply-adds in GFLOP/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fma_gflops: Option<f64>,
    /// Bandwidth of a copy in GB/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy_gbps: Option<f64>,
    /// Why something was not checked; `None` if everything was.
    pub unfinished: Option<String>,
    /// Whether everything was checked and every promise is kept.
    pub kept: bool,
}

/// The fields of an [`AdapterSummary`] that a certificate shows.
#[derive(Debug, Serialize)]
pub struct Adapter {
    /// Name that the driver reports.
    pub name: String,
    /// Driver and its version; in a browser, the browser.
    pub driver: String,
    /// `vulkan`, `metal`, `dx12`, `webgpu` or `processor`.
    pub backend: String,
    /// `DiscreteGpu`, `IntegratedGpu`, `VirtualGpu`, `Cpu` or `Other`.
    pub kind: String,
    /// Instruction set and threads of the processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl From<&AdapterSummary> for Adapter {
    fn from(summary: &AdapterSummary) -> Self {
        let AdapterSummary { name, driver, backend, kind, detail, .. } = summary;
        let [name, driver, backend, kind] = [name, driver, backend, kind].map(String::clone);
        Self { name, driver, backend, kind, detail: detail.clone() }
    }
}

/// The columns of a benchmark's row that a certificate shows.
#[derive(Debug, Serialize)]
pub struct Speed {
    /// Name of the operation.
    pub name: String,
    /// Its shape.
    pub shape: String,
    /// Duration in milliseconds.
    pub ms: f64,
    /// Rate of arithmetic in GFLOP/s.
    pub gflops: f64,
    /// Rate of memory traffic in GB/s.
    pub gbps: f64,
    /// Share of the rate of independent multiply-adds.
    pub fma_share: f64,
    /// Share of the bandwidth of a copy.
    pub copy_share: f64,
}

impl From<&Measurement> for Speed {
    fn from(row: &Measurement) -> Self {
        let Measurement { name, shape, ms, gflops, gbps, fma_share, copy_share, .. } = row;
        let (name, shape) = (name.clone(), shape.clone());
        let [ms, gflops, gbps, fma_share, copy_share] = [*ms, *gflops, *gbps, *fma_share, *copy_share];
        Self { name, shape, ms, gflops, gbps, fma_share, copy_share }
    }
}

impl Certificate {
    /// The certificate of `adapter`, begun on `date` (`YYYY-MM-DD`), without a promise yet.
    #[must_use]
    pub fn new(adapter: Adapter, arithmetic: Arithmetic, quick: bool, date: String) -> Self {
        Self {
            format: FORMAT,
            lastbit: env!("CARGO_PKG_VERSION"),
            order: ORDER_VERSION,
            date,
            quick,
            adapter,
            arithmetic,
            promises: Vec::new(),
            speed: Vec::new(),
            fma_gflops: None,
            copy_gbps: None,
            unfinished: Some("the certification was interrupted, or still runs".to_owned()),
            kept: false,
        }
    }

    /// Notes that every promise was checked.
    pub fn finish(&mut self) {
        self.unfinished = None;
        self.kept = self.promises.iter().all(|promise| promise.kept);
    }

    /// Adds measurements.
    pub fn set_speed(&mut self, report: &Report) {
        self.speed = report.rows.iter().map(Speed::from).collect();
        self.fma_gflops = Some(report.fma_gflops);
        self.copy_gbps = Some(report.copy_gbps);
    }
}
