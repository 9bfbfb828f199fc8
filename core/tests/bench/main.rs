//! The measurements of `lastbit bench` and `lastbit tune`.

#[path = "../runs/mod.rs"]
mod runs;
mod scale;
mod tune;
