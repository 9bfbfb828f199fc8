//! The core in a browser: what the page's Web Workers call. Configs, files and commands go in, typed events come out. An
//! error is a JavaScript `Error` with the core's message of one line; its `name` is the kind of fault.

#![cfg(target_arch = "wasm32")]

mod certify;
mod events;
mod fault;
mod lab;
mod pde;
mod standing;
#[cfg(feature = "processor")]
mod team;

use wasm_bindgen::prelude::*;

pub use certify::certify;
pub use lab::Lab;
pub use pde::Equations;

/// Sends panics to the console, with file and line, before they become a bare `unreachable`.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}
