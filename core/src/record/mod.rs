//! What is to be done, as plain data: buffers, kernels, dispatches. It stands between the algorithm and whatever computes
//! it: a GPU (`gpu/`) or the machine's own cores (`processor/`).

/// Version of docs/ORDER.md. Another version may give other bits from the same kernels.
pub const ORDER_VERSION: u32 = 2;

mod buffers;
mod job;
mod kernel;
mod recording;
mod shader;

pub use buffers::{Binding, BufferId, BufferSpec, BufferTable};
pub use job::{ARGUMENTS, Job};
pub use kernel::{Constant, Kernel};
pub(crate) use recording::OPERATIONS_PER_BYTE;
pub use recording::{Command, Dispatch, Recording, Work};
pub use shader::{Access, Shader};
