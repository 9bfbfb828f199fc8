//! The reports of the smoke step in a browser and of the native one, and their comparison.

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// Rounding explains relative differences below this between two losses of one step.
const TOLERANCE: f64 = 1e-5;

/// The JSON of `lastbit smoke --json`, and of `smoke()` in a browser.
#[derive(Clone, Debug, Deserialize)]
pub struct Report {
    adapter: String,
    driver: String,
    /// The loss as the 8 hex digits of its bits: the JSON number would be null for a NaN.
    loss_bits: String,
    fingerprint: String,
}

/// What the browser runner prints.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Report(Report),
    Error(String),
}

impl Report {
    /// Parses the JSON of `lastbit smoke --json`.
    pub fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str(json).with_context(|| format!("this is not a smoke report: {}", json.trim()))
    }

    /// Parses the browser runner's output: a report, or one line with the reason why there is none.
    pub fn from_answer(answer: &str) -> Result<Self> {
        let parsed = serde_json::from_str(answer);
        match parsed.with_context(|| format!("this is not an answer of the browser runner: {}", answer.trim()))? {
            Answer::Report(report) => Ok(report),
            Answer::Error(line) => bail!("{line}"),
        }
    }

    /// The report in one readable line.
    pub fn line(&self) -> Result<String> {
        let adapter = [self.adapter.trim(), self.driver.trim()].join(" ");
        let adapter = if adapter.trim().is_empty() { "unnamed adapter" } else { adapter.trim() };
        let (loss, bits) = (self.loss()?, &self.loss_bits);
        Ok(format!("loss {loss} (bits {bits}), fingerprint {}, on {adapter}", self.fingerprint))
    }

    fn loss(&self) -> Result<f32> {
        let bits = u32::from_str_radix(&self.loss_bits, 16);
        Ok(f32::from_bits(bits.with_context(|| format!("loss_bits '{}' is not hexadecimal", self.loss_bits))?))
    }
}

/// One line that states how closely the two agree; an error if they differ by more than rounding explains.
pub fn verdict(browser: &Report, native: &Report) -> Result<String> {
    let (in_browser, natively) = (f64::from(browser.loss()?), f64::from(native.loss()?));
    if !in_browser.is_finite() || !natively.is_finite() {
        bail!("the loss is not finite: {in_browser} in the browser, {natively} natively");
    }
    if browser.loss_bits == native.loss_bits && browser.fingerprint == native.fingerprint {
        return Ok(format!("browser = native on {}, bit for bit", native.adapter));
    }
    let relative = (in_browser - natively).abs() / natively.abs().max(f64::MIN_POSITIVE);
    let same = if browser.fingerprint == native.fingerprint { "equal" } else { "different" };
    let line = format!("browser and native differ: loss by {relative:.1e} (relative), fingerprints {same}");
    if relative >= TOLERANCE {
        bail!("{line}; less than {TOLERANCE:.0e} is allowed");
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(loss: f32, fingerprint: &str) -> Report {
        let loss_bits = format!("{:08x}", loss.to_bits());
        let json = serde_json::json!({
            "adapter": "SwiftShader Device", "driver": "", "loss": loss, "loss_bits": loss_bits, "fingerprint": fingerprint
        });
        Report::from_json(&json.to_string()).unwrap()
    }

    #[test]
    fn equal_bits_are_reported() {
        let line = verdict(&report(2.25, "aa"), &report(2.25, "aa")).unwrap();
        assert_eq!(line, "browser = native on SwiftShader Device, bit for bit");
    }

    #[test]
    fn rounding_passes_with_its_size() {
        let next = f32::from_bits(2.25f32.to_bits() + 1);
        let line = verdict(&report(next, "ab"), &report(2.25, "aa")).unwrap();
        assert_eq!(line, "browser and native differ: loss by 1.1e-7 (relative), fingerprints different");
        let line = verdict(&report(2.25, "ab"), &report(2.25, "aa")).unwrap();
        assert!(line.contains("loss by 0.0e0 (relative), fingerprints different"), "{line}");
    }

    #[test]
    fn more_than_rounding_fails() {
        let error = verdict(&report(2.26, "ab"), &report(2.25, "aa")).unwrap_err().to_string();
        assert!(error.ends_with("1e-5 is allowed"), "{error}");
        assert!(verdict(&report(f32::NAN, "aa"), &report(f32::NAN, "aa")).is_err());
    }

    #[test]
    fn the_browsers_error_is_the_error() {
        let error = Report::from_answer(r#"{"error":"no WebGPU adapter"}"#).unwrap_err();
        assert_eq!(error.to_string(), "no WebGPU adapter");
        assert!(Report::from_answer("Segmentation fault").is_err());
    }
}
