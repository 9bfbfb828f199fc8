//! `report.html`: one file that shows a run to a stranger. It is made from the run folder alone, without a GPU or the data
//! set, and from equal folders it has equal bytes.

mod bits;
pub mod charts;
mod conclusions;
mod data;
mod figures;
mod headline;
pub mod html;
pub mod layers;
pub mod numbers;
mod page;
mod tables;

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::run::replace_file;
use data::RunData;
pub use page::{THEME, document, section};

/// Name of the report in a run folder.
const REPORT_FILE: &str = "report.html";

/// A report on the disk.
pub struct Written {
    /// Where it is.
    pub path: PathBuf,
    /// Lines of the metrics that could not be used.
    pub ignored: u64,
}

/// Reports on the run in `folder`, into `out` or into the folder itself.
pub fn write(folder: &Path, out: Option<&Path>) -> Result<Written, Failure> {
    write_linked(folder, out, None)
}

/// Like [`write()`]; the same run in a browser is linked to, on the page at `page_url`.
pub fn write_linked(folder: &Path, out: Option<&Path>, page_url: Option<&str>) -> Result<Written, Failure> {
    let run = RunData { page_url: page_url.map(str::to_owned), ..RunData::read(folder)? };
    let path = out.map_or_else(|| folder.join(REPORT_FILE), Path::to_owned);
    replace_file(&path, page::page(&run)?.as_bytes())?;
    Ok(Written { path, ignored: run.ignored })
}
