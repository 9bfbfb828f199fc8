//! The certificate of a device: which promises it keeps, as JSON and as a page to pass on.

mod date;
mod page;

use std::path::{Path, PathBuf};

use lastbit_core::arithmetic::Arithmetic;
use lastbit_core::bench::{Measurement, Report};
use lastbit_core::certify::Promise;
use lastbit_core::device::AdapterSummary;
use lastbit_core::record::ORDER_VERSION;
use serde::Serialize;

use crate::failure::Failure;
use crate::files::replace_file;

pub use date::today;

/// Name of the certificate for programs.
const JSON_FILE: &str = "certificate.json";
/// Name of the page.
const PAGE_FILE: &str = "certificate.html";
/// Version of the fields of [`JSON_FILE`].
const FORMAT: u32 = 1;

/// A device's certificate. Fields that are not public are constants of this build.
#[derive(Debug, Serialize)]
pub struct Certificate {
    format: u32,
    lastbit: &'static str,
    order: u32,
    /// The day, `YYYY-MM-DD` in UTC.
    date: String,
    /// Whether fewer networks were checked.
    quick: bool,
    adapter: Adapter,
    arithmetic: Arithmetic,
    /// Promises, in the order in which they were checked.
    promises: Vec<Promise>,
    /// Durations of operations; empty if they were not measured.
    speed: Vec<Speed>,
    /// Rate of independent multiply-adds in GFLOP/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    fma_gflops: Option<f64>,
    /// Bandwidth of a copy in GB/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    copy_gbps: Option<f64>,
    /// Whether every promise is kept.
    kept: bool,
}

#[derive(Debug, Serialize)]
struct Adapter {
    name: String,
    driver: String,
    backend: String,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// The columns of a benchmark's row that a certificate shows.
#[derive(Debug, Serialize)]
struct Speed {
    name: String,
    shape: String,
    ms: f64,
    gflops: f64,
    gbps: f64,
    fma_share: f64,
    copy_share: f64,
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
    /// The certificate of `adapter`. `speed` is missing if nothing was measured.
    pub fn new(
        adapter: &AdapterSummary,
        arithmetic: Arithmetic,
        quick: bool,
        promises: Vec<Promise>,
        speed: Option<&Report>,
    ) -> Self {
        Self {
            format: FORMAT,
            lastbit: env!("CARGO_PKG_VERSION"),
            order: ORDER_VERSION,
            date: today(),
            quick,
            adapter: Adapter {
                name: adapter.name.clone(),
                driver: adapter.driver.clone(),
                backend: adapter.backend.clone(),
                kind: adapter.kind.clone(),
                detail: adapter.detail.clone(),
            },
            arithmetic,
            kept: promises.iter().all(|promise| promise.kept),
            promises,
            speed: speed.map_or_else(Vec::new, |report| report.rows.iter().map(Speed::from).collect()),
            fma_gflops: speed.map(|report| report.fma_gflops),
            copy_gbps: speed.map(|report| report.copy_gbps),
        }
    }

    /// Whether every promise is kept.
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// Writes both files into `folder`, and returns the path of the page.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, Failure> {
        let json = serde_json::to_string_pretty(self).map_err(Failure::other)?;
        replace_file(&folder.join(JSON_FILE), format!("{json}\n").as_bytes())?;
        let page = folder.join(PAGE_FILE);
        replace_file(&page, page::page(self).as_bytes())?;
        Ok(page)
    }
}
