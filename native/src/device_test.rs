//! The start-up self-test of an adapter, and how a failure is handled.

use std::rc::Rc;

use lastbit_core::arithmetic::{self, Arithmetic};
use lastbit_core::device::Context;
use lastbit_core::train::self_test::{self, Check, FailedCheck};
use pollster::block_on;

use crate::failure::Failure;
use crate::run_config::OnBrokenDevice;
use crate::terminal::warn;

/// The check with this name, for the hidden flag `--break-device`.
pub fn parse_check(text: &str) -> Result<Check, String> {
    Check::ALL.into_iter().find(|check| check.name() == text).ok_or_else(|| "unknown check".to_owned())
}

/// Runs the self-test and returns the promises that the adapter breaks. `fault` makes a check fail.
pub fn run(context: &Rc<Context>, fault: Option<Check>) -> Result<Vec<FailedCheck>, Failure> {
    let _span = tracing::info_span!("self-test").entered();
    Ok(block_on(self_test::run(context, fault))?)
}

/// Finds what the adapter computes with.
pub fn arithmetic(context: &Context) -> Result<Arithmetic, Failure> {
    Ok(block_on(arithmetic::probe(context))?)
}

/// Turns broken promises into an error or into texts for the manifest, as `policy` says.
pub fn judge(context: &Context, broken: &[FailedCheck], policy: OnBrokenDevice) -> Result<Vec<String>, Failure> {
    let texts: Vec<String> = broken.iter().map(|b| format!("{}: {}", b.check.name(), b.seen)).collect();
    if texts.is_empty() {
        return Ok(texts);
    }
    let adapter = context.adapter();
    let problem = format!(
        "adapter '{}' (driver {}) breaks a promise that equal bits rest on: {}",
        adapter.name,
        adapter.driver,
        texts.join("; ")
    );
    match policy {
        OnBrokenDevice::Refuse => Err(Failure::other(format!(
            "{problem}: choose another adapter with --adapter, update its driver, or train anyway with --on-broken-device warn"
        ))),
        OnBrokenDevice::Warn => {
            warn(format!("{problem}. The run continues with the default tiles, and manifest.json records this"));
            Ok(texts)
        }
    }
}
