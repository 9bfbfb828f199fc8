//! Code that several twins share: the counterparts of `shaders/shared/`, the order of sums over 64 lanes, and the walk
//! over planes in parts that fit the L1 cache.

pub mod activation;
pub mod chan;
pub mod leaves;
pub mod math;
pub mod mix;
pub mod norm;
pub mod pair_weights;
pub mod panel;
pub mod pieces;
pub mod planes;
pub mod quads;
pub mod reduce;
pub mod relative;
pub mod tensor;
pub mod walk;
pub mod window;
