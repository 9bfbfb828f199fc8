//! What `lastbit bench` and `lastbit tune` measure with.

#[path = "../runs/mod.rs"]
mod runs;
mod scale;
mod tune;
