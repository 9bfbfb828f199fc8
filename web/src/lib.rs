//! The core in a browser: what a Web Worker of the page may call. Thin: values go in and come out as JSON, and an error
//! is a JavaScript `Error` with the core's one line.

#![cfg(target_arch = "wasm32")]

use lastbit_core::gpu::AdapterChoice;
use wasm_bindgen::prelude::*;

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
    let report = lastbit_core::smoke::run(&AdapterChoice::Best).await?;
    Ok(serde_json::to_string(&report)?)
}
