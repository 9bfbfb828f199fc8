pub use crate::plot::{Axis, Figure};
