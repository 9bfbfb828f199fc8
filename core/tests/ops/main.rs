//! Every op, forward and backward, is compared with an independent oracle. The bits of its results must not depend on the
//! tile, on how dispatches are split, or on the number of replicas.

mod adamw;
mod batch_input;
mod batch_norm;
#[path = "../common/mod.rs"]
mod common;
mod conv;
mod conv1x1;
mod conv_down;
mod divergence;
mod group_norm;
mod head;
mod max_pool;
mod numbers;
mod oracle;
mod pointwise;
mod update;
