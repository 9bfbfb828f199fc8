//! The paper's equations on an adapter, in float64 and in theory, and the known behaviour in docs/RULES.md.

#[path = "../common/mod.rs"]
mod common;

mod heat;
mod linear;
mod nonlinear;

use std::rc::Rc;

use lastbit_core::device::{AdapterChoice, Context};

fn context() -> Rc<Context> {
    let choice = std::env::var("LASTBIT_ADAPTER").map_or(AdapterChoice::Best, AdapterChoice::Named);
    Rc::new(pollster::block_on(Context::new(&choice)).expect("tests need a GPU adapter, software will do"))
}
