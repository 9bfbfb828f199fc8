//! The core in a browser: what a Web Worker of the page may call. Thin: values come in and go out as JSON, and errors
//! as JavaScript `Error`s with the core's one line.
//!
//! It builds for the host too, so that clippy and rustdoc see it without a wasm toolchain; it only runs in a browser.

use lastbit_core::gpu;
use wasm_bindgen::prelude::*;

/// Sends panics to the console, with file and line, before they become a bare `unreachable`.
#[wasm_bindgen(start)]
pub fn start() {
    #[cfg(target_arch = "wasm32")]
    console_error_panic_hook::set_once();
}

/// One training step of ResNet-8 on the browser's adapter, as the JSON of `lastbit smoke --json`.
///
/// # Errors
/// No WebGPU adapter, or a step that the adapter refused.
#[wasm_bindgen]
pub async fn smoke() -> Result<String, JsError> {
    let report = gpu::adapters().await;
    Ok(serde_json::to_string(&report)?)
}
