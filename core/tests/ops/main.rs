//! Every op, forward and backward, against oracles that nobody here wrote; and what results must not depend on: tile,
//! split, number of replicas.

mod batch_input;
mod batch_norm;
#[path = "../common/mod.rs"]
mod common;
mod conv;
mod conv_down;
mod divergence;
mod head;
mod max_pool;
mod numbers;
mod oracle;
mod pointwise;
mod update;
