//! Work as plain data: buffers, kernels and dispatches. Recordings stand between the algorithm and the device that runs
//! them, a GPU (`gpu/`) or the machine's cores (`processor/`).

/// Version of docs/ORDER.md. The bits of a kernel may change from one version to the next.
pub const ORDER_VERSION: u32 = 3;

mod buffers;
mod function;
mod job;
mod kernel;
mod recording;
mod script;
mod shader;

pub use buffers::{Binding, BufferId, BufferSpec, BufferTable};
pub use function::Function;
pub use job::{ARGUMENTS, Job};
pub use kernel::{Constant, Kernel};
pub(crate) use recording::OPERATIONS_PER_BYTE;
pub use recording::{Command, Dispatch, Recording, Work};
pub use script::{Act, Script};
pub use shader::{Access, Shader};
