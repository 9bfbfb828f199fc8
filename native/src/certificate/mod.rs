//! The files of a certificate: data for programs, and a page to pass on.

mod page;

use std::path::{Path, PathBuf};

use lastbit_core::certify::Certificate;
use time::OffsetDateTime;

use crate::failure::Failure;
use crate::files::replace_file;

/// Name of the certificate for programs.
const JSON_FILE: &str = "certificate.json";
/// Name of the page.
const PAGE_FILE: &str = "certificate.html";

/// Writes both files into `folder`, and returns the path of the page.
pub fn write(certificate: &Certificate, folder: &Path) -> Result<PathBuf, Failure> {
    let json = serde_json::to_string_pretty(certificate).map_err(Failure::other)?;
    replace_file(&folder.join(JSON_FILE), format!("{json}\n").as_bytes())?;
    let page = folder.join(PAGE_FILE);
    replace_file(&page, page::page(certificate).as_bytes())?;
    Ok(page)
}

/// Today's date in UTC, `YYYY-MM-DD`.
pub fn today() -> String {
    OffsetDateTime::now_utc().date().to_string()
}
