//! Training: the config, the plan of buffers and recordings that a network and a config compile to, the step loop
//! over replicas, and the state that a checkpoint holds.

mod batch;
pub mod checkpoint;
mod config;
mod curvature;
mod difference;
mod error;
mod estimate;
mod events;
mod in_flight;
mod lanczos;
mod liveness;
mod logits;
mod lowering;
mod lyapunov;
mod measuring;
mod memory;
mod metrics;
mod optimizer;
mod peek;
mod plan;
mod poke;
mod probe;
mod profile;
mod recorder;
mod run_length;
mod schedule;
mod script;
pub mod self_test;
mod state;
mod step_loop;
mod steps;
#[cfg(feature = "processor")]
mod team;
mod trainer;
mod transfer;
mod upload;

pub(crate) use batch::Batches;
pub use batch::EVALUATION_BATCH;
pub use config::{ConfigError, DatasetKind, LossKind, LrChange, MAX_K, SHARPNESS_IMAGES, TrainConfig};
pub use curvature::Curvature;
pub use difference::{Difference, difference, tensors};
pub use error::TrainError;
pub use estimate::{Estimate, MemoryEstimate, estimate, measurement_seconds, memory as memory_estimate};
pub use events::{CurvatureEvent, EpochEvent, Event, GrowthEvent, LayersEvent, StepEvent};
pub use optimizer::{Optimizer, UpdateRule};
pub use peek::{Peek, PeekRange};
pub(crate) use plan::default_tiles;
pub use plan::{BatchSizes, Chunk, MemoryLimits, MetricsLayout, Phase, Plan, RecordingKind, Tuning, UploadLayout};
pub use poke::{Perturb, Poke, PokeKind};
pub use probe::{Gradient, Probe, ProbeBatch, Switches};
pub use profile::StepTimes;
pub(crate) use profile::median;
pub use run_length::RunLength;
pub use schedule::{Schedule, learning_rate, logs_layers};
pub(crate) use script::script;
pub use state::{Arena, EpochSums, ReplicaState, State, Weights};
pub use step_loop::Progress;
pub use steps::{Step, Steps};
#[cfg(feature = "processor")]
pub use team::{Assign, Member, Results, Task, chunks_of};
pub use trainer::{FlipBit, Start, Trainer, plan};
