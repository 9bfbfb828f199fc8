//! The core of lastbit: networks and perturbed SGD as WGSL compute shaders over wgpu and as their twins on the
//! processor, shared by the native trainer and the web page. It touches no files and no page, and reads the clock only for
//! measurements; front ends read events and send commands.
//!
//! Several copies (*replicas*) of one network train in lockstep. They differ in one integer k: the update is divided by k,
//! then multiplied by k again. Two steps of ResNet-8 on made-up images, with the distance of k = 3 from k = 1 after each:
//!
//! ```
//! use std::rc::Rc;
//! use std::sync::Arc;
//!
//! use lastbit_core::data::synthetic;
//! use lastbit_core::device::{Context, Options};
//! use lastbit_core::nets::NetKind;
//! use lastbit_core::train::{DatasetKind, Event, Start, TrainConfig, Trainer, Tuning};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # pollster::block_on(async {
//! let config = TrainConfig {
//!     net: NetKind::ResNet { depth: 8 },
//!     dataset: DatasetKind::Synthetic,
//!     ks: vec![1, 3, 2], // k = 2 is a control: dividing by it is exact
//!     batch_size: 4,
//!     steps: Some(2),
//!     ..TrainConfig::default()
//! };
//! let images = Arc::new(synthetic::dataset(1, 8, 4)); // seed, images for training, images for testing
//! let context = Rc::new(Context::open(Options::default()).await?);
//! let mut trainer = Trainer::new(context, config, images, Tuning::default(), Start::Fresh).await?;
//! let mut distances = Vec::new();
//! loop {
//!     let progress = trainer.advance().await?;
//!     for event in progress.events {
//!         if let Event::Step(step) = event {
//!             distances.push(step.rel_l1);
//!         }
//!     }
//!     if progress.finished {
//!         break;
//!     }
//! }
//! assert_eq!(distances.len(), 2);
//! assert!(distances.iter().all(|of| of[1] > 0.0 && of[2] == 0.0));
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! | module | what |
//! | --- | --- |
//! | [`train`] | config, step loop, events, state, checkpoints: start here |
//! | [`nets`] | networks as graphs, and how to add one |
//! | [`ops`] | operations: the launches of their shaders, forward and backward |
//! | [`record`] | what is to be computed, as plain data: kernels, dispatches, buffers; the table of all shaders |
//! | [`device`] | adapters, buffers, programs, readback; over [`gpu`] (wgpu) or [`processor`] (the machine's own cores) |
//! | [`pde`] | the paper's equations in float32 on an adapter and in float64 on the host, with their theory |
//! | [`double`] | training in float64 on the host |
//! | [`data`], [`rng`] | images from bytes, order and augmentation, the counter-based generator |
//! | [`arithmetic`] | the class of a device, found by known numbers |
//! | [`published`] | short runs with the fingerprints that every device of a class must find |
//! | [`mod@bench`], [`smoke`] | what front ends measure and check |
//! | [`threads`], [`huge_pages`] | the threads and the memory that the processor computes with |
//!
//! [ARCHITECTURE.md](https://github.com/lastbit/lastbit/blob/main/docs/ARCHITECTURE.md) says how these fit together,
//! [ORDER.md](https://github.com/lastbit/lastbit/blob/main/docs/ORDER.md) in which order every sum is taken, and
//! [RULES.md](https://github.com/lastbit/lastbit/blob/main/docs/RULES.md) what is promised about bits.

pub mod arithmetic;
pub mod bench;
pub mod certify;
pub mod data;
pub mod device;
pub mod double;
#[cfg_attr(not(feature = "gpu"), allow(dead_code, unused_imports, reason = "other devices use a few of its types"))]
pub mod gpu;
pub mod huge_pages;
pub mod nets;
pub mod ops;
pub mod pde;
#[cfg_attr(
    not(feature = "processor"),
    allow(dead_code, unused_imports, reason = "other devices use a few of its types")
)]
pub mod processor;
pub mod published;
pub mod record;
pub mod rng;
pub mod smoke;
pub mod threads;
pub mod train;
