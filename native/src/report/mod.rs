//! `report.html`: a run as one self-contained page. It is built from the run folder alone, without a GPU or the data set.
//! Equal folders give equal bytes.

mod bits;
mod comparison;
mod conclusions;
pub mod data;
pub mod edges;
mod ends;
mod figures;
mod headline;
pub mod layers;
mod page;
mod parts;
mod tables;
#[cfg(test)]
mod tests;
pub mod treatment;
mod weight;

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::files::replace_file;
use crate::run::REPORT_FILE;
use crate::run_config::RunConfig;
pub use comparison::write as write_comparison;
use data::RunData;
pub use ends::write as write_ends;
pub use parts::write as write_parts;

/// A report that was written.
pub struct Written {
    /// Path of the page.
    pub path: PathBuf,
    /// Number of lines of `metrics.jsonl` that could not be used.
    pub ignored: u64,
    /// What is missing from the run folder or differs from what lastbit wrote.
    pub problems: Vec<String>,
}

/// Builds the page of a run whose files hold these bytes, for [`crate::fuzzing`].
pub fn of_bytes(metrics: &[u8], summary: &[u8], manifest: &[u8], ends: &[u8]) {
    let json = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or_default();
    let mut config = RunConfig::default();
    config.train.ks = vec![1, 3, 2];
    let mut run = RunData::new(Path::new("no-such-run"), config, json(manifest), json(summary));
    // A forged checksum is easy to make.
    run.ends = serde_json::from_slice(ends).ok();
    if run.read_metrics(metrics).is_ok() {
        let _ = page::page(&run);
    }
}

/// Writes the report of the run in `folder` to `out`, or to [`REPORT_FILE`] in the folder itself.
pub fn write(folder: &Path, out: Option<&Path>) -> Result<Written, Failure> {
    write_linked(folder, out, None)
}

/// Like [`write()`], with a link to the same run on the browser page that is hosted at `page_url`.
pub fn write_linked(folder: &Path, out: Option<&Path>, page_url: Option<&str>) -> Result<Written, Failure> {
    let run = RunData { page_url: page_url.map(str::to_owned), ..RunData::read(folder)? };
    let path = out.map_or_else(|| folder.join(REPORT_FILE), Path::to_owned);
    replace_file(&path, page::page(&run)?.as_bytes())?;
    Ok(Written { path, ignored: run.ignored, problems: run.problems })
}
