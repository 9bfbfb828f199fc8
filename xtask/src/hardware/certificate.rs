//! The certificate that `lastbit certify` writes.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Name of the certificate's folder in a folder of results.
pub const FOLDER: &str = "certificate";
const FILE: &str = "certificate.json";
/// The version of the JSON's layout.
const FORMAT: u32 = 1;

/// The certificate in a folder of results, or in the folder that `certify` has written; `None` if there is none.
///
/// # Errors
/// If the file is no certificate of this format, or names no adapter.
pub fn read(folder: &Path) -> Result<Option<Value>> {
    let known = [folder.join(FOLDER).join(FILE), folder.join(FILE)];
    let Some(path) = known.into_iter().find(|path| path.is_file()) else { return Ok(None) };
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let certificate: Value = serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
    let format = &certificate["format"];
    ensure!(*format == FORMAT, "{} has format {format}; this version reads format {FORMAT}", path.display());
    for key in ["name", "backend"] {
        let value = certificate["adapter"][key].as_str().unwrap_or_default();
        ensure!(!value.trim().is_empty(), "{} lacks the adapter's {key}", path.display());
    }
    let date = certificate["date"].as_str().unwrap_or_default();
    let is_date = |(i, byte): (usize, u8)| if i == 4 || i == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    ensure!(date.len() == 10 && date.bytes().enumerate().all(is_date), "{} lacks the date", path.display());
    ensure!(certificate["promises"].is_array(), "{} lacks the promises", path.display());
    Ok(Some(certificate))
}

/// Names of the promises that the device does not keep.
pub fn broken(certificate: &Value) -> Vec<&str> {
    let promises = certificate["promises"].as_array().map(Vec::as_slice).unwrap_or_default();
    promises.iter().filter(|promise| promise["kept"] == false).filter_map(|promise| promise["name"].as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_promises_are_named() {
        let certificate: Value = serde_json::from_str(include_str!("report/testdata/certificate.json")).unwrap();
        assert_eq!(broken(&certificate), ["shaders are twins"]);
        assert!(broken(&Value::Null).is_empty());
    }
}
