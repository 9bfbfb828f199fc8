//! `xtask-bindgen IN.wasm OUT_DIR`: writes the JavaScript that loads IN, and IN itself without its binding sections.

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(input), Some(out_dir), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        anyhow::bail!("usage: xtask-bindgen IN.wasm OUT_DIR");
    };
    Bindgen::new()
        .input_path(&input)
        .web(true)?
        .typescript(true)
        // Function names are a quarter of the file, and a panic message has file and line without them.
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(&out_dir)
        .with_context(|| format!("cannot bind {}", input.display()))
}
