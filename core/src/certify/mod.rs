//! Certifies a device: checks which promises of docs/RULES.md it keeps, and names the first kernel, element and bits where it
//! breaks one.
//!
//! Kernels are compared with their twins on the processor, in the class of the device's arithmetic. The processor itself is
//! compared with its own instruction sets and threads. The page contains no twins: there a certification is everything else.

mod certificate;
mod comparison;
mod functions;
#[cfg_attr(target_arch = "wasm32", allow(dead_code, reason = "the page contains no twins"))]
mod kernels;
mod lockstep;
mod published_runs;
mod report;
mod runs;
mod subjects;

use std::rc::Rc;

#[cfg(target_arch = "wasm32")]
use crate::arithmetic::Subnormals;
use crate::arithmetic::{Arithmetic, DeviceClass};
use crate::device::Context;
use crate::ops::Tiles;
use crate::processor::Class;
use crate::published;
use crate::record::Shader;
use crate::threads::Threads;
use crate::train::TrainError;

pub use certificate::{Adapter, Certificate, Speed};
pub use functions::check_functions;
pub use kernels::{check_kernels, check_tiny_gradients};
pub use published_runs::check_published_runs;
pub use report::{Failure, KernelFailure, MOST_FAILURES, POISON, Promise};
pub use subjects::{ForcedTiles, Subject};

/// What a certification does.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Checks fewer networks.
    pub quick: bool,
    /// Tiles that `tune` has found, beside the default ones.
    pub tuned: Vec<Tiles>,
    /// Threads that compute the twins.
    pub threads: Threads,
    /// A fault injector for tests: flips a bit of what a kernel of this shader wrote.
    pub fault: Option<Shader>,
}

/// What happens during a certification.
pub enum Event<'a> {
    /// The kernels of this network or equation are compared next.
    Subject(&'a str),
    /// A promise was checked.
    Promise(Promise),
}

/// Checks every promise on the device, and reports each when it is checked.
///
/// # Errors
/// [`TrainError::Gpu`] if a device is lost or cannot be opened. What a driver refuses is a failure of the promise.
pub async fn run(
    device: &Rc<Context>,
    arithmetic: Arithmetic,
    settings: &Settings,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<(), TrainError> {
    on_event(Event::Promise(class_promise(arithmetic)));
    let class = class_of(arithmetic);
    #[cfg(not(target_arch = "wasm32"))]
    kernels::check(device, arithmetic, settings, on_event).await?;
    #[cfg(target_arch = "wasm32")]
    on_event(Event::Promise(subnormals_promise(arithmetic)));
    let promise = check_functions(device, settings.quick).await?;
    on_event(Event::Promise(promise));
    runs::check(device, settings.quick, &mut |promise| on_event(Event::Promise(promise))).await?;
    let name = &mut |name: &str| on_event(Event::Subject(name));
    let runs = if settings.quick { published::quick() } else { published::all().to_vec() };
    let promise = check_published_runs(device, class, &runs, name).await?;
    on_event(Event::Promise(promise));
    Ok(())
}

/// The class of the twins that a device is compared with. Those of a device of neither class will differ in either.
fn class_of(arithmetic: Arithmetic) -> Class {
    arithmetic.class.known().unwrap_or_default()
}

/// Whether the device has a class at all.
fn class_promise(arithmetic: Arithmetic) -> Promise {
    let mut findings = report::Findings::default();
    if arithmetic.class == DeviceClass::Neither {
        findings
            .add_text("some multiply-adds are rounded once, others twice, or otherwise: no other device has such bits");
    }
    findings.promise("class", CLASS, format!("multiply-adds of known numbers: {}", arithmetic.class))
}

/// Whether the device keeps subnormal numbers, as known numbers show.
#[cfg(target_arch = "wasm32")]
fn subnormals_promise(arithmetic: Arithmetic) -> Promise {
    const CHECKED: &str = "products, sums, quotients and multiply-adds of known numbers";
    match arithmetic.subnormals {
        Subnormals::Kept => report::Findings::default().promise("subnormals", SUBNORMALS, CHECKED.to_owned()),
        Subnormals::Flushed => flushes(CHECKED),
    }
}

/// The promise `subnormals` of a device that makes use of the documented exception.
fn flushes(checked: &str) -> Promise {
    let promise = report::Findings::default().promise("subnormals", SUBNORMALS, checked.to_owned());
    Promise { exception: Some(FLUSHES.to_owned()), ..promise }
}

const CLASS: &str = "Every multiply-add is rounded once, or every one twice.";
const SUBNORMALS: &str = "Numbers below 2⁻¹²⁶ are kept, not flushed to zero.";
const FLUSHES: &str = "this device flushes subnormal numbers to zero (docs/RULES.md): its bits equal those of other devices of its \
     class only where none occurs";
