//! The start-up self-test of an adapter, and what follows if it fails.

use std::rc::Rc;

use lastbit_core::device::Context;
use lastbit_core::train::self_test::{self, Broken, Check};
use pollster::block_on;

use crate::failure::Failure;
use crate::run_config::OnBrokenDevice;
use crate::terminal::warn;

/// For the hidden flag --break-device: the check of this name.
pub fn a_check(text: &str) -> Result<Check, String> {
    Check::ALL.into_iter().find(|check| check.name() == text).ok_or_else(|| "there is no such check".to_owned())
}

/// The promises that the adapter breaks. `fault` makes a check fail.
pub fn run(context: &Rc<Context>, fault: Option<Check>) -> Result<Vec<Broken>, Failure> {
    let _span = tracing::info_span!("self-test").entered();
    Ok(block_on(self_test::run(context, fault))?)
}

/// Broken promises are an error, or come back to be recorded.
pub fn judge(context: &Context, broken: &[Broken], policy: OnBrokenDevice) -> Result<Vec<String>, Failure> {
    let texts: Vec<String> = broken.iter().map(|b| format!("{}: {}", b.check.name(), b.seen)).collect();
    if texts.is_empty() {
        return Ok(texts);
    }
    let adapter = context.adapter();
    let told = format!(
        "adapter '{}' (driver {}) breaks a promise that equal bits rest on: {}",
        adapter.name,
        adapter.driver,
        texts.join("; ")
    );
    match policy {
        OnBrokenDevice::Refuse => Err(Failure::other(format!(
            "{told}: choose another one with --adapter, update its driver, or go on all the same with --on-broken-device warn"
        ))),
        OnBrokenDevice::Warn => {
            warn(format!("{told}. The run continues with the default tiles, and this is recorded"));
            Ok(texts)
        }
    }
}
