//! The core in a browser: what the page's Web Worker may call. Thin: configs, files and commands go in, typed events come
//! out, and an error is a JavaScript `Error` with the core's one line, whose `name` says what kind of fault it is.

#![cfg(target_arch = "wasm32")]

mod events;
mod fault;
mod lab;
mod pde;

use lastbit_core::device::Options;
use wasm_bindgen::prelude::*;

pub use lab::Lab;
pub use pde::Bench;

/// Sends panics to the console, with file and line, before they become a bare `unreachable`.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

/// One training step of ResNet-8 on the browser's adapter, as the JSON of `lastbit smoke --json`.
///
/// # Errors
/// No WebGPU adapter, or a step that the adapter refused.
#[wasm_bindgen]
pub async fn smoke() -> Result<String, JsError> {
    let report = lastbit_core::smoke::run(Options::default()).await?;
    Ok(serde_json::to_string(&report)?)
}
