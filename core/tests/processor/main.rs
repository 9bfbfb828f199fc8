//! The twins on the processor have the bits of docs/ORDER.md, dispatch by dispatch, in sample loops, and in a whole run.

mod cases;
#[path = "../common/mod.rs"]
mod common;
mod fingerprints;
mod plain;
mod plain_runs;
#[path = "../runs/mod.rs"]
mod runs;
mod sample_loops;
#[path = "../common/skip.rs"]
mod skip;
mod twins;
